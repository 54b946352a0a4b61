"""The kit of figures for Prometheus: how a platform declares one, and how a scrape is answered. What is counted lives
in the `metrics` module of each app.

A figure of what is stored is read from the database at the scrape, so that every process tells the same. A figure of
what a process did (answers, aborted bodies) is that process's own: the two listeners are scraped both. No label holds
anything but names out of the code: no POD, party or id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import structlog
from django.db import DatabaseError
from django.utils.module_loading import autodiscover_modules
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

log = structlog.get_logger(__name__)
Kind = Literal["counter", "gauge", "histogram"]
Reader = TypeVar("Reader", bound=Callable[[], None])


@dataclass(frozen=True, slots=True)
class Described:
    """One figure as the reference lists it."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]


DESCRIBED: dict[str, Described] = {}
READERS: list[Callable[[], None]] = []


def counter(name: str, text: str, *labels: str) -> Counter:
    """Something this process counts; Prometheus reads it as `<name>_total`."""
    _describe(f"{name}_total", "counter", text, labels)
    return Counter(name, text, labels)


def gauge(name: str, text: str, *labels: str) -> Gauge:
    """Something that is as it is, set by a reader."""
    _describe(name, "gauge", text, labels)
    return Gauge(name, text, labels)


def histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    """Something this process measures."""
    _describe(name, "histogram", text, labels)
    return Histogram(name, text, labels, buckets=buckets)


def _describe(name: str, kind: Kind, text: str, labels: tuple[str, ...]) -> None:
    DESCRIBED[name] = Described(name, kind, text, labels)


def at_scrape(read: Reader) -> Reader:
    """Register what sets gauges from the database when somebody asks."""
    READERS.append(read)
    return read


def discover() -> None:
    """Import every app's `metrics` module, where figures are declared."""
    autodiscover_modules("metrics")


DATABASE = gauge("meterhall_database_up", "1 when the database answered this scrape; else figures from it are old.")


def scrape() -> bytes:
    """All figures in Prometheus' text format; those of this process also when the database does not answer."""
    try:
        for read in READERS:
            read()
        DATABASE.set(1)
    except DatabaseError as fault:
        log.error("metrics.no_database", error=type(fault).__name__)
        DATABASE.set(0)
    return generate_latest(REGISTRY)
