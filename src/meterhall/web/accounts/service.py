"""Commands about people: invite, let in once, set a password, take the second factor away."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from meterhall.domain.errors import Conflict, Gone, InvalidInput
from meterhall.web.accounts.models import ROLES, OneTimeLink, Person
from meterhall.web.platform import platform

LINK_PATH = "account/link"
"""The token follows as a parameter: Django's own log lines name paths, and logs hold no tokens."""
LINK_LIFE = timedelta(days=7)


class UnknownRole(InvalidInput):
    code = "unknown_role"
    title = f"A role is one of: {', '.join(ROLES)}."


class BadEmail(InvalidInput):
    code = "bad_email"
    title = "This is not an e-mail address."


class HolderReferenceMissing(InvalidInput):
    code = "holder_reference_missing"
    title = "A customer is invited with the reference by which the holder of the metering points is known."


class OtherHolder(Conflict):
    code = "other_holder"
    title = "This person is a customer under another reference already."


class LinkSpent(Gone):
    code = "link_spent"
    title = "This link was used already or has run out. Ask for a new one."


class WeakPassword(InvalidInput):
    code = "weak_password"
    title = "This password is too easy to guess."


@transaction.atomic
def invite(email: str, name: str, role: str, holder_reference: str = "") -> str:
    """An absolute URL of the portal that works once within seven days. Somebody known gets the further role.

    Raises `UnknownRole`, `BadEmail`, `HolderReferenceMissing`, `OtherHolder`.
    """
    if role not in ROLES:
        raise UnknownRole(field="/role")
    if role == "customer" and not holder_reference:
        raise HolderReferenceMissing(field="/holder_reference")
    address = _address(email)
    Person.objects.get_or_create(email=address, defaults={"name": name, "password": make_password(None)})
    person = Person.objects.select_for_update().get(email=address)
    if holder_reference and person.holder_reference not in ("", holder_reference):
        raise OtherHolder(field="/holder_reference")
    person.holder_reference = holder_reference or person.holder_reference
    person.roles = [known for known in ROLES if known == role or known in person.roles]
    person.save(update_fields=["holder_reference", "roles"])
    return one_time_link(person, purpose="join")


def _address(email: str) -> str:
    try:
        validate_email(email)
    except ValidationError:
        raise BadEmail(field="/email") from None
    return email.lower()


def one_time_link(person: Person, *, purpose: str = "sign_in") -> str:
    """An absolute URL of the portal that stands for the person's password once, within seven days."""
    token = secrets.token_urlsafe(32)
    OneTimeLink.objects.create(
        digest=_digest(token), person=person, purpose=purpose, expires_at=platform().now() + LINK_LIFE
    )
    return f"{platform().portal_url}/{LINK_PATH}?token={token}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def look_at_link(token: str) -> OneTimeLink:
    """A link that would work now; looking does not use it. Raises `LinkSpent`."""
    found = OneTimeLink.objects.select_related("person").filter(
        digest=_digest(token), used_at=None, expires_at__gt=platform().now(), person__is_active=True
    )
    link = found.first()
    if link is None:
        raise LinkSpent
    return link


def claim_link(token: str) -> Person:
    """Use a link up; of two who try at the same moment one gets in. Raises `LinkSpent`."""
    link = look_at_link(token)
    if not OneTimeLink.objects.filter(pk=link.pk, used_at=None).update(used_at=platform().now()):
        raise LinkSpent
    return link.person


def set_password(person: Person, password: str) -> None:
    """Let the person sign in by e-mail and password, too; the second factor stays. Raises `WeakPassword`."""
    try:
        validate_password(password, person)
    except ValidationError as fault:
        raise WeakPassword(" ".join(fault.messages), field="/password") from None
    person.set_password(password)
    person.save(update_fields=["password"])


def set_language(person: Person, language: str) -> None:
    """Remember the language a person reads."""
    person.language = language
    person.save(update_fields=["language"])


def reset_second_factor(email: str) -> str:
    """For somebody who lost every factor: forget them, and a link by which a new one is enrolled. Raises `BadEmail`."""
    with transaction.atomic():
        person = Person.objects.filter(email=email.lower()).first()
        if person is None:
            raise BadEmail("There is nobody with this address.", field="/email")
        Authenticator.objects.filter(user=person).delete()
        return one_time_link(person)
