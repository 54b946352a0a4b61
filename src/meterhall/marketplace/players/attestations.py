"""The Market Place's word: attestations about a player to an audience, and the certifier's identity."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from meterhall.domain.identifiers import access_number, demonstration_gln
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.keys import SigningKey, sign
from meterhall.domain.protocol.players import (
    ATTESTATION_LIFE_S,
    ATTESTATION_TYP,
    Attestation,
    Attested,
    Endpoints,
    KeySet,
    LegalIdentifier,
    PlayerView,
    SandboxGrant,
)
from meterhall.web.membership.service import public_jwk
from meterhall.web.platform import platform

MARKETPLACE_NUMBER = access_number(0)
CERTIFIER_NUMBER = access_number(1)
FIRST_PLAYER = 2


def attest(
    player: PlayerView,
    audience: str,
    *,
    kind: Literal["player", "subscription", "sandbox"] = "player",
    subscription_id: str | None = None,
    contract_digest: str | None = None,
    sandbox: SandboxGrant | None = None,
) -> Attested:
    """The signed word for `player` to `audience`; it holds seven days."""
    now = platform().now()
    expires = now + timedelta(seconds=ATTESTATION_LIFE_S)
    claims = Attestation(
        iss=platform().base_url,
        sub=player.access_number,
        aud=audience,
        iat=int(now.timestamp()),
        exp=int(expires.timestamp()),
        jti=new_id("att"),
        kind=kind,
        environment=platform().config.environment,
        player=player,
        subscription_id=subscription_id,
        contract_digest=contract_digest,
        sandbox=sandbox,
    )
    return Attested(
        attestation=sign(claims.document(), platform().transport_key, typ=ATTESTATION_TYP), expires_at=expires
    )


def certifier_key() -> SigningKey:
    """The transport key of the certifier, always the same for this home."""
    return SigningKey.from_bytes(platform().home.derived_key("certifier transport"))


def certifier_view() -> PlayerView:
    """The certifier as a player: it requests sandbox data, and nothing else."""
    contract_key = SigningKey.from_bytes(platform().home.derived_key("certifier contract"))
    nobody = demonstration_gln(0)
    return PlayerView(
        access_number=CERTIFIER_NUMBER,
        organisation=f"{platform().config.name} certifier",
        country=platform().config.country,
        legal_id=LegalIdentifier(kind=nobody.kind, value=nobody.value),
        roles=("requester",),
        activity="market_operator",
        contact=platform().config.contact or "not stated",
        endpoints=Endpoints(b2b=platform().base_url),
        keys=KeySet(transport=(public_jwk(certifier_key()),), contract=(public_jwk(contract_key),)),
        status="admitted",
    )


def sandbox_attestation(provider_number: str, certification_id: str) -> str:
    """The word for the certifier to one provider, for one conformance run and sandbox PODs only."""
    grant = SandboxGrant(certification_id=certification_id)
    return attest(certifier_view(), provider_number, kind="sandbox", sandbox=grant).attestation
