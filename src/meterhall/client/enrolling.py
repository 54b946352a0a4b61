"""Becoming a player (step 1): make a home, apply at the Market Place, sign its general terms."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

import httpx
from pydantic import ValidationError

from meterhall.client.desk import TIMEOUT, Desk
from meterhall.client.errors import RemoteRefusal, UnreadableAnswer, unreachable
from meterhall.client.home import ClientHome, SignerKey, folder_of, read_card, tls_of
from meterhall.client.signing import contract_signature
from meterhall.domain.errors import Conflict, InvalidInput
from meterhall.domain.protocol.agreements import Countersigned, GeneralContract
from meterhall.domain.protocol.base import Signed
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.keys import sign
from meterhall.domain.protocol.players import (
    ENDPOINTS_TYP,
    ENROLMENT_TYP,
    Activity,
    Discovery,
    Endpoints,
    Enrolment,
    Jwk,
    KeySet,
    LegalIdentifier,
    Membership,
    PlayerView,
)


class NotAMarketplace(InvalidInput):
    code = "not_a_marketplace"
    title = "There is no Market Place at this address."


class NotAdmittedYet(Conflict):
    code = "not_admitted_yet"
    title = "The Market Place's operator has not admitted this organisation yet."


class BadLegalId(InvalidInput):
    code = "bad_legal_id_argument"
    title = "A legal id is written KIND:VALUE with KIND one of EIC, LEI, VAT, GLN: LEI:529900T8BM49AURSDO55."


def create(
    name: str | Path,
    *,
    marketplace: str,
    organisation: str,
    country: str,
    address: str,
    contact: str,
    passphrase: str,
    trust: bytes = b"",
    redirect_uris: tuple[str, ...] = (),
) -> ClientHome:
    """Make a client's home: fresh keys, the contract key under the signer's `passphrase`; the Market Place's keys as it
    shows them over TLS.

    Raises `ClientExists`, `BadClient`, `ShortPassphrase`, `NotAMarketplace`, `RemoteUnreachable`, `UnreadableAnswer`.
    """
    found = discover(marketplace.rstrip("/"), trust)
    if found.role != "marketplace" or found.access_number is None:
        raise NotAMarketplace(f"At {marketplace} is a {found.role}.", field="/marketplace")
    card: dict[str, object] = {
        "organisation": organisation,
        "country": country,
        "marketplace": found.endpoints.b2b,
        "address": address,
        "contact": contact,
        "environment": found.environment,
        "marketplace_number": found.access_number,
        "marketplace_keys": [key.document() for key in found.keys],
        "redirect_uris": redirect_uris,
    }
    return ClientHome.create(folder_of(name), card, passphrase, trust)


def discover(base: str, trust: bytes = b"") -> Discovery:
    """Who answers at an address."""
    try:
        with httpx.Client(verify=tls_of(trust), timeout=TIMEOUT) as http:
            response = http.get(base + "/.well-known/meterhall")
    except (httpx.TransportError, httpx.InvalidURL) as fault:
        raise unreachable(base, fault) from fault
    if response.is_error:
        raise RemoteRefusal(response)
    try:
        return Discovery.model_validate_json(response.content)
    except ValidationError as fault:
        raise UnreadableAnswer(f"{base} does not describe itself as a platform.") from fault


def legal_id_of(text: str) -> LegalIdentifier:
    """The legal id in `KIND:VALUE`. Raises `BadLegalId`."""
    kind, _, value = text.partition(":")
    try:
        return LegalIdentifier.model_validate({"kind": kind.upper(), "value": value})
    except ValidationError:
        raise BadLegalId(field="/legal-id") from None


def enrol(desk: Desk, legal_id: LegalIdentifier, activity: Activity) -> PlayerView:
    """Apply. Again it is the same player, with the same access number."""
    card = desk.card
    enrolment = Enrolment(
        organisation=card.organisation,
        country=card.country,
        legal_id=legal_id,
        roles=("requester",),
        activity=activity,
        contact=card.contact,
        endpoints=Endpoints(b2b=card.address, redirect_uris=card.redirect_uris),
        keys=KeySet(transport=(Jwk.model_validate(desk.key.public.jwk()),), contract=(card.contract_key,)),
    )
    signed = Signed(jws=sign(enrolment.document(), desk.key, typ=ENROLMENT_TYP))
    headers = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(16)}
    try:
        response = desk.http.post(f"{card.marketplace}/v1/players", content=signed.canonical(), headers=headers)
    except httpx.TransportError as fault:
        raise unreachable(card.marketplace, fault) from fault
    if response.is_error:
        raise RemoteRefusal(response)
    try:
        view = PlayerView.model_validate_json(response.content)
    except ValidationError as fault:
        raise UnreadableAnswer(f"{card.marketplace} answers no player.") from fault
    desk.take_card(card.model_copy(update={"access_number": view.access_number}))
    return view


def declare_addresses(desk: Desk, address: str | None, redirect_uris: tuple[str, ...] | None) -> PlayerView:
    """Tell the Market Place, and by it the partners, where we are now; what is None stays. Kept once it is taken.

    Raises `BadClient`, `RemoteRefusal`.
    """
    changed = {"address": address, "redirect_uris": redirect_uris}
    card = read_card(desk.card.model_dump() | {name: value for name, value in changed.items() if value is not None})
    endpoints = Endpoints(b2b=card.address, redirect_uris=card.redirect_uris)
    signed = Signed(jws=sign(endpoints.document(), desk.key, typ=ENDPOINTS_TYP))
    view = desk.marketplace.call("PUT", "/v1/players/me/endpoints", signed, PlayerView)
    desk.take_card(card)
    return view


def standing(desk: Desk) -> Membership:
    """How we stand at the Market Place."""
    return desk.marketplace.call("GET", "/v1/players/me", None, Membership)


def wait_admitted(desk: Desk, timeout_s: float) -> Membership:
    """Wait until the operator has admitted us. Raises `TimedOut`."""
    seen: list[Membership] = []

    def look() -> bool:
        desk.tell("wait", 0, None, "admission")
        seen.append(standing(desk))
        return seen[-1].player.status == "admitted"

    desk.pace.until(look, timeout_s, "The admission")
    return seen[-1]


def sign_terms(desk: Desk, signer: SignerKey) -> None:
    """Sign the general contract; nothing to do where it is signed. Raises `NotAdmittedYet`, `SignerNotFresh`."""
    membership = standing(desk)
    if membership.player.status != "admitted":
        raise NotAdmittedYet(f"The organisation is {membership.player.status}.")
    if membership.general_contract_signed:
        return
    terms = desk.marketplace.call("GET", "/v1/general-contract", None, GeneralContract)
    shown, now = terms.fingerprint(), datetime.now(UTC)
    jws = contract_signature("general_contract", shown, signer.signer, signer.key, party=desk.me, now=now)
    body, key = Signed(jws=jws), digest(jws.encode())[-64:]
    desk.marketplace.call("POST", "/v1/general-contract/signatures", body, Countersigned, key=key)
