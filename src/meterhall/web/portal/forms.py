"""How Django's forms look in the portals: every form and field goes through the kit's templates."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.renderers import TemplatesSetting


class PortalRenderer(TemplatesSetting):
    """`{{ form }}` and `{{ field.as_field_group }}` in the portal's manner: label, hint, error, input."""

    form_template_name = "portal/forms/form.html"
    field_template_name = "portal/components/form_field.html"


class DayInput(forms.DateInput):
    """A day as the browser asks for it. What it is given is YYYY-MM-DD whatever the language: it shows nothing else."""

    input_type = "date"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%d")
