"""The second factor itself: authenticator apps (TOTP, RFC 6238), passkeys (WebAuthn) and recovery codes.

A TOTP code is accepted once: the time step of the last accepted one is kept beside the sealed seed, and nothing at
or before it passes again. Wrong attempts are counted per person and per address.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from allauth.core import ratelimit
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.webauthn.internal import auth as webauthn
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from meterhall.domain.errors import Conflict, InvalidInput, TooMany
from meterhall.web.accounts.models import Person
from meterhall.web.platform import platform

Method = Literal["totp", "webauthn", "recovery_codes"]
SEED = "accounts_seed"
WAIT_S = 300


class WrongCode(InvalidInput):
    code = "wrong_second_factor"
    title = "This code is not right, or it was used before."


class WrongPasskey(InvalidInput):
    code = "wrong_passkey"
    title = "This passkey is not one of this account's, or it answered another question."


class TooManyAttempts(TooMany):
    code = "too_many_attempts"
    title = "There were too many wrong attempts. Wait five minutes and try again."


class LastFactor(Conflict):
    code = "last_factor"
    title = "An account keeps at least one authenticator app or passkey."


def count_attempt(request: HttpRequest, key: str) -> None:
    """Count an attempt that may be wrong. Raises `TooManyAttempts`."""
    if not ratelimit.consume(request, action="login_failed", key=key):
        raise TooManyAttempts(retry_after_s=WAIT_S)


def forget_attempts(request: HttpRequest, key: str) -> None:
    """An attempt was right."""
    ratelimit.clear(request, action="login_failed", key=key)


def factors_of(person: Person) -> QuerySet[Authenticator]:
    """The authenticator app and the passkeys of a person; recovery codes are not a factor of their own."""
    chosen = Authenticator.objects.filter(user=person).exclude(type=Authenticator.Type.RECOVERY_CODES)
    return chosen.order_by("created_at", "pk")


def new_seed(request: HttpRequest) -> str:
    """A fresh TOTP seed (base32), kept sealed in the session until a code shows that the app has it."""
    seed = generate_totp_secret()
    request.session[SEED] = get_adapter().encrypt(seed)
    return seed


def offered_seed(request: HttpRequest) -> str:
    """The seed offered in this session; a fresh one when there is none."""
    sealed = request.session.get(SEED)
    return get_adapter().decrypt(sealed) if sealed else new_seed(request)


def seed_url(person: Person, seed: str) -> str:
    """The `otpauth://` address an authenticator app reads from the picture."""
    return str(get_adapter().build_totp_url(person, seed))


def enrol_totp(request: HttpRequest, person: Person, code: str) -> None:
    """Make the offered seed the person's authenticator app, replacing an earlier one. Raises `WrongCode`."""
    seed = offered_seed(request)
    count_attempt(request, _key(person))
    step = _step(seed, code)
    if step is None:
        raise WrongCode(field="/code")
    Authenticator.objects.update_or_create(
        user=person,
        type=Authenticator.Type.TOTP,
        defaults={"data": {"secret": get_adapter().encrypt(seed), "step": step}, "created_at": platform().now()},
    )
    request.session.pop(SEED, None)
    forget_attempts(request, _key(person))


def check_code(request: HttpRequest, person: Person, code: str, *, recovery: bool) -> Method:
    """Which factor the code is of; with `recovery` an unused recovery code counts.

    Raises `WrongCode`, `TooManyAttempts`.
    """
    count_attempt(request, _key(person))
    if _use_totp(person, code):
        method: Method = "totp"
    elif recovery and _use_recovery_code(person, code):
        method = "recovery_codes"
    else:
        raise WrongCode(field="/code")
    forget_attempts(request, _key(person))
    return method


def _key(person: Person) -> str:
    return f"second-factor:{person.pk}"


def _step(seed: str, code: str) -> int | None:
    """The time step whose code this is, within the tolerance."""
    present = int(platform().now().timestamp()) // app_settings.TOTP_PERIOD
    for step in range(present - app_settings.TOTP_TOLERANCE, present + app_settings.TOTP_TOLERANCE + 1):
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(seed, step))):
            return step
    return None


