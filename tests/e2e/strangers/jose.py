"""A stranger's keys and signatures: Ed25519 JWS over RFC 8785 bytes, and RFC 9421 over HTTP; written from the
published protocol, with joserfc and cryptography."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from joserfc import jws
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

REGISTRY = JWSRegistry(algorithms=["Ed25519", "EdDSA"], strict_check_header=False)
REGISTRY.max_header_length = REGISTRY.max_payload_length = 1 << 26
COVERED = ("@method", "@target-uri", "content-digest", "content-type", "webhook-id")
SIGNATURE_INPUT = re.compile(r"([a-z0-9-]+)=(\(([^)]*)\)(.*))")


class Forged(Exception):
    """A signature does not hold."""


def sha256(content: bytes) -> str:
    return "sha-256:" + hashlib.sha256(content).hexdigest()


def fingerprint(document: Any) -> str:
    """The digest of a document's canonical bytes."""
    return sha256(rfc8785.dumps(document))


def commitment(salt: str, value: str) -> str:
    """What both sides of a delivery state about it, under the manifest's salt."""
    return sha256(f"{salt}\n{value}".encode())


class Key:
    """An Ed25519 key, named by its RFC 7638 thumbprint."""

    def __init__(self) -> None:
        self.jose = OKPKey.generate_key("Ed25519")
        self.kid = self.jose.thumbprint()

    @property
    def jwk(self) -> dict[str, str]:
        public = self.jose.as_dict(private=False)
        return {"kty": "OKP", "crv": "Ed25519", "x": str(public["x"]), "kid": self.kid}

    def sign(self, document: Any, typ: str, **header: Any) -> str:
        """A compact JWS over the canonical bytes."""
        protected = {"alg": "Ed25519", "typ": typ, "kid": self.kid, **header}
        return jws.serialize_compact(protected, rfc8785.dumps(document), self.jose, registry=REGISTRY)


def header_of(token: str) -> dict[str, Any]:
    return dict(jws.extract_compact(token.encode(), registry=REGISTRY).headers())


def verified(token: str, jwks: Iterable[Mapping[str, str]], typ: str) -> Any:
    """The document under a JWS made by one of these keys. Raises `Forged`."""
    header = header_of(token)
    chosen = [jwk for jwk in jwks if jwk["kid"] == header.get("kid")]
    if header.get("typ") != typ or len(chosen) != 1:
        raise Forged(f"typ {header.get('typ')}, kid {header.get('kid')}")
    key = OKPKey.import_key({name: chosen[0][name] for name in ("kty", "crv", "x")})
    return json.loads(jws.deserialize_compact(token, key, registry=REGISTRY).payload)


def _base(method: str, url: str, headers: Mapping[str, str], covered: Iterable[str], params: str) -> bytes:
    """The signature base of RFC 9421, section 2.5."""
    derived = {"@method": method, "@target-uri": url}
    lines = [f'"{name}": {derived.get(name) or headers[name]}' for name in covered]
    return "\n".join([*lines, f'"@signature-params": {params}']).encode()


def _content_digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def signed_headers(
    method: str, url: str, headers: Mapping[str, str], body: bytes, key: Key, number: str
) -> dict[str, str]:
    """The headers of a request, signed by a player (RFC 9421, tag `meterhall`)."""
    out = {name.lower(): value for name, value in headers.items()} | {"content-digest": _content_digest(body)}
    covered = [name for name in COVERED if name.startswith("@") or name in out]
    names = " ".join(f'"{name}"' for name in covered)
    params = (
        f'({names});created={int(time.time())};keyid="{number}#{key.kid}";alg="ed25519";'
        f'nonce="{secrets.token_urlsafe(9)}";tag="meterhall"'
    )
    made = key.jose.private_key.sign(_base(method, url, out, covered, params))
    return out | {"signature-input": f"stranger={params}", "signature": f"stranger=:{base64.b64encode(made).decode()}:"}


def check_signed(
    method: str, url: str, headers: Mapping[str, str], body: bytes, jwks: Iterable[Mapping[str, str]], number: str
) -> None:
    """That one of these keys of a player signed this request, everything that matters covered. Raises `Forged`."""
    low = {name.lower(): value for name, value in headers.items()}
    match = SIGNATURE_INPUT.fullmatch(low.get("signature-input", ""))
    if match is None:
        raise Forged("no signature")
    label, params, names, rest = match.groups()
    covered = re.findall(r'"([^"]+)"', names)
    keyid = re.search(r'keyid="([^"]+)"', rest)
    if not {"@method", "@target-uri", "content-digest", "webhook-id"} <= set(covered) or 'tag="meterhall"' not in rest:
        raise Forged(f"covered: {covered}")
    if low["content-digest"] != _content_digest(body):
        raise Forged("the body is another")
    kid = (keyid[1] if keyid else "").removeprefix(f"{number}#")
    jwk = next((one for one in jwks if one["kid"] == kid), None)
    made = re.search(rf"{label}=:([^:]+):", low["signature"])
    if jwk is None or made is None:
        raise Forged(f"unknown key {kid}")
    public = OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x")}).public_key
    try:
        public.verify(base64.b64decode(made[1]), _base(method, url, low, covered, params))
    except InvalidSignature:
        raise Forged("the signature does not fit") from None
