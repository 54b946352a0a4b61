"""`/metrics`: what an operator watches is there, says what is stored, and names no POD, party or id."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError
from django.test import Client, override_settings
from django.urls import get_resolver
from prometheus_client.parser import text_string_to_metric_families

from meterhall.marketplace.ledger.models import LogHead
from meterhall.provider.deliveries.gate import ABORTS
from meterhall.provider.metering.models import IngestRun
from meterhall.web import metrics
from meterhall.web.messaging.models import Inbox, Outbox
from meterhall.web.platform import Platform
from meterhall.web.work.models import WorkState

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures(client: Client) -> Figures:
    with override_settings(METERHALL=Platform(settings.METERHALL.home, clock=lambda: NOW)):
        answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def value(found: Figures, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def message(name: str, seconds: float, **more: Any) -> None:
    at = NOW - timedelta(seconds=seconds)
    Outbox.objects.create(
        id=name, kind="event", recipient="MH0000000001", type="t", body="{}", created_at=at, **({"due_at": at} | more)
    )


def test_the_outbox_tells_its_depth_its_age_what_is_retried_and_what_is_dead(client: Client) -> None:
    message("evt_waits", 90)
    message("evt_retried", 300, due_at=NOW + timedelta(seconds=60), last_error="ConnectError: no", attempts=3)
    message("evt_dead", 9000, work_state=WorkState.DEAD)
    message("evt_held", 9000, work_state=WorkState.HELD)
    message("evt_sent", 9000, work_state=WorkState.DONE)
    found = figures(client)
    queue = "web_messaging.outbox"
    assert value(found, "meterhall_work_waiting", queue=queue) == 2
    assert value(found, "meterhall_work_retrying", queue=queue) == 1
    assert value(found, "meterhall_work_dead", queue=queue) == 1
    assert value(found, "meterhall_work_late_seconds", queue=queue) == 90
    assert value(found, "meterhall_outbox_oldest_seconds", kind="event") == 300
    assert value(found, "meterhall_outbox_oldest_seconds", kind="statement") == 0
    assert value(found, "meterhall_feed_waiting") == 1


def test_gauges_follow_the_database_down_as_well(client: Client) -> None:
    Inbox.objects.create(
        id="evt_1", sender="MH0000000001", type="t", body="{}", received_at=NOW - timedelta(seconds=5), due_at=NOW
    )
    assert value(figures(client), "meterhall_inbox_oldest_seconds") == 5
    Inbox.objects.update(work_state=WorkState.DONE)
    found = figures(client)
    assert value(found, "meterhall_inbox_oldest_seconds") == 0
    assert value(found, "meterhall_work_waiting", queue="web_messaging.inbox") == 0


def test_ingest_deliveries_and_the_log_are_told(client: Client) -> None:
    IngestRun.objects.create(file="a", digest="d", resolution_s=900, received_at=NOW, rows=100, quarantined=3)
    IngestRun.objects.create(file="b", digest="e", resolution_s=900, received_at=NOW, problem="Not readings.")
    LogHead.objects.update_or_create(pk=1, defaults={"size": 7})
    found = figures(client)
    assert value(found, "meterhall_ingest_rows", result="stored") == 97
    assert value(found, "meterhall_ingest_rows", result="set_aside") == 3
    assert value(found, "meterhall_ingest_refused") == 1
    assert value(found, "meterhall_deliveries", state="published") == 0
    assert value(found, "meterhall_log_entries") == 7
    assert value(found, "meterhall_log_published_entries") == 0
    before = value(found, "meterhall_gate_aborts_total")
    ABORTS.inc()
    assert value(figures(client), "meterhall_gate_aborts_total") == before + 1


def test_answers_are_counted_and_timed_by_the_pattern_of_their_route(client: Client) -> None:
    def counted(**labels: str) -> float:
        return figures(client).get(("meterhall_http_requests_total", frozenset(labels.items())), 0)

    route = next(str(one.pattern) for one in _staff_calls() if "readings/<" in str(one.pattern))
    labels = {"listener": "none", "method": "GET", "route": f"/api/{route}", "status": "401"}
    timed_as = (
        "meterhall_http_request_seconds_count",
        frozenset({"listener": "none", "route": labels["route"]}.items()),
    )
    before, timed = counted(**labels), figures(client).get(timed_as, 0)
    assert client.get("/api/readings/41").status_code == 401
    assert counted(**labels) == before + 1
    client.get("/ES0031408000000001JN0F")
    client.generic("BREW", "/ES0031408000000001JN0F")
    found = figures(client)
    assert value(found, "meterhall_http_requests_total", **labels | {"route": "none", "status": "404"}) >= 1
    assert value(
        found, "meterhall_http_requests_total", **labels | {"method": "other", "route": "none", "status": "404"}
    )
    assert found[timed_as] == timed + 1


def _staff_calls() -> list[Any]:
    urls = get_resolver("meterhall.provider.urls_portal").url_patterns
    return list(next(one for one in urls if str(one.pattern) == "api/").url_patterns)


def test_no_label_holds_what_somebody_sent(client: Client) -> None:
    message("evt_secret", 1)
    client.get("/api/readings/41977")
    client.get("/ES0031408000000001JN0F?name=Erika")
    text = client.get("/metrics").content.decode()
    assert not re.search(r"ES0031408000000001JN0F|41977|Erika|evt_secret|MH0000000001", text)


def test_every_figure_is_declared_with_its_help(client: Client) -> None:
    names = {name for name, _ in figures(client) if name.startswith("meterhall_")}
    stems = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in names}
    assert stems - {name.removesuffix("_total") for name in metrics.DESCRIBED} <= set(metrics.DESCRIBED)
    assert all(one.help.endswith(".") for one in metrics.DESCRIBED.values())


def test_without_a_database_the_process_still_tells_what_it_counted(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(metrics, "READERS", [gone])
    found = figures(client)
    assert value(found, "meterhall_database_up") == 0
    assert any(name == "meterhall_gate_aborts_total" for name, _ in found)


def test_another_machine_is_told_nothing(client: Client) -> None:
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.9").status_code == 403
