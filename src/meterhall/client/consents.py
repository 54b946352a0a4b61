"""Asking a customer's consent at a provider: the pushed request (RFC 9126), and the code exchanged for the grant."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from pydantic import ValidationError

from meterhall.client.errors import UnreadableAnswer
from meterhall.client.tokens import TokenEndpoint
from meterhall.domain.errors import NotPermitted
from meterhall.domain.protocol.consents import GrantedDetail, MeteringDataDetail


class WrongIssuer(NotPermitted):
    code = "wrong_issuer"
    title = "The answer comes from another authorization server than the one that was asked."


@dataclass(frozen=True, slots=True)
class Asking:
    """A pushed request: where to send the customer, and what to keep until the customer comes back."""

    url: str
    state: str
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the customer granted; bulk data is then pulled with the requester's own token."""

    consent_id: str
    details: tuple[GrantedDetail, ...]


def consent_page(endpoint: TokenEndpoint) -> str:
    """Where the provider's customers decide: the `authorization_endpoint` of its metadata (RFC 8414).

    Raises `UnreadableAnswer` where there is none, for a provider that takes evidence only; and like
    `TokenEndpoint.metadata`.
    """
    page = endpoint.metadata().get("authorization_endpoint")
    parts = urlsplit(page) if isinstance(page, str) else None
    if not isinstance(page, str) or parts is None or parts.scheme != "https" or not parts.netloc or parts.fragment:
        raise UnreadableAnswer(f"{endpoint.issuer} has no page where customers consent; bring evidence.")
    return page


def ask_consent(
    endpoint: TokenEndpoint,
    page: str,
    access_number: str,
    redirect_uri: str,
    details: Iterable[MeteringDataDetail],
) -> Asking:
    """Push a consent request to the provider, whose customers decide on `page`: see `consent_page`.

    The code is bound to the endpoint's DPoP key: redeem it with the same key. Raises like `TokenEndpoint.post`.
    """
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    answer = endpoint.post(
        "/oauth/par",
        {
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "authorization_details": json.dumps([detail.document() for detail in details]),
        },
    )
    request_uri = answer.get("request_uri")
    if not isinstance(request_uri, str):
        raise UnreadableAnswer("The answer to the pushed request names no request_uri.")
    query = urlencode({"client_id": access_number, "request_uri": request_uri})
    return Asking(f"{page}{'&' if urlsplit(page).query else '?'}{query}", state, verifier)


def redeem_code(endpoint: TokenEndpoint, code: str, iss: str, verifier: str, redirect_uri: str) -> Grant:
    """Exchange the code the customer brought back for the grant. `iss` is the parameter beside it (RFC 9207).

    Raises `WrongIssuer`, and like `TokenEndpoint.post`.
    """
    if iss != endpoint.issuer:
        raise WrongIssuer(field="/iss")
    answer = endpoint.post(
        "/oauth/token",
        {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect_uri},
    )
    try:
        details = tuple(GrantedDetail.model_validate(detail) for detail in answer["authorization_details"])
        return Grant(str(answer["grant_id"]), details)
    except (KeyError, TypeError, ValidationError) as fault:
        raise UnreadableAnswer("The answer to the code does not say what was granted.") from fault
