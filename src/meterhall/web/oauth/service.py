"""Commands and questions about clients, their calls, and the consent requests they push."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.http import HttpRequest

from meterhall.authserver import Call, TokenProblem
from meterhall.authserver.grants import code_digest
from meterhall.domain.errors import Gone, NotFound, NotPermitted
from meterhall.domain.protocol.consents import GrantedDetail, MeteringDataDetail
from meterhall.domain.protocol.players import ATTESTATION_LIFE_S
from meterhall.web.oauth.details import on_details as on_details
from meterhall.web.oauth.errors import challenged
from meterhall.web.oauth.introductions import on_attestation as on_attestation
from meterhall.web.oauth.models import Client, Code, PushedRequest
from meterhall.web.oauth.servers import nonces, resource_server
from meterhall.web.oauth.stores import Clients
from meterhall.web.platform import platform

THINKING_TIME = timedelta(minutes=30)
"""How long a customer may take, from the first sight of the request to the decision."""
REQUEST_URI = re.compile(r"[\x21-\x7e]{1,120}")
CODE_LIFE = timedelta(seconds=60)
ATTESTATION_LIFE = timedelta(seconds=ATTESTATION_LIFE_S)


class ClientSuspended(NotPermitted):
    code = "client_suspended"
    title = "The client is suspended; only a word of the Market Place newer than that lets it in again."


class UnknownRequest(NotFound):
    code = "unknown_request_uri"
    title = "There is no such consent request of this client."


class RequestEnded(Gone):
    code = "request_ended"
    title = "This consent request has been decided, or it has waited too long; the service has to ask again."


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, and for what."""

    client_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A consent request for the customer to decide."""

    client_id: str
    client_name: str
    redirect_uri: str
    state: str
    details: tuple[MeteringDataDetail, ...]
    request_uri: str


def call_of(request: HttpRequest) -> Call:
    """A Django request as the kit sees it; the address is our own, whatever Host says."""
    form = {name: [str(value) for value in values] for name, values in request.POST.lists()}
    return Call(request.method or "", platform().base_url + request.get_full_path(), request.headers, form)


def caller_of(request: HttpRequest) -> Caller:
    """The player calling, from its token and proof, checked once a request.

    Raises `TokenMissing`, `InvalidToken`, `InvalidProof`, `NonceNeeded`.
    """
    known: Caller | None = getattr(request, "_meterhall_caller", None)
    if known is None:
        url = platform().base_url + request.get_full_path()
        try:
            access = resource_server().access(Call(request.method or "", url, request.headers))
        except TokenProblem as fault:
            raise challenged(fault, nonces().make(platform().now())) from fault
        known = Caller(access.client_id, access.scopes)
        request._meterhall_caller = known  # type: ignore[attr-defined]
    return known


def admit_client(
    *,
    client_id: str,
    name: str,
    keys: list[dict[str, Any]],
    redirect_uris: list[str],
    scopes: list[str],
    valid_until: datetime | None,
    source: str,
) -> None:
    """Let a player have tokens until `valid_until`, or change what is known of it.

    An attestation lives for a week, so of two with an end the later-ending is the newer: one that is not newer changes
    nothing, and one older than a suspension raises `ClientSuspended`.
    """
    with transaction.atomic():
        known = Client.objects.select_for_update().filter(client_id=client_id).first()
        if known is not None and valid_until is not None:
            if known.suspended_at is not None and not _is_newer(valid_until, known.suspended_at):
                raise ClientSuspended
            if known.suspended_at is None and known.valid_until is not None and valid_until <= known.valid_until:
                return
        Client.objects.update_or_create(
            client_id=client_id,
            defaults={
                "name": name,
                "keys": keys,
                "redirect_uris": redirect_uris,
                "scopes": scopes,
                "valid_until": valid_until,
                "suspended_at": None,
                "source": source,
                "changed_at": platform().now(),
            },
        )


def _is_newer(valid_until: datetime, suspended_at: datetime) -> bool:
    """Whether an attestation ending then was made at or after that second."""
    return valid_until.timestamp() - ATTESTATION_LIFE_S >= int(suspended_at.timestamp())


def change_client(client_id: str, keys: Sequence[dict[str, Any]], redirect_uris: Sequence[str], at: datetime) -> None:
    """The Market Place says that since `at` the player has these keys and addresses; what it may do stays the same.

    That word lives as long as an attestation made then, so that an earlier one does not bring replaced keys back.
    """
    until = at + ATTESTATION_LIFE
    known = Client.objects.filter(client_id=client_id).exclude(valid_until__gt=until)
    known.update(keys=list(keys), redirect_uris=list(redirect_uris), valid_until=until, changed_at=platform().now())


def suspend_client(client_id: str, at: datetime | None = None) -> None:
    """No token any more; those it holds stop at once. `at` is when the Market Place decided so: where the client is
    here by a later word than that, it stays."""
    now = platform().now()
    known = Client.objects.filter(client_id=client_id)
    if at is not None:
        known = known.exclude(valid_until__gt=at + ATTESTATION_LIFE)
    known.update(suspended_at=at or now, changed_at=now)


def open_request(client_id: str, request_uri: str) -> OpenRequest:
    """The pushed request behind an authorize address; looking at it again gives the same until it is decided.

    Raises `UnknownRequest`, `RequestEnded`.
    """
    if Clients().find(client_id) is None or not REQUEST_URI.fullmatch(request_uri):
        raise UnknownRequest
    row = PushedRequest.objects.select_related("client").filter(request_uri=request_uri, client_id=client_id).first()
    if row is None:
        raise UnknownRequest
    _check_open(row)
    if row.opened_at is None:
        PushedRequest.objects.filter(pk=row.pk, opened_at=None).update(opened_at=platform().now())
    return OpenRequest(
        client_id=client_id,
        client_name=row.client.name,
        redirect_uri=row.redirect_uri,
        state=row.state,
        details=tuple(MeteringDataDetail.model_validate(detail) for detail in row.details),
        request_uri=row.request_uri,
    )


def _check_open(row: PushedRequest) -> None:
    ends = row.opened_at + THINKING_TIME if row.opened_at else row.expires_at
    if row.decided_at is not None or platform().now() >= ends:
        raise RequestEnded


def approve(open_request: OpenRequest, grant_id: str, granted: Iterable[GrantedDetail]) -> str:
    """The customer granted some or all: the address to send the browser back to, with a code. Raises `RequestEnded`."""
    code = secrets.token_urlsafe(32)
    with transaction.atomic():
        row = _decide(open_request)
        Code.objects.create(
            digest=code_digest(code),
            client_id=row.client_id,
            redirect_uri=row.redirect_uri,
            scope=row.scope,
            code_challenge=row.code_challenge,
            dpop_jkt=row.dpop_jkt,
            grant_id=grant_id,
            details=[detail.document() for detail in granted],
            expires_at=platform().now() + CODE_LIFE,
        )
    return _back(open_request, code=code)


def deny(open_request: OpenRequest) -> str:
    """The customer refused: the address to send the browser back to. Raises `RequestEnded`."""
    with transaction.atomic():
        _decide(open_request)
    return _back(open_request, error="access_denied", error_description="The customer does not consent.")


def _decide(open_request: OpenRequest) -> PushedRequest:
    row = PushedRequest.objects.select_for_update().get(pk=open_request.request_uri)
    _check_open(row)
    row.decided_at = platform().now()
    row.save(update_fields=["decided_at"])
    return row


def _back(open_request: OpenRequest, **answer: str) -> str:
    """RFC 6749, section 4.1.2, with the issuer (RFC 9207)."""
    state = {"state": open_request.state} if open_request.state else {}
    query = urlencode({**answer, **state, "iss": platform().base_url})
    return f"{open_request.redirect_uri}{'&' if '?' in open_request.redirect_uri else '?'}{query}"
