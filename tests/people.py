"""People for tests of pages: somebody with roles, signed in with a second factor shown just now."""

from __future__ import annotations

import uuid
from dataclasses import asdict

from django.test import Client

from meterhall.web.accounts.models import Person
from meterhall.web.accounts.session import PROOF, Proof
from meterhall.web.platform import platform


def signed_in(client: Client, *roles: str, holder_reference: str = "", name: str = "Alex Example") -> Person:
    """Sign somebody new in at `client`; call its pages with `secure=True`."""
    person = Person.objects.create(
        email=f"{uuid.uuid4().hex[:12]}@example.org", name=name, roles=list(roles), holder_reference=holder_reference
    )
    client.force_login(person)
    show_second_factor(client)
    return person


def show_second_factor(client: Client) -> None:
    """Let the person at `client` have shown the second factor now, by the platform's clock."""
    session = client.session
    session[PROOF] = asdict(Proof(platform().now().timestamp(), "totp", ("otp", "mfa")))
    session.save()
