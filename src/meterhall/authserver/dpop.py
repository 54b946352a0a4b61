"""DPoP proofs (RFC 9449): whether a request was made by the holder of a key. The nonce's making is in `nonces`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard
from urllib.parse import unquote, urlsplit

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from meterhall.authserver.calls import Call
from meterhall.authserver.errors import DPOP_ALGORITHMS, InvalidProof, NonceNeeded
from meterhall.authserver.nonces import Nonces
from meterhall.domain.protocol.keys import Registry, clock_off

AGE = timedelta(seconds=120)
SKEW = timedelta(seconds=60)
LONGEST = 4096
REGISTRY = Registry(list(DPOP_ALGORITHMS))
ONE_TIME_ID = re.compile(r"[\x21-\x7e]{8,200}")


@dataclass(frozen=True, slots=True)
class Proof:
    """A checked proof: the thumbprint of its key, and the mark under which it counts as used until `until`."""

    jkt: str
    mark: str
    until: datetime


def check_proof(call: Call, nonces: Nonces, now: datetime, *, token: str | None = None) -> Proof:
    """The proof beside a call. The caller has to remember its mark, so that it counts once.

    With `token` the proof must be made for it (`ath`). Raises `InvalidProof`, and `NonceNeeded` when all else is right.
    """
    text = call.headers.get("DPoP") or ""
    if not text or len(text) > LONGEST or "," in text:
        raise InvalidProof("The request needs one DPoP header with a proof.", code="dpop_proof_missing")
    key, claims = _read(text)
    _check_target(claims, call)
    _check_token(claims, token)
    issued = _issued(claims)
    if not now - AGE <= issued <= now + SKEW:
        raise InvalidProof(f"The DPoP proof was not made just now (iat). {clock_off(issued, now)}", code="clock_off")
    jti = claims.get("jti")
    if not is_one_time_id(jti):
        raise InvalidProof("The DPoP proof needs a jti of 8 to 200 visible ASCII characters.")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not nonces.knows(nonce, now):
        raise NonceNeeded
    jkt = key.thumbprint()
    return Proof(jkt, mark("dpop", jkt, jti), issued + AGE + SKEW)


def is_one_time_id(jti: object) -> TypeGuard[str]:
    """Whether this can tell one proof or assertion from all others."""
    return isinstance(jti, str) and ONE_TIME_ID.fullmatch(jti) is not None


def mark(kind: str, owner: str, jti: str) -> str:
    """The name under which a one-time thing is remembered: SHA-256, hex."""
    return hashlib.sha256("\n".join((kind, owner, jti)).encode()).hexdigest()


def _read(text: str) -> tuple[OKPKey | ECKey, dict[str, Any]]:
    """The key a proof carries and the claims signed with it."""
    try:
        header = jws.extract_compact(text.encode(), registry=REGISTRY).headers()
        if header.get("typ") != "dpop+jwt" or header.get("alg") not in DPOP_ALGORITHMS:
            raise InvalidProof(f"A DPoP proof is a dpop+jwt signed with one of {', '.join(DPOP_ALGORITHMS)}.")
        key = _key(header.get("jwk"))
        return key, jwt.decode(text, key, registry=REGISTRY).claims
    except (JoseError, ValueError, TypeError, RecursionError) as fault:
        raise InvalidProof("The DPoP proof is not signed with the key it carries.") from fault


def _key(jwk: Any) -> OKPKey | ECKey:
    if not isinstance(jwk, dict) or "d" in jwk:
        raise InvalidProof("A DPoP proof carries its public key (jwk).")
    match (jwk.get("kty"), jwk.get("crv")):
        case ("OKP", "Ed25519"):
            return OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x") if name in jwk})
        case ("EC", "P-256"):
            return ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y") if name in jwk})
    raise InvalidProof("The key of a DPoP proof is Ed25519 or P-256.")


def _check_target(claims: dict[str, Any], call: Call) -> None:
    if claims.get("htm") != call.method:
        raise InvalidProof("The DPoP proof is for another method (htm).")
    htu = claims.get("htu")
    if not isinstance(htu, str) or _target(htu) != _target(call.url):
        raise InvalidProof("The DPoP proof is for another address (htu).")


def _target(url: str) -> tuple[str, str, int | None, str] | None:
    """Scheme, host, port and path, normalised; query and fragment do not count (RFC 9449, section 4.3)."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme.lower(), (parts.hostname or "").lower(), port, unquote(parts.path) or "/"


def _check_token(claims: dict[str, Any], token: str | None) -> None:
    if token is None:
        return
    expected = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=")
    ath = claims.get("ath")
    if not isinstance(ath, str) or not ath.isascii() or not hmac.compare_digest(ath.encode(), expected):
        raise InvalidProof("The DPoP proof is for another access token (ath).")


def _issued(claims: dict[str, Any]) -> datetime:
    try:
        return datetime.fromtimestamp(claims["iat"], UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise InvalidProof("The DPoP proof does not say when it was made (iat).") from None
