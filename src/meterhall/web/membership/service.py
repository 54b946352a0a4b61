"""Commands and questions about our membership. Calls to the Market Place happen outside any transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
from pydantic import ValidationError

from meterhall.client import signing
from meterhall.client.b2b import RemoteRefusal, RemoteUnreachable, UnreadableAnswer
from meterhall.client.errors import unreachable
from meterhall.client.patience import may_pass
from meterhall.client.signing import Signer as Signer
from meterhall.client.signing import SignerNotFresh as SignerNotFresh
from meterhall.domain.errors import Conflict, InvalidInput, NotAuthenticated
from meterhall.domain.protocol.agreements import (
    Countersigned,
    GeneralContract,
)
from meterhall.domain.protocol.base import PlayerRole, Signed
from meterhall.domain.protocol.canonical import digest, new_salt
from meterhall.domain.protocol.keys import SigningKey, header_of, sign, verify
from meterhall.domain.protocol.players import (
    ATTESTATION_TYP,
    ENDPOINTS_TYP,
    ENROLMENT_TYP,
    Activity,
    Attestation,
    AttestationRequest,
    Attested,
    Discovery,
    Endpoints,
    Enrolment,
    Jwk,
    KeySet,
    LegalIdentifier,
    Membership,
    PlayerView,
)
from meterhall.web.membership.models import HeldAttestation, Standing
from meterhall.web.messaging.clients import marketplace_client
from meterhall.web.messaging.market_keys import discover, marketplace_keys
from meterhall.web.messaging.models import Identity, Peer
from meterhall.web.messaging.peers import (
    marketplace,
    my_access_number,
    remember_marketplace,
    remember_player,
    set_access_number,
)
from meterhall.web.oauth.service import ATTESTATION_LIFE
from meterhall.web.platform import platform


class BadAttestation(NotAuthenticated):
    code = "bad_attestation"
    title = "The attestation is not one of the Market Place's for this platform, or it has run out."


class NoMarketplace(Conflict):
    code = "no_marketplace"
    title = "The setting marketplace_url names no Market Place."


class BadEnrolment(InvalidInput):
    code = "bad_enrolment"
    title = "An enrolment cannot be made of this."


class EnrolledOtherwise(Conflict):
    code = "enrolled_otherwise"
    title = "This platform is enrolled already, as another organisation."


class NotAdmitted(Conflict):
    code = "not_admitted"
    title = "The Market Place has not admitted this player yet."


def contact_marketplace() -> Discovery:
    """Ask the Market Place who it is, over TLS, and remember it."""
    base = platform().config.marketplace_url.rstrip("/")
    if not base:
        raise NoMarketplace(field="/marketplace_url")
    found = discover(base)
    if found.role != "marketplace" or found.environment != platform().config.environment:
        raise NoMarketplace(f"{base} is not the Market Place of the {platform().config.environment} environment.")
    remember_marketplace(found)
    return found


def public_jwk(key: SigningKey) -> Jwk:
    return Jwk.model_validate(key.public.jwk())


def my_endpoints(redirect_uris: tuple[str, ...] = ()) -> Endpoints:
    """Where others reach this platform, from its settings."""
    base = platform().base_url
    return Endpoints(b2b=base, portal=platform().portal_url, inbox=f"{base}/v1/inbox", redirect_uris=redirect_uris)


def declared_endpoints() -> Endpoints:
    """What this player declares of where it is reached, from its settings."""
    is_requester = platform().role == "requester"
    return my_endpoints((f"{platform().portal_url}/consents/callback",) if is_requester else ())


def declare_endpoints() -> Membership:
    """Tell the Market Place where this player is reached now; it tells the partners. Repeating it is harmless."""
    jws = sign(declared_endpoints().document(), platform().transport_key, typ=ENDPOINTS_TYP)
    marketplace_client().call("PUT", "/v1/players/me/endpoints", Signed(jws=jws), PlayerView)
    return refresh_membership()


def enrol(legal_id: LegalIdentifier, roles: tuple[PlayerRole, ...], activity: Activity) -> PlayerView:
    """Apply at the Market Place (step 1). Repeating it gives the same access number.

    Raises `BadEnrolment`, `EnrolledOtherwise` and like `contact_marketplace`. What the Market Place refused may be
    corrected and sent again.
    """
    enrolment = _enrolment(legal_id, roles, activity)
    contact_marketplace()
    standing = Standing.objects.first()
    if standing is not None and Identity.objects.exists():
        enrolment = _same_as_before(Enrolment.model_validate(standing.enrolment), enrolment)
    elif standing is not None and standing.enrolment != enrolment.document():
        standing.delete()
        standing = None
    if standing is None:
        standing = Standing.objects.create(enrolment=enrolment.document(), idempotency_key=new_salt())
    view = _post_enrolment(enrolment, standing.idempotency_key)
    set_access_number(view.access_number)
    return view


def _same_as_before(before: Enrolment, now: Enrolment) -> Enrolment:
    """What was declared, for it is declared once."""
    if (before.legal_id, before.roles, before.activity) != (now.legal_id, now.roles, now.activity):
        raise EnrolledOtherwise(
            f"This platform is enrolled as {before.legal_id.kind}:{before.legal_id.value} ({before.activity}) already.",
            field="/legal_id",
        )
    return before


def _enrolment(legal_id: LegalIdentifier, roles: tuple[PlayerRole, ...], activity: Activity) -> Enrolment:
    """What this platform declares of itself."""
    config = platform().config
    declared = {
        "organisation": config.name,
        "country": config.country,
        "legal_id": legal_id,
        "roles": roles,
        "activity": activity,
        "contact": config.contact or "not stated",
        "endpoints": declared_endpoints(),
        "keys": KeySet(
            transport=(public_jwk(platform().transport_key),), contract=(public_jwk(platform().contract_key),)
        ),
    }
    try:
        return Enrolment.model_validate(declared)
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        where = "/" + "/".join(str(part) for part in first["loc"])
        raise BadEnrolment(f"{where}: {first['msg']}.", field=where) from None


def _post_enrolment(enrolment: Enrolment, key: str) -> PlayerView:
    signed = Signed(jws=sign(enrolment.document(), platform().transport_key, typ=ENROLMENT_TYP))
    url = f"{marketplace().b2b_url}/v1/players"
    try:
        response = platform().http.post(
            url,
            content=signed.canonical(),
            headers={"Content-Type": "application/json", "Idempotency-Key": key},
        )
        if response.is_error:
            raise RemoteRefusal(response)
        return PlayerView.model_validate_json(response.content)
    except httpx.TransportError as fault:
        raise unreachable(url, fault) from fault
    except ValidationError as fault:
        raise UnreadableAnswer(f"{url} answers no player.") from fault


def refresh_membership() -> Membership:
    """Ask the Market Place for our standing and keep it."""
    membership = marketplace_client().call("GET", "/v1/players/me", None, Membership)
    Standing.objects.update(membership=membership.document(), checked_at=platform().now())
    return membership


def membership() -> Membership | None:
    """Our standing as last heard."""
    standing = Standing.objects.first()
    if standing is None or standing.membership is None:
        return None
    return Membership.model_validate(standing.membership)


def general_contract() -> GeneralContract:
    """The general terms in force at the Market Place."""
    return marketplace_client().call("GET", "/v1/general-contract", None, GeneralContract)


def sign_general_contract(signer: Signer) -> None:
    """Sign the general contract with the contract key; keeps both signatures."""
    contract = general_contract()
    jws = contract_signature("general_contract", contract.fingerprint(), signer)
    answer = marketplace_client().call(
        "POST", "/v1/general-contract/signatures", Signed(jws=jws), Countersigned, key=digest(jws.encode())[-64:]
    )
    Standing.objects.update(signature={"ours": jws, "countersignature": answer.countersignature})
    refresh_membership()


def check_fresh(signer: Signer) -> None:
    """Raises `SignerNotFresh` when the second factor is too old for the contract key."""
    signing.check_fresh(signer, platform().now())


def contract_signature(subject: str, digest: str, signer: Signer) -> str:
    """Our JWS over a contract's digest, with the contract key. Raises `SignerNotFresh`."""
    return signing.contract_signature(
        subject, digest, signer, platform().contract_key, party=my_access_number(), now=platform().now()
    )


