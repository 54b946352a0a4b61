"""Players: enrolment, what others see of a player, and the attestation by which the Market Place vouches for one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meterhall.domain.protocol.base import (
    AccessNumber,
    Country,
    Environment,
    Instant,
    Jws,
    LongText,
    Message,
    PlayerRole,
    ShortText,
    Url,
)

PlayerStatus = Literal["applied", "admitted", "suspended", "refused", "left"]
Activity = Literal[
    "dso", "tso", "metering_data_manager", "retailer", "esco", "aggregator", "technology_provider", "market_operator"
]
REGULATED: frozenset[str] = frozenset({"dso", "tso", "metering_data_manager"})
"""The activities that may provide services in the regulated environment; the others may in the unregulated one."""

ENROLMENT_TYP = "meterhall-enrolment+jws"
KEYS_TYP = "meterhall-keys+jws"
ATTESTATION_TYP = "meterhall-attestation+jwt"
ATTESTATION_LIFE_S = 7 * 86_400


class Jwk(Message):
    """An Ed25519 public key (RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    x: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
    kid: ShortText


class LegalIdentifier(Message):
    """A legal id that can be verified by its check digits."""

    kind: Literal["EIC", "LEI", "VAT", "GLN"]
    value: ShortText


class Endpoints(Message):
    """Where a player is reached. Without an inbox it polls the event feed."""

    b2b: Url = Field(description="Base URL of the B2B interface; also the OAuth issuer.")
    portal: Url | None = None
    inbox: Url | None = None
    redirect_uris: tuple[Url, ...] = Field((), max_length=8, description="Where customers come back after consenting.")


class KeySet(Message):
    """A player's public keys: transport keys sign requests, contract keys sign contracts."""

    transport: tuple[Jwk, ...] = Field(min_length=1, max_length=4)
    contract: tuple[Jwk, ...] = Field(min_length=1, max_length=4)


class Enrolment(Message):
    """What an organisation declares to take part (step 1); signed with its transport key."""

    organisation: ShortText
    country: Country
    legal_id: LegalIdentifier
    roles: tuple[PlayerRole, ...] = Field(min_length=1, max_length=2)
    activity: Activity
    contact: ShortText
    description: LongText = ""
    endpoints: Endpoints
    keys: KeySet


class PlayerView(Message):
    """A player as others see it."""

    access_number: AccessNumber
    organisation: str
    country: Country
    legal_id: LegalIdentifier
    roles: tuple[PlayerRole, ...]
    activity: Activity
    contact: str
    endpoints: Endpoints
    keys: KeySet
    status: PlayerStatus


class Membership(Message):
    """A player's own standing: its access number, status and, once admitted, an attestation to itself."""

    player: PlayerView
    general_contract_signed: bool
    reason: str | None = None
    attestation: Jws | None = None


class Discovery(Message):
    """`GET /.well-known/meterhall`: who answers here, and its keys."""

    role: Literal["marketplace", "provider", "requester"]
    environment: Environment
    organisation: str
    access_number: AccessNumber | None = None
    keys: tuple[Jwk, ...]
    endpoints: Endpoints
    log_key: str | None = Field(None, description="The transparency log's verifier key (C2SP vkey); marketplace only.")
    witness_key: str | None = Field(
        None, description="The key by which a player cosigns that log's checkpoints (vkey)."
    )


class SandboxGrant(Message):
    """What a certifier's attestation stands for: subscription and consent, for reserved sandbox PODs only."""

    certification_id: str


class Attestation(Message):
    """Claims of the JWT in which the Market Place vouches for `player` to `aud`.

    A `player` attestation doubles as the RFC 7591 software statement of the player's OAuth client; a `subscription`
    attestation vouches for that subscription as well; a `sandbox` attestation is the certifier's.
    """

    iss: Url
    sub: AccessNumber
    aud: AccessNumber
    iat: int
    exp: int
    jti: str
    kind: Literal["player", "subscription", "sandbox"]
    environment: Environment
    player: PlayerView
    subscription_id: str | None = None
    contract_digest: str | None = None
    sandbox: SandboxGrant | None = None


class AttestationRequest(Message):
    """Ask the Market Place to vouch for the caller to `audience`."""

    audience: AccessNumber


class Attested(Message):
    attestation: Jws
    expires_at: Instant
