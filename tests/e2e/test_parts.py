"""The processes of a platform: a part that dies is started again, none outlives its platform, and both listeners tell
the same figures."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.town import Streets, descendants, kill_worker, parts_of, wait_for

KEY = "grid"


def gauges(streets: Streets, base: str) -> dict[tuple[str, str], float]:
    """The gauges a listener shows, and how often it answered."""
    answer = streets.http.get(base + "/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, str(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        if family.name.startswith("meterhall") and family.type in {"gauge", "counter"}
        for sample in family.samples
        if "late" not in sample.name and "oldest" not in sample.name and not sample.name.endswith("_created")
    }


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_ends_is_started_again(streets: Streets, way: signal.Signals) -> None:
    running = streets[KEY]
    old = parts_of(running)
    assert set(old) == {"b2b", "portal", "worker"}
    kill_worker(running) if way == signal.SIGKILL else os.kill(old["worker"], way)
    fresh = wait_for("another worker", lambda: _other(parts_of(running).get("worker"), old["worker"]))
    now = parts_of(running)
    assert now == old | {"worker": fresh}, "the other parts went on"


def _other(found: int | None, old: int) -> int | None:
    return found if found != old else None


def test_both_listeners_tell_the_same_of_what_is_stored(streets: Streets) -> None:
    running = streets[KEY]
    b2b, portal = gauges(streets, running.b2b), gauges(streets, running.portal)
    passing = ("_total", "certificate_seconds", "disk_free_bytes")
    stored = {key for key in b2b if not key[0].endswith(passing)}
    assert {key: b2b[key] for key in stored} == {key: portal[key] for key in stored}
    assert b2b["meterhall_ingest_rows", "[('result', 'stored')]"] > 0
    counted = {labels for name, labels in b2b if name == "meterhall_http_requests_total"}
    assert counted
    assert all("('listener', 'b2b')" in labels for labels in counted)


def test_nothing_outlives_a_platform_whatever_kills_it(streets: Streets) -> None:
    running = streets[KEY]
    assert running.process is not None
    left = parts_of(running)
    running.process.kill()
    running.process.wait()
    try:
        wait_for("the parts to end", lambda: not any(Path(f"/proc/{number}").exists() for number in left.values()))
    finally:
        streets.town.serve(running)
        streets.town.wait_ready(running)


def test_a_platform_stops_though_somebody_never_ends_a_request(streets: Streets) -> None:
    running = streets[KEY]
    assert running.process is not None
    left, url = descendants(running), urlsplit(running.b2b)
    plain = socket.create_connection((url.hostname, url.port))
    with streets.town.tls.wrap_socket(plain, server_hostname=url.hostname) as wire:
        wire.sendall(f"POST /v1/inbox HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 9\r\n\r\nhalf".encode())
        time.sleep(0.5)
        running.process.terminate()
        try:
            assert running.process.wait(30) == 0
            assert not any(Path(f"/proc/{number}").exists() for number in left)
        finally:
            streets.town.serve(running)
            streets.town.wait_ready(running)
