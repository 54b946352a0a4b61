"""Asking a customer on the provider's page: the address to send the customer to, and what the customer brings back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel

from meterhall.client.consents import WrongIssuer, ask_consent, consent_page, redeem_code
from meterhall.client.desk import Desk
from meterhall.domain.errors import Conflict, InvalidInput, NotFound, NotPermitted
from meterhall.domain.protocol.consents import GrantedDetail, MeteringDataDetail

KIND: Final = "consent_asked"


class NoRedirectUri(Conflict):
    code = "no_redirect_uri"
    title = "The client's home names no address where customers come back to; make it with one (redirect)."


class UnknownRedirectUri(InvalidInput):
    code = "unknown_redirect_uri"
    title = "The address is not one of those the client's home names."


class ConsentNotAsked(NotFound):
    code = "consent_not_asked"
    title = "Nobody is awaited with this answer: it was never asked here, or it has been taken already."


class ConsentRefused(NotPermitted):
    code = "consent_refused"
    title = "The customer, or the provider, said no."


@dataclass(frozen=True, slots=True)
class Need:
    """One thing the data is needed for, as the customer reads it; `name` is ours, unique in the request."""

    purpose: str
    access_until: datetime
    name: str = "data"


@dataclass(frozen=True, slots=True)
class ConsentAsked:
    """A request that waits for a customer: send the customer to `url`."""

    url: str
    state: str


@dataclass(frozen=True, slots=True)
class ConsentGiven:
    """What a customer granted. `consent_id` is the proof for `GivenConsents`; the points are the provider's names."""

    consent_id: str
    provider: str
    subscription_id: str
    details: tuple[GrantedDetail, ...]


class _Kept(BaseModel):
    """What is needed when the customer comes back, by the request's state."""

    provider: str
    subscription_id: str
    redirect_uri: str
    verifier: str


def ask(
    desk: Desk, provider: str, subscription_id: str, details: Sequence[MeteringDataDetail], redirect_uri: str | None
) -> ConsentAsked:
    """Push a consent request. Raises `NoRedirectUri`, `UnknownRedirectUri`, `TokenRefused`, and like `Line.call`."""
    back = _back(desk, redirect_uri)
    endpoint = desk.token_endpoint(provider)
    asking = ask_consent(endpoint, consent_page(endpoint), desk.me, back, details)
    kept = _Kept(provider=provider, subscription_id=subscription_id, redirect_uri=back, verifier=asking.verifier)
    desk.memory.put(KIND, asking.state, kept)
    return ConsentAsked(asking.url, asking.state)


def _back(desk: Desk, wanted: str | None) -> str:
    known = desk.card.redirect_uris
    if not known:
        raise NoRedirectUri
    if wanted is not None and wanted not in known:
        raise UnknownRedirectUri(field="/redirect_uri")
    return wanted or known[0]


def take(desk: Desk, answer: str) -> ConsentGiven:
    """Exchange what the customer brought back, the whole address the customer came to, for the grant.

    Raises `ConsentNotAsked`, `ConsentRefused`, `WrongIssuer` (RFC 9207), `TokenRefused`, `RemoteUnreachable`; after
    the last the same answer may be taken again.
    """
    told = {name: values[0] for name, values in parse_qs(urlsplit(answer).query).items()}
    kept = desk.memory.get(KIND, told.get("state", ""), _Kept)
    if kept is None:
        raise ConsentNotAsked(field="/state")
    endpoint = desk.token_endpoint(kept.provider)
    if told.get("iss") != endpoint.issuer:
        raise WrongIssuer(field="/iss")
    if "code" not in told:
        desk.memory.forget(KIND, told["state"])
        raise ConsentRefused(f"The answer is {told.get('error', 'empty')}.", field="/error")
    grant = redeem_code(endpoint, told["code"], endpoint.issuer, kept.verifier, kept.redirect_uri)
    desk.memory.forget(KIND, told["state"])
    return ConsentGiven(grant.consent_id, kept.provider, kept.subscription_id, grant.details)
