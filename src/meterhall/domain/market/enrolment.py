"""Who may take part and in which role (MP-1): the checks of an enrolment and a key set. Who signed it: elsewhere."""

from __future__ import annotations

from typing import Final

from meterhall.domain.errors import InvalidInput, MeterhallError, NotPermitted
from meterhall.domain.identifiers import LegalId, check_country, check_legal_id
from meterhall.domain.market.declared import AddressInvalid, TextUnseen, check_endpoints, check_seen
from meterhall.domain.protocol.base import Environment
from meterhall.domain.protocol.keys import PublicKey
from meterhall.domain.protocol.players import REGULATED, Enrolment, Jwk, KeySet


class ProviderNotRegulated(NotPermitted):
    code = "provider_not_regulated"
    title = "In the regulated environment only DSOs, TSOs and metering data managers provide services."


class ProviderRegulated(NotPermitted):
    code = "provider_regulated"
    title = "In the unregulated environment regulated actors provide no services."


class InvalidKey(InvalidInput):
    code = "key_invalid"
    title = "The key is not an Ed25519 public key named by its own RFC 7638 thumbprint."


class KeyTwice(InvalidInput):
    code = "key_twice"
    title = "Each key stands once: a transport key is not a contract key."


class NoOverlap(InvalidInput):
    code = "keys_without_overlap"
    title = "A new key set keeps at least one present key of each kind, so that messages on the way still hold."


ENROLMENT_REFUSALS: Final[tuple[type[MeterhallError], ...]] = (
    ProviderNotRegulated,
    ProviderRegulated,
    InvalidKey,
    KeyTwice,
    AddressInvalid,
    TextUnseen,
)


def check_enrolment(enrolment: Enrolment, environment: Environment, own: str) -> LegalId:
    """The verified legal id of an organisation that may take part as it wishes to.

    `own` is the address of the Market Place. Raises `UnknownCountry`, `InvalidLegalId`, `UnverifiableLegalId`, and the
    errors above, naming the member at fault.
    """
    check_country(enrolment.country, field="/country")
    legal = enrolment.legal_id
    verified = check_legal_id(legal.kind, legal.value, enrolment.country, field="/legal_id/value")
    if "provider" in enrolment.roles:
        regulated = enrolment.activity in REGULATED
        if environment == "regulated" and not regulated:
            raise ProviderNotRegulated(field="/activity")
        if environment == "unregulated" and regulated:
            raise ProviderRegulated(field="/activity")
    check_keys(enrolment.keys, "/keys")
    check_endpoints(enrolment.endpoints, own)
    for name in ("organisation", "contact", "description"):
        check_seen(getattr(enrolment, name), field=f"/{name}", lines=name == "description")
    return verified


def check_keys(keys: KeySet, where: str = "") -> None:
    """Refuse a key that is none, is named wrongly or stands twice; `where` is the JSON Pointer of the set."""
    seen: set[str] = set()
    for kind, members in (("transport", keys.transport), ("contract", keys.contract)):
        for at, jwk in enumerate(members):
            field = f"{where}/{kind}/{at}"
            if _thumbprint(jwk, field) != jwk.kid:
                raise InvalidKey("The kid is not the key's RFC 7638 thumbprint.", field=f"{field}/kid")
            if jwk.kid in seen:
                raise KeyTwice(field=field)
            seen.add(jwk.kid)


def _thumbprint(jwk: Jwk, field: str) -> str:
    try:
        key = PublicKey.from_jwk(jwk.document())
        key.raw.public_bytes_raw()
    except (MeterhallError, ValueError) as fault:
        raise InvalidKey(field=field) from fault
    return key.kid


def check_overlap(present: KeySet, following: KeySet) -> None:
    """Refuse a change that keeps no transport key or no contract key. Raises `NoOverlap`."""
    for kind in ("transport", "contract"):
        old, new = ({key.kid for key in getattr(keys, kind)} for keys in (present, following))
        if not old & new:
            raise NoOverlap(field=f"/{kind}")
