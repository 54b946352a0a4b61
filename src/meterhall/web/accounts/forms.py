"""The forms of the accounts' pages, and how a refusal of the service comes to stand at its field."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from meterhall.domain.errors import InvalidInput, MeterhallError
from meterhall.web.accounts.factors import WrongPasskey
from meterhall.web.portal.spoken import spoken


class PasswordsDiffer(InvalidInput):
    code = "passwords_differ"
    title = "The two passwords are not the same."


class FormIncomplete(InvalidInput):
    code = "form_incomplete"
    title = "Something in the form is missing or not valid."


class SignInForm(forms.Form):
    """E-mail and password."""

    email = forms.EmailField(label=_("E-mail address"), widget=forms.EmailInput({"autocomplete": "username"}))
    password = forms.CharField(
        label=_("Password"), strip=False, widget=forms.PasswordInput({"autocomplete": "current-password"})
    )


class CodeForm(forms.Form):
    """A code of the second factor."""

    code = forms.CharField(
        label=_("Code from your authenticator app"),
        max_length=20,
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class PasskeyForm(forms.Form):
    """A new passkey and what it is called; the browser fills in the credential."""

    name = forms.CharField(label=_("What you call this device"), max_length=60, required=False)
    credential = forms.CharField(required=False, widget=forms.HiddenInput)


class PasswordForm(forms.Form):
    """A new password, twice."""

    password = forms.CharField(
        label=_("New password"),
        help_text=_("At least twelve characters."),
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=_("The same again"), strip=False, widget=forms.PasswordInput({"autocomplete": "new-password"})
    )


def valid(form: forms.Form) -> dict[str, Any]:
    """What the form holds. Raises `FormIncomplete`; what is wrong stands at the fields already."""
    if not form.is_valid():
        raise FormIncomplete
    return form.cleaned_data


def mark(form: forms.Form, fault: MeterhallError) -> None:
    """Put a refusal at the field it names, else on top of the (bound) form."""
    if isinstance(fault, FormIncomplete):
        return
    form.errors.clear()  # of fields that another way in left empty
    field = (fault.field or "").removeprefix("/")
    form.add_error(field if field in form.fields and not form[field].is_hidden else None, spoken(fault.detail))


def credential_in(text: str) -> Any:
    """The browser's WebAuthn answer as it stands in a form. Raises `WrongPasskey`."""
    try:
        return json.loads(text)
    except ValueError:
        raise WrongPasskey(field="/credential") from None
