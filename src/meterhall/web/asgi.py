"""The ASGI application of one listener. METERHALL_ROLE, METERHALL_HOME and METERHALL_LISTENER say which."""

from __future__ import annotations

import os
from typing import Any

import django
from django.core.handlers.asgi import ASGIHandler


def application() -> Any:
    """The application of the listener named by METERHALL_LISTENER (`b2b` or `portal`)."""
    role, listener = os.environ["METERHALL_ROLE"], os.environ["METERHALL_LISTENER"]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"meterhall.{role}.settings")
    django.setup()
    handler = ASGIHandler()

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        await handler({**scope, "meterhall_listener": listener}, receive, send)

    return listening
