"""Structured logs: one event a line, with the correlation id; never a POD, a token or a name."""

from __future__ import annotations

import logging
import secrets
import sys
import traceback
from pathlib import Path
from typing import Any

import structlog

from meterhall.domain.errors import MeterhallError


def correlation() -> str:
    """The correlation id bound to the present request or job, or nothing."""
    return str(structlog.contextvars.get_contextvars().get("correlation", ""))


def fresh_correlation() -> str:
    """A correlation id for what nobody's request began."""
    return secrets.token_hex(8)


def described(fault: BaseException) -> str:
    """An error for a log line or a row: its type and our own sentence; of a library's error only its type and place,
    since its words may quote what was being handled."""
    name = type(fault).__name__
    if isinstance(fault, MeterhallError):
        return f"{name}: {fault.detail}"[:500]
    frames = traceback.extract_tb(fault.__traceback__)
    ours = [frame for frame in frames if "meterhall" in Path(frame.filename).parts] or list(frames)
    return f"{name} in {Path(ours[-1].filename).stem}:{ours[-1].lineno}" if ours else name


def bare_exception(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The exception of a log line as types and stack, without what the errors say (see `described`)."""
    given = event.pop("exc_info", None)
    fault = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else None
    fault = sys.exc_info()[1] if given is True else fault
    lines: list[str] = []
    while fault is not None and len(lines) < 500:
        lines += [*traceback.format_tb(fault.__traceback__), f"{described(fault)}\n"]
        fault = fault.__cause__ or fault.__context__
    if lines:
        event["exception"] = "".join(lines).rstrip()
    return event


def configure_logs(role: str, part: str, level: str, form: str) -> None:
    """Write events to standard error as JSON or text, those of libraries included."""

    def placed(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Which part of which platform says so, in whatever thread."""
        event["platform"], event["part"] = role, part
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        placed,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        bare_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last], foreign_pre_chain=shared
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("django.request").addFilter(without_address)
    handler.addFilter(without_faults)
    for noisy in ("httpx", "httpcore", "django.request", "granian"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def without_faults(record: logging.LogRecord) -> bool:
    """Leave out what the server says of a fault: all its words stand in it. The application has said it bare."""
    return not record.getMessage().startswith("Application callable raised an exception")


def without_address(record: logging.LogRecord) -> bool:
    """Take the address of a request out of the framework's own lines: whatever somebody typed may stand in it."""
    request = getattr(record, "request", None)
    if request is not None and isinstance(record.args, tuple):
        match = getattr(request, "resolver_match", None)
        route = f"/{match.route}" if match else "(no page)"
        record.args = tuple(route if argument == request.path else argument for argument in record.args)
    return True
