"""Players: enrolment, what others see of a player, and the attestation by which the Market Place vouches for one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meterhall.domain.protocol.base import (
    AccessNumber,
    Country,
    EachOnce,
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
ENDPOINTS_TYP = "meterhall-endpoints+jws"
ATTESTATION_TYP = "meterhall-attestation+jwt"
ATTESTATION_LIFE_S = 7 * 86_400


class Jwk(Message):
    """An Ed25519 public key as a JWK (RFC 7517, RFC 8037)."""

    kty: Literal["OKP"] = Field("OKP", description="Key type: octet key pair (RFC 8037, section 2).")
    crv: Literal["Ed25519"] = Field("Ed25519", description="The curve.")
    x: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")] = Field(
        description="The 32 bytes of the public key, base64url without padding."
    )
    kid: ShortText = Field(description="The key's own SHA-256 thumbprint (RFC 7638), base64url; another is refused.")


class LegalIdentifier(Message):
    """A legal id that can be verified by its check digits."""

    kind: Literal["EIC", "LEI", "VAT", "GLN"] = Field(
        description="`EIC`: ENTSO-E code of a party (type X); `LEI`: ISO 17442; `VAT`: EU or Norwegian VAT number; "
        "`GLN`: GS1 location number of 13 digits."
    )
    value: ShortText = Field(
        description="The id. Spaces, dots and small letters are forgiven; it is shown compact and in capitals."
    )


class Endpoints(Message):
    """Where a player is reached. Without an inbox it polls the event feed."""

    b2b: Url = Field(
        description="Base URL of the B2B interface, without a slash at its end; also the OAuth issuer (RFC 8414)."
    )
    portal: Url | None = Field(None, description="Base URL of the pages for people; absent: there are none to name.")
    inbox: Url | None = Field(
        None, description="URL to which events are posted; absent: events wait in the sender's feed, `GET /v1/events`."
    )
    redirect_uris: EachOnce[Url] = Field(
        (),
        max_length=8,
        description="Where customers come back after consenting (RFC 6749, section 3.1.2): of requesters only.",
    )


class KeySet(Message):
    """A player's public keys: transport keys sign requests, contract keys sign contracts."""

    transport: tuple[Jwk, ...] = Field(
        min_length=1,
        max_length=4,
        description="Keys that sign token requests, events, statements, manifests and receipts; each of them is good.",
    )
    contract: tuple[Jwk, ...] = Field(
        min_length=1,
        max_length=4,
        description="Keys that sign contracts, released by a signer's second factor; none is a transport key too.",
    )


class Enrolment(Message):
    """What an organisation declares to take part (step 1); signed with its transport key."""

    organisation: ShortText = Field(description="The organisation's legal name, shown to all players.")
    country: Country = Field(description="Where it is established: a country of the EU or the EEA, ISO 3166-1 alpha-2.")
    legal_id: LegalIdentifier = Field(description="The legal id; its check digits are verified.")
    roles: EachOnce[PlayerRole] = Field(
        min_length=1,
        max_length=2,
        description="`provider`: holds meter data and serves it; `requester`: asks for it on behalf of customers.",
    )
    activity: Activity = Field(
        description="What the organisation does in the field. `dso`, `tso` and `metering_data_manager` may be "
        "providers in the regulated environment, the others in the unregulated one."
    )
    contact: ShortText = Field(description="Whom other players turn to: a name, an e-mail address or a telephone.")
    description: LongText = Field(
        "", description="What the organisation does, in its own words, for the operator who admits it."
    )
    endpoints: Endpoints = Field(description="Where it is reached.")
    keys: KeySet = Field(description="Its public keys; the enrolment is signed with one of the transport keys.")


class PlayerView(Message):
    """A player as others see it."""

    access_number: AccessNumber = Field(description="The player's one immutable id; its OAuth `client_id` as well.")
    organisation: str = Field(description="The organisation's name as it enrolled.")
    country: Country = Field(description="Where it is established, ISO 3166-1 alpha-2.")
    legal_id: LegalIdentifier = Field(description="The legal id, verified, in its compact form.")
    roles: EachOnce[PlayerRole] = Field(description="`provider`, `requester` or both; each once.")
    activity: Activity = Field(description="What the organisation does in the field.")
    contact: str = Field(description="Whom other players turn to; `not stated` where nothing was given.")
    endpoints: Endpoints = Field(description="Where it is reached.")
    keys: KeySet = Field(description="Its present public keys; replaced ones are not shown.")
    status: PlayerStatus = Field(
        description="`applied`: not yet decided; `admitted`: may transact; `suspended`: stopped until let back in; "
        "`refused`: turned down; `left`: went away. The last two may apply anew."
    )


