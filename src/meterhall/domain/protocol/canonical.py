"""The one way a document becomes bytes, and bytes a digest: RFC 8785 and SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import rfc8785


def canonical(document: Any) -> bytes:
    """The RFC 8785 (JCS) bytes of a JSON document."""
    return rfc8785.dumps(document)


def digest(content: bytes) -> str:
    """`sha-256:<hex>` of the bytes."""
    return "sha-256:" + hashlib.sha256(content).hexdigest()


def commitment(salt: str, value: str) -> str:
    """A salted commitment to a value: comparable by whoever holds the salt, meaningless to anyone else."""
    return digest(f"{salt}\n{value}".encode())


def new_salt() -> str:
    """128 random bits, hex."""
    return secrets.token_hex(16)


def new_id(prefix: str) -> str:
    """A fresh immutable id: `<prefix>_` and 96 random bits, hex."""
    return f"{prefix}_{secrets.token_hex(12)}"