def attestation_for(audience: str) -> str:
    """The Market Place's word for us to `audience`; fetched again once a day, and when its key was replaced.

    While the Market Place cannot be asked the word that is held goes on to be shown, as long as it holds.
    """
    now = platform().now()
    held = HeldAttestation.objects.filter(audience=audience, expires_at__gt=now).first()
    if held is not None and held.fetched_at > now - timedelta(days=1) and _key_holds(held.jws):
        return held.jws
    try:
        answer = marketplace_client().call("POST", "/v1/attestations", AttestationRequest(audience=audience), Attested)
    except (RemoteUnreachable, RemoteRefusal) as fault:
        if held is None or not may_pass(fault):
            raise
        return held.jws
    _key_holds(answer.attestation)
    HeldAttestation.objects.update_or_create(
        audience=audience,
        defaults={"jws": answer.attestation, "expires_at": answer.expires_at, "fetched_at": now},
    )
    return answer.attestation


def _key_holds(jws: str) -> bool:
    """Whether the Market Place still shows the key that signed; looked at anew where it is not known here."""
    kid = str(header_of(jws).get("kid"))
    return any(key.kid == kid for key in marketplace_keys(kid))


def renew_peers() -> int:
    """Have the Market Place vouch anew for each player whose word is a day old; how many it vouched for.

    A requester hears a provider's attestation once, with the contract; without this it would stop believing that
    provider's events and manifests a week later.
    """
    now = platform().now()
    old = Peer.objects.filter(is_marketplace=False, vouched_until__lt=now + ATTESTATION_LIFE - timedelta(days=1))
    renewed = 0
    for number in list(old.exclude(access_number=my_access_number()).values_list("access_number", flat=True)):
        renewed += renew_peer(number)
    return renewed


def renew_peer(number: str) -> bool:
    """Have the Market Place vouch anew for one player, with the keys it has now; whether it does."""
    now = platform().now()
    try:
        player = marketplace_client().call("GET", f"/v1/players/{number}", None, PlayerView)
    except RemoteRefusal as refusal:
        if not refusal.is_final:
            raise
        return False
    remember_player(player, now + ATTESTATION_LIFE)
    return True


def read_attestation(jws: str) -> Attestation:
    """The claims of an attestation meant for us, checked against the Market Place's keys and the clock.

    Raises `BadAttestation` or `BadSignature`.
    """
    verified = verify(jws, marketplace_keys(str(header_of(jws).get("kid"))), typ=ATTESTATION_TYP)
    claims = Attestation.model_validate(verified.document)
    now = platform().now().timestamp()
    if claims.aud != my_access_number() or not claims.iat - 60 <= now < claims.exp:
        raise BadAttestation
    if claims.environment != platform().config.environment or claims.iss != marketplace().b2b_url:
        raise BadAttestation
    return claims


def accept_attestation(jws: str) -> Attestation:
    """Read an attestation and remember the player it vouches for."""
    claims = read_attestation(jws)
    remember_player(claims.player, datetime.fromtimestamp(claims.exp, UTC))
    return claims