class Membership(Message):
    """A player's own standing: its access number, status and, once admitted, an attestation to itself."""

    player: PlayerView = Field(description="The caller as others see it.")
    general_contract_signed: bool = Field(description="Whether it has signed a version of the general contract.")
    reason: str | None = Field(
        None, description="Why it was refused or suspended, in the operator's words; absent: nothing was said."
    )
    attestation: Jws | None = Field(
        None, description="JWT of an Attestation of kind `player` to the caller itself; absent while not admitted."
    )


class Discovery(Message):
    """`GET /.well-known/meterhall`: who answers here, and its keys."""

    role: Literal["marketplace", "provider", "requester"] = Field(description="What answers at this address.")
    environment: Environment = Field(description="The environment it belongs to; nothing crosses to the other.")
    organisation: str = Field(description="The name of the organisation that runs it.")
    access_number: AccessNumber | None = Field(None, description="Its access number; absent before its enrolment.")
    keys: tuple[Jwk, ...] = Field(
        description="Its transport keys. Of a player take them from attestations: here only TLS vouches for them."
    )
    endpoints: Endpoints = Field(description="Where it is reached.")
    log_key: str | None = Field(None, description="The transparency log's verifier key (C2SP vkey); marketplace only.")
    witness_key: str | None = Field(
        None,
        description="The key by which a player cosigns that log's checkpoints (C2SP vkey); absent: it is no witness.",
    )


class SandboxGrant(Message):
    """What a certifier's attestation stands for: subscription and consent, for reserved sandbox PODs only."""

    certification_id: str = Field(description="The conformance run it is for, `crt_…`.")


class Attestation(Message):
    """Claims of the JWT in which the Market Place vouches for `player` to `aud`.

    A `player` attestation doubles as the RFC 7591 software statement of the player's OAuth client; a `subscription`
    attestation vouches for that subscription as well; a `sandbox` attestation is the certifier's.
    """

    iss: Url = Field(description="Who vouches: the B2B address of the Market Place (RFC 7519, section 4.1.1).")
    sub: AccessNumber = Field(description="The player vouched for (RFC 7519, section 4.1.2).")
    aud: AccessNumber = Field(
        description="The only player that may rely on it (RFC 7519, section 4.1.3): refuse one that is not for you."
    )
    iat: int = Field(description="When it was made: seconds since 1970-01-01T00:00:00Z (RFC 7519, section 4.1.6).")
    exp: int = Field(
        description="From when on it is void: seconds since 1970-01-01T00:00:00Z (RFC 7519, section 4.1.4); "
        "seven days after `iat`. No token outlives it."
    )
    jti: str = Field(description="The id of this attestation, `att_` and 24 hex digits (RFC 7519, section 4.1.7).")
    kind: Literal["player", "subscription", "sandbox"] = Field(
        description="`player`: vouches for who it is; `subscription`: for one contract too; `sandbox`: for the "
        "certifier, sandbox PODs only."
    )
    environment: Environment = Field(description="The environment it counts in: refuse one of the other.")
    player: PlayerView = Field(description="What to know of that player: keys, addresses, redirect addresses.")
    subscription_id: str | None = Field(None, description="Of kind `subscription`: the subscription; else absent.")
    contract_digest: str | None = Field(
        None, description="Of kind `subscription`: the digest of the service contract; else absent."
    )
    sandbox: SandboxGrant | None = Field(None, description="Of kind `sandbox`: which run it is for; else absent.")


class AttestationRequest(Message):
    """Ask the Market Place to vouch for the caller to `audience`."""

    audience: AccessNumber = Field(description="The admitted player to which the caller wants to be vouched for.")


class Attested(Message):
    """The attestation asked for, and how long it holds."""

    attestation: Jws = Field(description="JWT of an Attestation, signed by the Market Place.")
    expires_at: Instant = Field(description="From when on it is void; the `exp` in it.")
