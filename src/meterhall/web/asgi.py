"""The ASGI application of one listener. METERHALL_HOME and METERHALL_LISTENER say which."""

from __future__ import annotations

import os
from typing import Any

import django
import structlog
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponseBase

from meterhall.web.logs import configure_logs
from meterhall.web.platform import platform
from meterhall.web.serve import die_with_parent

log = structlog.get_logger(__name__)


class Handler(ASGIHandler):
    """The framework's handler, which passes a request through all that is called on it in one thread, at once.

    As it comes, it goes back to the event loop between the middleware and the view: all of ours are plain functions.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)


def application() -> Any:
    """The application of the listener named by METERHALL_LISTENER (`b2b` or `portal`)."""
    die_with_parent()
    listener = os.environ["METERHALL_LISTENER"]
    django.setup()
    config = platform().config
    configure_logs(config.role, listener, config.log_level, config.log_format)
    handler = Handler()

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        try:
            await handler({**scope, "meterhall_listener": listener}, receive, send)
        except ConnectionAbortedError:
            raise  # a body that was broken off on purpose: the server breaks the connection off, and it was said why
        except Exception:
            log.exception("answer.broken")
            raise

    return listening
