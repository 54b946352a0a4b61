"""How Django's forms look in the portals: every form and field goes through the kit's templates."""

from __future__ import annotations

from django.forms.renderers import TemplatesSetting


class PortalRenderer(TemplatesSetting):
    """`{{ form }}` and `{{ field.as_field_group }}` in the portal's manner: label, hint, error, input."""

    form_template_name = "portal/forms/form.html"
    field_template_name = "portal/components/form_field.html"
