"""Keys and signatures: Ed25519 as JOSE has it (RFC 8037, RFC 9864). Where keys are kept lives elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from meterhall.domain.errors import NotAuthenticated
from meterhall.domain.protocol.canonical import canonical, digest
from meterhall.domain.protocol.i_json import NotIJson, read_json

ALGORITHMS = ["Ed25519", "EdDSA"]
"""What is accepted; what Meterhall itself writes is the first."""


SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
"""The encodings, sign aside, of the eight points of edwards25519 whose order divides 8 (RFC 8032 section 5.1)."""


class Registry(JWSRegistry):
    """What a JWS of the exchange may be: own header members, a certificate chain in it, a long manifest under it."""

    max_header_length = 65_536
    max_payload_length = 64 * 1024 * 1024

    def __init__(self, algorithms: list[str]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)


REGISTRY = Registry(ALGORITHMS)


class BadSignature(NotAuthenticated):
    code = "bad_signature"
    title = "The signature does not fit the content and the keys known for its maker."


class ClockOff(BadSignature):
    """Set the clocks of both machines by NTP; nothing else is wrong."""

    code = "clock_off"
    title = "The signature is of another time: one of the two clocks is wrong."


def clock_off(made: datetime, now: datetime) -> str:
    """The sentence that says by how much a time that was named is away from ours."""
    apart_s = round((made - now).total_seconds())
    side = "ahead of" if apart_s > 0 else "behind"
    ours = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    return f"It was made {abs(apart_s)} s {side} this clock, which says {ours}: one of the two is wrong."


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key, named by its RFC 7638 thumbprint."""

    x: str

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Self:
        shape = (jwk.get("kty"), jwk.get("crv"), isinstance(jwk.get("x"), str), "d" in jwk)
        if shape != ("OKP", "Ed25519", True, False):
            raise BadSignature("A key is an Ed25519 public key in JWK form (RFC 8037).", field="/jwk")
        normal = _normal(jwk["x"])
        raw = base64.urlsafe_b64decode(normal + "=")
        if raw[:31] + bytes([raw[31] & 0x7F]) in SMALL_ORDER:
            raise BadSignature("This key is a point of small order, under which anything verifies.", field="/jwk")
        return cls(normal)

    def jwk(self) -> dict[str, str]:
        """The public JWK with its thumbprint as `kid`."""
        return {"kty": "OKP", "crv": "Ed25519", "x": self.x, "kid": self.kid}

    @property
    def kid(self) -> str:
        return _thumbprint(self.x)

    @property
    def jose(self) -> OKPKey:
        return _imported(self.x)

    @property
    def raw(self) -> Ed25519PublicKey:
        key = self.jose.raw_value
        assert isinstance(key, Ed25519PublicKey)  # noqa: S101 - narrows a union of curves
        return key


@lru_cache(4096)
def _imported(x: str) -> OKPKey:
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})


@lru_cache(4096)
def _normal(x: str) -> str:
    return str(_imported(x).as_dict(private=False)["x"])


@lru_cache(4096)
def _thumbprint(x: str) -> str:
    return _imported(x).thumbprint()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 private key. It prints as its `kid` only."""

    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, seed: bytes) -> Self:
        """From the 32 bytes of `to_bytes`."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def to_bytes(self) -> bytes:
        return self.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())

    @property
    def jose(self) -> OKPKey:
        pem = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return OKPKey.import_key(pem)

    @property
    def public(self) -> PublicKey:
        raw = self.private.public_key().public_bytes_raw()
        return PublicKey(base64.urlsafe_b64encode(raw).rstrip(b"=").decode())

    @property
    def kid(self) -> str:
        return self.public.kid


def sign(document: Any, key: SigningKey, *, typ: str, **header: Any) -> str:
    """The compact JWS over the document's canonical bytes; the header names `typ`, `kid` and what is given."""
    protected = {"alg": ALGORITHMS[0], "typ": typ, "kid": key.kid, **header}
    return jws.serialize_compact(protected, canonical(document), key.jose, registry=REGISTRY)


def header_of(token: str) -> dict[str, Any]:
    """The protected header, not yet to be believed."""
    try:
        return dict(jws.extract_compact(token.encode(), registry=REGISTRY).headers())
    except (JoseError, ValueError, RecursionError) as fault:
        raise BadSignature("This is not a compact JWS that can be read.", field="/jws") from fault


def payload_of(token: str) -> Any:
    """The payload, not yet to be believed: for a document that brings the keys it is signed with."""
    try:
        return read_json(jws.extract_compact(token.encode(), registry=REGISTRY).payload)
    except NotIJson as fault:
        raise BadSignature(f"The signed document {fault}.", field="/jws") from None
    except (JoseError, ValueError, RecursionError) as fault:
        raise BadSignature("This is not a compact JWS with a JSON payload.", field="/jws") from fault


def signed_digest(token: str) -> str:
    """The digest of the document under a signature, as its maker wrote it: with no member added that it left out."""
    return digest(canonical(payload_of(token)))


HEADER: Final = frozenset({"alg", "typ", "kid"})
"""What the header of every signature has."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A document whose signature was checked, with the protected header that was signed with it."""

    document: Any
    header: dict[str, Any]


def verify(token: str, keys: Iterable[PublicKey], *, typ: str, members: frozenset[str] = frozenset()) -> Verified:
    """The signed JSON document.

    Its header holds what a signature needs and the `members` that have a meaning here, and nothing besides.
    Raises `BadSignature` when no key among `keys` made it, the type is another, or the payload is not JSON in its
    canonical form (RFC 8785): of one document there is one byte string, and one digest, whoever reads it.
    """
    header = header_of(token)
    if header.get("typ") != typ:
        raise BadSignature(f"A signature of type {typ} is needed here.", field="/jws")
    if unknown := sorted(set(header) - HEADER - members):
        raise BadSignature(
            f"The signature's header has a member that says nothing here: {unknown[0][:40]}.", field="/jws"
        )
    known = {key.kid: key for key in keys}
    key = known.get(str(header.get("kid")))
    if key is None:
        raise BadSignature("The signature's key is not one of its maker's keys.", field="/jws")
    try:
        checked = jws.deserialize_compact(token, key.jose, registry=REGISTRY)
        document = read_json(checked.payload)
        is_canonical = canonical(document) == checked.payload
    except NotIJson as fault:
        raise BadSignature(f"The signed document {fault}.", field="/jws") from None
    except (JoseError, ValueError, RecursionError) as fault:
        raise BadSignature(field="/jws") from fault
    if not is_canonical:
        raise BadSignature("The signed document is not in its canonical form (RFC 8785).", field="/jws")
    return Verified(document, header)
