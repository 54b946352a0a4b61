"""DPoP nonces (RFC 9449, section 8) that carry their own time under a MAC: nothing is stored for them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from datetime import datetime

LIFE_S = 720
"""Longer than any access token: who renews its token in time is never sent back for a nonce."""
SKEW_S = 5


class Nonces:
    """Makes and knows nonces by a secret that all processes of a deployment share."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, now: datetime) -> str:
        return self._seal(struct.pack(">Q", int(now.timestamp())))

    def knows(self, nonce: str, now: datetime) -> bool:
        """Whether it is one of ours and still good."""
        try:
            stamp = base64.urlsafe_b64decode(nonce + "=" * (-len(nonce) % 4))[:8]
            age_s = now.timestamp() - struct.unpack(">Q", stamp)[0]
        except (ValueError, struct.error):
            return False
        return hmac.compare_digest(self._seal(stamp).encode(), nonce.encode()) and -SKEW_S <= age_s < LIFE_S

    def _seal(self, stamp: bytes) -> str:
        mac = hmac.new(self._secret, b"dpop-nonce" + stamp, hashlib.sha256).digest()[:16]
        return base64.urlsafe_b64encode(stamp + mac).decode()
