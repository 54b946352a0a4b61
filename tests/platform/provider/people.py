"""People who are signed in at the provider's portal, their second factor just shown."""

from __future__ import annotations

from django.test import Client

from meterhall.web.accounts.models import Person
from meterhall.web.accounts.session import PROOF
from meterhall.web.platform import platform


def signed_in(*roles: str, holder: str = "") -> Client:
    """A browser of a person with these roles."""
    name = "-".join((*roles, holder)) or "nobody"
    person, _ = Person.objects.get_or_create(
        email=f"{name.lower()}@example.org", defaults={"name": name, "roles": list(roles), "holder_reference": holder}
    )
    browser = Client()
    browser.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    session = browser.session
    session[PROOF] = {"at": platform().now().timestamp(), "method": "totp", "amr": ["pwd", "otp", "mfa"]}
    session.save()
    return browser
