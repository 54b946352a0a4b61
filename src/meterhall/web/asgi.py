"""The ASGI application of one listener. METERHALL_HOME and METERHALL_LISTENER say which."""

from __future__ import annotations

import os
from typing import Any

import django
import structlog
from django.core.handlers.asgi import ASGIHandler

from meterhall.web.logs import configure_logs
from meterhall.web.platform import platform
from meterhall.web.serve import die_with_parent

log = structlog.get_logger(__name__)


def application() -> Any:
    """The application of the listener named by METERHALL_LISTENER (`b2b` or `portal`)."""
    die_with_parent()
    listener = os.environ["METERHALL_LISTENER"]
    django.setup()
    config = platform().config
    configure_logs(config.role, listener, config.log_level, config.log_format)
    handler = ASGIHandler()

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        try:
            await handler({**scope, "meterhall_listener": listener}, receive, send)
        except ConnectionAbortedError:
            raise  # a body that was broken off on purpose: the server breaks the connection off, and it was said why
        except Exception:
            log.exception("answer.broken")
            raise

    return listening
