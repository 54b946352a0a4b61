"""What the domain and other platforms say in English, in the reader's language.

A sentence of ours is looked up as it is: `tools/messages.py` gathers those of rules, refusals and errors. One with a
number or a code in it is recognised by its form. What somebody else wrote stays as it is.
"""

from __future__ import annotations

import re
from functools import cache

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from meterhall.web.portal.words import STATE, Words, word

CHECK: Words = {
    "announcement": gettext_lazy("announcement"),
    "run": gettext_lazy("run"),
    "discovery": gettext_lazy("description of itself"),
    "tls": gettext_lazy("encryption"),
    "oauth_metadata": gettext_lazy("authorization server"),
    "token": gettext_lazy("access token"),
    "activation": gettext_lazy("activation"),
    "answers": gettext_lazy("answers for each POD"),
    "data_request": gettext_lazy("data request"),
    "manifest": gettext_lazy("manifest"),
    "parts": gettext_lazy("parts of the delivery"),
    "digests": gettext_lazy("digests"),
    "format": gettext_lazy("format"),
    "receipt": gettext_lazy("receipt"),
}
"""The checks of a conformance run."""
SENTENCES = (
    gettext_noop("The provider did not receive certification.started."),
    gettext_noop("The run could not be brought to an end."),
    gettext_noop("There is no manifest."),
    gettext_noop("The run ended unexpectedly; this is a fault of the Market Place."),
    gettext_noop("Role, environment, access number and key are those enrolled."),
    gettext_noop("The platform does not describe itself as a provider."),
    gettext_noop("The platform belongs to the other environment."),
    gettext_noop("It names another access number."),
    gettext_noop("It shows none of the enrolled transport keys."),
    gettext_noop("The authorization server's metadata is not JSON."),
    gettext_noop("The issuer is not the B2B address."),
    gettext_noop("There is no token endpoint over TLS."),
    gettext_noop("DPoP lacks Ed25519."),
    gettext_noop("client_credentials, private_key_jwt and DPoP are offered."),
    gettext_noop("A token was given against the attestation; without one there is no answer."),
    gettext_noop("An activation that does not exist was shown."),
    gettext_noop("Not every POD of the list was taken."),
    gettext_noop("Each POD has a pseudonym of its own."),
    gettext_noop("The data request was taken and acknowledged."),
    gettext_noop("The manifest is not the one that was signed."),
    gettext_noop("The manifest is about something else than was asked."),
    gettext_noop("The manifest has no parts."),
    gettext_noop("A part names a pseudonym that no answer gave."),
    gettext_noop("Every digest fits."),
    gettext_noop("The delivery holds no reading."),
    gettext_noop("The receipt was taken and acknowledged."),
    gettext_noop("The number fits several countries; say which."),
)
"""Findings of a conformance run, and what a requester notes about a line of its list."""
FORMS = (
    gettext_noop("The run did not end within %(seconds)s s."),
    gettext_noop("/.well-known/meterhall answers %(status)s."),
    gettext_noop("%(version)s is too old."),
    gettext_noop("%(version)s; the certificate is valid until %(day)s."),
    gettext_noop("The authorization server's metadata answers %(status)s."),
    gettext_noop("%(member)s lacks %(value)s."),
    gettext_noop("A call without a token answers %(status)s, not 401."),
    gettext_noop("%(number)s sandbox PODs taken and acknowledged."),
    gettext_noop("The acknowledgement is not a %(kind)s of it."),
    gettext_noop("Sandbox POD %(place)s is %(state)s: %(code)s."),
    gettext_noop("Sandbox POD %(place)s has no pseudonym."),
    gettext_noop("%(number)s PODs accepted, each under a pseudonym."),
    gettext_noop("Signed manifest of %(number)s parts."),
    gettext_noop("Part %(part)s is larger than a sandbox delivery may be."),
    gettext_noop("Part %(part)s has not the size its manifest states."),
    gettext_noop("Part %(part)s by range is another file."),
    gettext_noop("%(number)s parts fetched whole and by range."),
    gettext_noop("Part %(part)s answers %(status)s, not %(expected)s."),
    gettext_noop("Part %(part)s is longer than its manifest states."),
    gettext_noop("Part %(part)s has another digest."),
    gettext_noop("Part %(part)s does not hold as many readings as its manifest states."),
    gettext_noop("%(number)s readings decoded from %(format)s."),
    gettext_noop("It refused with %(status)s %(code)s."),
    gettext_noop("The answer does not fit the published schema at %(place)s: %(fault)s."),
    gettext_noop("The connection failed: %(fault)s."),
    gettext_noop("The answer could not be read: %(fault)s."),
    gettext_noop("%(number)s workers ended, or took too long, while they were at it"),
    gettext_noop("The certifier was not let in within %(seconds)s s."),
    gettext_noop("Not every POD was answered within %(seconds)s s."),
    gettext_noop("No delivery was published within %(seconds)s s."),
    gettext_noop("%(who)s cannot be reached: its certificate is not accepted, %(why)s."),
    gettext_noop("An aggregate needs at least %(number)s members."),
    gettext_noop("%(who)s cannot be reached: nobody answers at this address."),
    gettext_noop("%(who)s cannot be reached: it did not answer in time."),
    gettext_noop("%(who)s cannot be reached: the connection broke off."),
)
"""The same with something in it that differs."""
HOLE = re.compile(r"%\((\w+)\)s")


def spoken(text: str) -> str:
    """A sentence in the reader's language; as it is where it is none of ours."""
    found = _(text) if text else ""
    if found != text:
        return found
    for form, pattern in _patterns():
        if match := pattern.fullmatch(text):
            holes = match.groupdict()
            if "state" in holes:
                holes["state"] = word(STATE, holes["state"])
            return _(form) % holes
    sentence, code = _apart(text)
    return f"{spoken(sentence)} {code}" if code else text


def _apart(text: str) -> tuple[str, str]:
    """A sentence and the `(code)` behind it."""
    match = re.fullmatch(r"(.+\.) (\(\w+\))", text, re.DOTALL)
    return (match[1], match[2]) if match else (text, "")


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((form, re.compile(_pattern(form))) for form in FORMS)


def _pattern(form: str) -> str:
    pieces = HOLE.split(form)
    return "".join(f"(?P<{one}>.+?)" if place % 2 else re.escape(one) for place, one in enumerate(pieces))
