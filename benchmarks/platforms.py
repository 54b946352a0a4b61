"""A provider as it runs: a part through the gate, a call with a token, an event through outbox and inbox."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from benchmarks.measure import MB, Row, seconds
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.keys import SigningKey

if TYPE_CHECKING:
    from meterhall.provider.deliveries.models import Delivery
    from meterhall.provider.points.models import Point

POINTS, ROUNDS, CALLS, EVENTS = 300, 3, 150, 100
POLL_MS = 10
ROLE, SETTINGS = "provider", "meterhall.provider.settings"


@dataclass(frozen=True)
class Provider:
    """The running provider, and the delivery a requester may fetch from it."""

    base: str
    http: httpx.Client
    key: SigningKey
    path: str
    size: int


def platform(folder: Path) -> Iterator[Row]:
    """All measurements that need a running platform, of one that is made for them."""
    with running(folder) as provider:
        yield from gate(provider)
        yield from token(provider)
        yield from outbox(provider)


@contextmanager
def running(folder: Path) -> Iterator[Provider]:
    """A provider with a large part to deliver: its B2B listener and its worker, as processes of their own."""
    from meterhall.cli.shared import django_ready, migrate
    from meterhall.demo.launch import Town, free_ports
    from meterhall.web.home import Home, create_ca

    town, ports = Town(folder), free_ports(2)
    create_ca(town.ca)
    home = folder / ROLE
    settings: dict[str, object] = {"role": ROLE, "name": "Example grid", "country": "IT", "zone": "Europe/Rome"}
    settings |= {"b2b_port": ports[0], "portal_port": ports[1], "worker_poll_ms": POLL_MS, "log_level": "ERROR"}
    Home.create(home, settings, town.ca)
    django_ready(ROLE, home, new=True)
    migrate()
    key = SigningKey.generate()
    delivery = _delivery(key)
    part = delivery.parts.get(number=1)
    base = f"https://localhost:{ports[0]}"
    environment = os.environ | {
        "METERHALL_HOME": str(home), "METERHALL_LISTENER": "b2b", "DJANGO_SETTINGS_MODULE": SETTINGS
    }  # fmt: skip
    worker = ["meterhall.cli", ROLE, "serve", "--home", str(home), "--part", "worker"]
    words = [[sys.executable, "-m", *line] for line in (["benchmarks.server"], worker)]
    processes = [subprocess.Popen(line, env=environment, stdin=subprocess.DEVNULL) for line in words]
    try:
        with httpx.Client(verify=town.tls, timeout=60) as http:
            _wait(http, base)
            path = f"/v1/deliveries/{delivery.pk}/parts/1"
            yield Provider(base, http, key, path, part.document["size_bytes"])
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _wait(http: httpx.Client, base: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            if http.get(base + "/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > until:
            raise TimeoutError(f"{base} did not start")
        time.sleep(0.1)


def _delivery(key: SigningKey) -> Delivery:
    """A month of many PODs, with contract, consent and activation, built as a part of CSV."""
    from tests.platform.provider.conftest import MARKET, ME, REQUESTER, Clock, World

    from meterhall.web.messaging.models import Identity, Outbox, Peer
    from meterhall.web.oauth.service import admit_client
    from meterhall.web.platform import platform as this

    class Now(Clock):
        def __call__(self) -> datetime:
            return datetime.now(UTC)

    Identity.objects.create(access_number=ME)
    for number, jwk, inbox in (
        (REQUESTER, key.public.jwk(), ""),
        (MARKET, SigningKey.generate().public.jwk(), ""),
        (ME, this().transport_key.public.jwk(), f"{this().base_url}/v1/inbox"),
    ):
        Peer.objects.create(
            access_number=number, name="Sun Coop", document={}, b2b_url="https://localhost:1", inbox_url=inbox,
            transport_keys=[jwk], contract_keys=[jwk], is_marketplace=number == MARKET,
        )  # fmt: skip
    admit_client(
        client_id=REQUESTER, name="Sun Coop", keys=[key.public.jwk()], redirect_uris=[], scopes=["data"],
        valid_until=None, source="benchmark",
    )  # fmt: skip
    world = World(Now(), this().home, {})
    points = world.points(POINTS)
    _readings(world, points)
    made = world.deliver(world.activated(points))
    Outbox.objects.update(work_state="done")
    return made


def _readings(world: object, points: list[Point]) -> None:
    import io

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from meterhall.provider.metering.service import take_readings

    start = int(datetime(2026, 2, 28, tzinfo=UTC).timestamp())
    starts = start + 900 * np.arange((date(2026, 4, 2) - date(2026, 2, 28)).days * 96)
    table = pa.table(
        {
            "pod": pa.array(np.repeat([point.pod for point in points], len(starts))),
            "start": pa.array(np.tile(starts, len(points)), pa.timestamp("s", "UTC")),
            "energy_wh": np.random.default_rng(1).integers(0, 2000, len(starts) * len(points)),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    take_readings(out.getvalue(), "PT15M")
    world.work()  # type: ignore[attr-defined]


def gate(provider: Provider) -> Iterator[Row]:
    """A part through the gate, over TLS, against the same server sending as many ready bytes."""
    auth = _auth(provider)

    def through() -> None:
        request = next(auth.auth_flow(httpx.Request("GET", provider.base + provider.path)))
        _drain(provider, provider.path, dict(request.headers))

    provider.http.get(f"{provider.base}/v1/events", auth=auth).raise_for_status()
    ours, ready = seconds(ROUNDS, through, lambda: _drain(provider, f"/ready/{provider.size}", {}))
    size = provider.size / MB
    yield Row("A part through the gate, MB/s, against ready 256 KB blocks", size / ours, size / ready)


def _drain(provider: Provider, path: str, headers: dict[str, str]) -> None:
    """Take a body off the wire as fast as Python can; a client library would be what is measured."""
    from meterhall.web.platform import platform as this

    url = urlsplit(provider.base)
    lines = [f"GET {path} HTTP/1.1", f"Host: {url.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() in {"authorization", "dpop"}]
    plain = socket.create_connection((url.hostname, url.port))
    with this().tls.wrap_socket(plain, server_hostname=url.hostname) as wire:
        wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        buffer, got = bytearray(1 << 18), b""
        while b"\r\n\r\n" not in got:
            got += wire.recv(1 << 14)
        head, _, body = got.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{path}: {got[:500].decode(errors='replace')}")
        left = provider.size - len(body)
        while left and (count := wire.recv_into(buffer)):
            left -= count
        if left:
            raise RuntimeError(f"{path}: {left} bytes are missing")


def _auth(provider: Provider) -> httpx.Auth:
    from tests.platform.provider.conftest import REQUESTER

    from meterhall.client.tokens import DPoPAuth

    return DPoPAuth(provider.base, REQUESTER, provider.key, http=provider.http)


def token(provider: Provider) -> Iterator[Row]:
    """A call with a DPoP-bound token against one that needs none, over one connection."""
    auth = _auth(provider)

    def calls(path: str, shown: httpx.Auth | None) -> None:
        for _ in range(CALLS):
            provider.http.get(provider.base + path, auth=shown).raise_for_status()

    ours, bare = seconds(ROUNDS, lambda: calls("/v1/events", auth), lambda: calls("/health/live", None))
    yield Row("GET with a token, requests/s, against health without one", CALLS / ours, CALLS / bare)


def outbox(provider: Provider) -> Iterator[Row]:
    """An event through outbox, inbox and both workers, against the bare signed POST of one."""
    one, post = seconds(10, lambda: _send(1), lambda: _post(provider, 1))
    yield Row(f"Event by outbox and inbox, round trips/s ({POLL_MS} ms poll), against a signed POST", 1 / one, 1 / post)
    many, posts = seconds(2, lambda: _send(EVENTS), lambda: _post(provider, EVENTS))
    yield Row(
        f"{EVENTS} events by outbox and inbox, events/s, against as many signed POSTs", EVENTS / many, EVENTS / posts
    )


def _send(count: int) -> None:
    """Queue events for our own inbox and wait until they were worked on."""
    from django.db import transaction
    from tests.platform.provider.conftest import ME

    from meterhall.domain.protocol.events import DeliveryReady
    from meterhall.web.messaging.models import Inbox
    from meterhall.web.messaging.service import notify

    told = DeliveryReady(delivery_id=new_id("dlv"), version=1, activation_id=new_id("act"))
    with transaction.atomic():
        sent = [notify(ME, "delivery.ready", told.delivery_id, told) for _ in range(count)]
    while Inbox.objects.filter(id__in=sent, work_state="done").count() < count:
        time.sleep(0.002)


def _post(provider: Provider, count: int) -> None:
    """Sign and post as many events, one after the other."""
    from tests.platform.provider.conftest import ME

    from meterhall.client.b2b import post_event
    from meterhall.domain.protocol.events import DeliveryReady, Event
    from meterhall.web.platform import platform as this

    told = DeliveryReady(delivery_id=new_id("dlv"), version=1, activation_id=new_id("act"))
    for _ in range(count):
        event = Event(
            id=new_id("evt"), source=f"urn:meterhall:{ME}", type="delivery.ready", time=this().now(),
            subject=told.delivery_id, data=told.document(),
        )  # fmt: skip
        post_event(
            provider.http, f"{provider.base}/v1/inbox", event.canonical(), event_id=event.id, access_number=ME,
            key=this().transport_key, correlation="",
        )  # fmt: skip
