"""The B2B listener exactly as a platform serves it, with one address more: ready blocks, for comparison with the gate.

Run as `python -m benchmarks.server`, with METERHALL_HOME, METERHALL_LISTENER and DJANGO_SETTINGS_MODULE set.
"""

from __future__ import annotations

from typing import Any

from meterhall.domain.protocol.deliveries import GATE_BLOCK_BYTES
from meterhall.web import asgi
from meterhall.web.serve import die_with_parent, run_listener

READY = "/ready/"
"""`GET /ready/<bytes>` answers that many bytes in ready blocks of the gate's size."""


def application() -> Any:
    """The platform's application, and the ready blocks."""
    platform, block = asgi.application(), bytes(GATE_BLOCK_BYTES)

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(READY):
            await platform(scope, receive, send)
            return
        left = int(scope["path"].removeprefix(READY))
        headers = [(b"content-length", str(left).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while left:
            body = block[:left]
            left -= len(body)
            await send({"type": "http.response.body", "body": body, "more_body": left > 0})

    return serve


if __name__ == "__main__":
    die_with_parent()
    run_listener("b2b", "benchmarks.server:application")
