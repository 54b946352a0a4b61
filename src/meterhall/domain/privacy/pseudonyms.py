"""Pairwise pseudonyms (B-4): what stands for a POD in files, different for every requester. Keys are kept elsewhere."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final
from uuid import UUID, uuid5

from meterhall.domain.errors import MeterhallError
from meterhall.domain.pods.pod import Pod

NAMESPACE: Final = UUID("6f0b5c6e-4a0e-5d0c-9f57-1c5f3e0f8a2d")
"""The UUIDv5 namespace of all pseudonyms: fixed for good, since changing it would rename every usage point."""
MIN_KEY_BYTES: Final = 32


class PseudonymKeyTooShort(MeterhallError):
    code = "pseudonym_key_too_short"
    title = f"The key for pseudonyms has fewer than {MIN_KEY_BYTES} bytes."


def pairwise_pseudonym(provider_key: bytes, requester: str, pod: Pod, consent: str) -> UUID:
    """The UUIDv5 (RFC 9562 section 5.5) over HMAC-SHA-256 (key; requester, scheme, POD, consent).

    Constant for the life of the consent. Without the key it neither leads back to the POD nor joins the files of two
    requesters or of two consents. Keep the key's id with the consent: a rotated key takes effect at a new consent.
    Raises PseudonymKeyTooShort.
    """
    if len(provider_key) < MIN_KEY_BYTES:
        raise PseudonymKeyTooShort
    message = b"".join(_framed(part) for part in (requester, pod.scheme, pod.value, consent))
    return uuid5(NAMESPACE, hmac.new(provider_key, message, hashlib.sha256).hexdigest())


def _framed(part: str) -> bytes:
    # The length keeps ("ab", "c") and ("a", "bc") apart.
    encoded = part.encode()
    return len(encoded).to_bytes(4, "big") + encoded
