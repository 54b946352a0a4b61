"""Structured logs: one event a line, with the correlation id; never a POD, a token or a name."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(role: str, part: str, level: str, form: str) -> None:
    """Write events to standard error as JSON or text, those of libraries included."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(platform=role, part=part)
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
    for noisy in ("httpx", "httpcore", "django.request", "granian"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def without_address(record: logging.LogRecord) -> bool:
    """Take the address of a request out of the framework's own lines: whatever somebody typed may stand in it."""
    request = getattr(record, "request", None)
    if request is not None and isinstance(record.args, tuple):
        match = getattr(request, "resolver_match", None)
        route = f"/{match.route}" if match else "(no page)"
        record.args = tuple(route if argument == request.path else argument for argument in record.args)
    return True