@transaction.atomic
def _use_totp(person: Person, code: str) -> bool:
    chosen = Authenticator.objects.select_for_update().filter(user=person, type=Authenticator.Type.TOTP).first()
    if chosen is None:
        return False
    step = _step(get_adapter().decrypt(chosen.data["secret"]), code)
    if step is None or step <= chosen.data.get("step", 0):
        return False
    chosen.data["step"] = step
    chosen.last_used_at = platform().now()
    chosen.save(update_fields=["data", "last_used_at"])
    return True


@transaction.atomic
def _use_recovery_code(person: Person, code: str) -> bool:
    codes = Authenticator.objects.select_for_update().filter(user=person, type=Authenticator.Type.RECOVERY_CODES)
    chosen = codes.first()
    return chosen is not None and bool(RecoveryCodes(chosen).validate_code(code))


def begin_passkey(person: Person) -> str:
    """What the browser is asked when a passkey is made: WebAuthn creation options as JSON."""
    return json.dumps(webauthn.begin_registration(person, True))


def enrol_passkey(person: Person, name: str, credential: Any) -> None:
    """Keep the passkey the browser made. Raises `WrongPasskey`."""
    try:
        webauthn.parse_registration_response(credential)
        webauthn.complete_registration(credential)
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError) as fault:
        raise WrongPasskey(field="/credential") from fault
    made = webauthn.WebAuthn.add(person, name, credential).instance
    made.created_at = platform().now()
    made.save(update_fields=["created_at"])


def ask_passkey(person: Person | None) -> str:
    """What the browser is asked when a passkey is shown, as JSON; without a person, any that this site made."""
    return json.dumps(webauthn.begin_authentication(person))


def check_passkey(request: HttpRequest, person: Person | None, credential: Any) -> Person:
    """Whose passkey answered. Raises `WrongPasskey`, `TooManyAttempts`."""
    if person is not None:
        count_attempt(request, _key(person))
    try:
        webauthn.parse_authentication_response(credential)
        owner = person or webauthn.extract_user_from_response(credential)
        shown = webauthn.complete_authentication(owner, credential)
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError) as fault:
        raise WrongPasskey(field="/credential") from fault
    if not isinstance(owner, Person) or not owner.is_active:
        raise WrongPasskey(field="/credential")
    shown.last_used_at = platform().now()
    shown.save(update_fields=["last_used_at"])
    forget_attempts(request, _key(owner))
    return owner


def fresh_recovery_codes(person: Person) -> None:
    """Make new recovery codes; the earlier ones end."""
    with transaction.atomic():
        Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).delete()
        RecoveryCodes.activate(person)


def ensure_recovery_codes(person: Person) -> None:
    """Make recovery codes for somebody who has none."""
    try:
        with transaction.atomic():
            RecoveryCodes.activate(person)
    except IntegrityError:
        return  # made at the same moment by another request


def recovery_codes(person: Person) -> tuple[list[str], int]:
    """The codes when they were never shown before, else none; and how many are unused."""
    with transaction.atomic():
        chosen = (
            Authenticator.objects.select_for_update()
            .filter(user=person, type=Authenticator.Type.RECOVERY_CODES)
            .first()
        )
        if chosen is None:
            return [], 0
        codes = RecoveryCodes(chosen)
        unused: list[str] = codes.get_unused_codes()
        shown = codes.did_view
        codes.mark_as_viewed()
    return ([] if shown else unused), len(unused)


def codes_left(person: Person) -> int:
    """How many recovery codes are unused."""
    chosen = Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).first()
    return len(RecoveryCodes(chosen).get_unused_codes()) if chosen else 0


@transaction.atomic
def remove_factor(person: Person, factor_id: int) -> None:
    """Take a factor away. Raises `LastFactor`."""
    Person.objects.select_for_update().get(pk=person.pk)
    if not factors_of(person).exclude(pk=factor_id).exists():
        raise LastFactor
    factors_of(person).filter(pk=factor_id).delete()
