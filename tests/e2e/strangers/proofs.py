"""A proof file checked by a stranger: RFC 6962 inclusion under a checkpoint signed by the log (C2SP notes)."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.e2e.strangers.jose import verified


def proven(proof: dict[str, Any], log_key: str) -> int:
    """How many entries the log had when it vouched for this statement. Fails where a link does not hold."""
    text, _, signatures = proof["checkpoint"].rpartition("\n\n")
    _signed(text + "\n", signatures, log_key)
    _, size, root = text.split("\n")[:3]
    verified(proof["statement"], [proof["key"]], "meterhall-statement+jws")
    entry = hashlib.sha256(bytes.fromhex(proof["salt"]) + proof["statement"].encode()).digest()
    steps = [base64.b64decode(step) for step in proof["path"]]
    found = _root(hashlib.sha256(b"\0" + entry).digest(), proof["seq"], int(size), steps)
    assert found == base64.b64decode(root), "the leaf is not in this tree"
    return int(size)


def _signed(text: str, signatures: str, log_key: str) -> None:
    """The log's own signature is among those below the text."""
    name, _, rest = log_key.partition("+")
    key_id, _, material = rest.partition("+")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(material)[1:])
    for line in signatures.splitlines():
        _, signer, content = line.split(" ")
        raw = base64.b64decode(content)
        if signer == name and raw[:4].hex() == key_id:
            public.verify(raw[4:], text.encode())
            return
    raise AssertionError("the log has not signed")


def _root(found: bytes, index: int, size: int, steps: list[bytes]) -> bytes:
    """The root to which an inclusion path leads (RFC 9162, section 2.1.3.2)."""
    last = size - 1
    for step in steps:
        assert last > 0, "the path is too long"
        if index & 1 or index == last:
            found = hashlib.sha256(b"\1" + step + found).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + step).digest()
        index, last = index >> 1, last >> 1
    assert last == 0, "the path is too short"
    return found
