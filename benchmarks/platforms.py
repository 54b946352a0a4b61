"""A provider as it runs: a part through the gate, a call with a token, an event through outbox and inbox."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import httpx

from benchmarks import country, homes
from benchmarks.measure import MB, Row, apart, scaled, seconds, tell
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.events import DeliveryMatched
from meterhall.domain.protocol.keys import SigningKey

if TYPE_CHECKING:
    from tests.platform.provider.conftest import World

    from meterhall.provider.activations.models import Activation
    from meterhall.provider.deliveries.models import Delivery
    from meterhall.provider.points.models import Point

POINTS, CALLS, EVENTS = scaled(300, 2), scaled(150, 2), scaled(100, 2)
ROUNDS = 5
LAST_CHUNK = b"0\r\n\r\n"
POLL_MS = 10
ROLE, SETTINGS = "provider", "meterhall.provider.settings"


@dataclass(frozen=True)
class Served:
    """What a requester may fetch: its address, how long it is (0: to be seen), and which packing is asked for."""

    path: str
    size: int = 0
    coding: str = ""


Build = Callable[["World"], Mapping[str, Served]]
"""Makes what there is to fetch in a provider's home, each under a name of its own."""


@dataclass(frozen=True)
class Provider:
    """The running provider, the ports of its B2B listeners, and what a requester may fetch from it."""

    base: str
    ports: tuple[int, ...]
    http: httpx.Client
    key: SigningKey
    trust: Path
    parts: Mapping[str, Served]


def platform(folder: Path) -> Iterator[Row]:
    """All measurements that need a running platform, of one that is made for them."""
    yield from apart("benchmarks.platforms", folder)


def measured(folder: Path) -> Iterator[Row]:
    with running(folder, _month, worker_poll_ms=POLL_MS) as provider:
        yield from gate(provider, "month", "A part through the gate")
        yield from token(provider)
        yield from outbox(provider)


@contextmanager
def running(folder: Path, build: Build, listeners: int = 1, **settings: object) -> Iterator[Provider]:
    """A provider with something to deliver: its B2B listeners and its worker, as processes of their own."""
    from meterhall.demo.launch import Town, free_ports
    from meterhall.web.home import create_ca

    town, (portal, *ports) = Town(folder), free_ports(1 + listeners)
    create_ca(town.ca)
    home, base = folder / ROLE, f"https://localhost:{ports[0]}"
    homes.provider(home, town.ca, b2b_port=ports[0], b2b_url=base, portal_port=portal, **settings)
    key = SigningKey.generate()
    parts = build(_world(key))
    _nothing_left_to_say()
    environment = os.environ | {
        "METERHALL_HOME": str(home), "METERHALL_LISTENER": "b2b", "DJANGO_SETTINGS_MODULE": SETTINGS
    }  # fmt: skip
    worker = ["meterhall.cli", ROLE, "serve", "--home", str(home), "--part", "worker"]
    parted = [(["benchmarks.server"], environment | {"METERHALL_B2B_PORT": str(port)}) for port in ports]
    processes = [
        subprocess.Popen([sys.executable, "-m", *line], env=its, stdin=subprocess.DEVNULL)
        for line, its in [*parted, (worker, environment)]
    ]
    try:
        with httpx.Client(verify=town.tls, timeout=60) as http:
            for port in ports:
                _wait(http, f"https://localhost:{port}")
            yield Provider(base, tuple(ports), http, key, town.ca / "ca.pem", parts)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def part_of(delivery: Delivery) -> Served:
    """The first part of a delivery."""
    part = delivery.parts.get(number=1)
    return Served(f"/v1/deliveries/{delivery.pk}/parts/1", part.document["size_bytes"])


def told_of(activation: Activation, period: Period, form: str, pseudonym: str = "", coding: str = "") -> Served:
    """Curves of an activation, told at once: of one POD, or of every one."""
    asked = {"from": period.first, "until": period.until, "granularity": "PT15M", "format": form}
    asked |= {"pseudonym": pseudonym} if pseudonym else {}
    return Served(f"/v1/activations/{activation.pk}/curves?{urlencode(asked)}", coding=coding)


def _nothing_left_to_say() -> None:
    from meterhall.web.messaging.models import Outbox

    Outbox.objects.update(work_state="done")


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


def _world(key: SigningKey) -> World:
    """The provider among its peers: a requester with this key, and itself, which is its own Market Place as well: only
    from that one it takes events."""
    from tests.platform.provider.conftest import ME, REQUESTER, Clock, World

    from meterhall.web.messaging.models import Identity, Peer
    from meterhall.web.oauth.service import admit_client
    from meterhall.web.platform import platform as this

    class Now(Clock):
        def __call__(self) -> datetime:
            return datetime.now(UTC)

    Identity.objects.create(access_number=ME)
    for number, jwk, inbox in (
        (REQUESTER, key.public.jwk(), ""),
        (ME, this().transport_key.public.jwk(), f"{this().base_url}/v1/inbox"),
    ):
        Peer.objects.create(
            access_number=number, name="Sun Coop", document={}, b2b_url="https://localhost:1", inbox_url=inbox,
            transport_keys=[jwk], contract_keys=[jwk], is_marketplace=number == ME,
        )  # fmt: skip
    admit_client(
        client_id=REQUESTER, name="Sun Coop", keys=[key.public.jwk()], redirect_uris=[], scopes=["data"],
        valid_until=None, source="benchmark",
    )  # fmt: skip
    return World(Now(), this().home, {})


def _month(world: World) -> Mapping[str, Served]:
    """A month of many PODs, with contract, consent and activation, built as parts of CSV."""
    points = world.points(POINTS)
    read_in(world, points, date(2026, 2, 28), date(2026, 4, 2))
    return {"month": part_of(world.deliver(world.activated(points)))}


def read_in(world: World, points: list[Point], first: date, until: date) -> None:
    """A value in every quarter hour of these UTC days, through the intake."""
    file = world.home.path / "handed-in.parquet"
    country.write_file(file, [point.pod for point in points], first, until)
    homes.take(file, "PT15M")
    file.unlink()


def gate(provider: Provider, what: str, name: str, bar: float | None = None) -> Iterator[Row]:
    """A body through the gate, over TLS, against the same server sending as many ready bytes.

    Of a packed one the bytes are those it has unpacked, and the ready ones as many.
    """
    auth, served = auth_of(provider), provider.parts[what]
    provider.http.get(f"{provider.base}/v1/events", auth=auth).raise_for_status()
    plain = served.size or _length(provider, auth, served.path)

    def through() -> None:
        request = next(auth.auth_flow(httpx.Request("GET", provider.base + served.path)))
        coding = {"Accept-Encoding": served.coding} if served.coding else {}
        _drain(provider, served.path, dict(request.headers) | coding)

    ours, ready = seconds(ROUNDS, through, lambda: _drain(provider, f"/ready/{plain}", {}))
    title = f"{name} of {plain / MB:.1f} MB, MB/s, against ready 256 KB blocks"
    yield Row(title, plain / MB / ours, plain / MB / ready, bar)


def _length(provider: Provider, auth: httpx.Auth, path: str) -> int:
    """How many bytes an address gives, not packed."""
    with provider.http.stream("GET", provider.base + path, auth=auth, headers={"Accept-Encoding": "identity"}) as got:
        got.raise_for_status()
        return sum(len(block) for block in got.iter_raw())


def _drain(provider: Provider, path: str, headers: dict[str, str]) -> None:
    """Take a whole body off the wire as fast as Python can; a client library would be what is measured."""
    from meterhall.web.platform import platform as this

    url, shown = urlsplit(provider.base), {"authorization", "dpop", "accept-encoding"}
    lines = [f"GET {path} HTTP/1.1", f"Host: {url.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() in shown]
    plain = socket.create_connection((url.hostname, url.port))
    with this().tls.wrap_socket(plain, server_hostname=url.hostname) as wire:
        wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        buffer, got = bytearray(1 << 18), b""
        while b"\r\n\r\n" not in got:
            got += wire.recv(1 << 14)
        head, _, body = got.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{path}: {got[:500].decode(errors='replace')}")
        came, end = len(body), body[-len(LAST_CHUNK) :]
        while count := wire.recv_into(buffer):
            came += count
            end = (end + bytes(buffer[max(count - len(LAST_CHUNK), 0) : count]))[-len(LAST_CHUNK) :]
    length = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
    if came != int(length[1]) if length else end != LAST_CHUNK:
        raise RuntimeError(f"{path}: the body broke off after {came} bytes")


def auth_of(provider: Provider) -> httpx.Auth:
    """What a requester's calls are authorised by."""
    from tests.platform.provider.conftest import REQUESTER

    from meterhall.client.tokens import DPoPAuth

    return DPoPAuth(provider.base, REQUESTER, provider.key, http=provider.http)


def token(provider: Provider) -> Iterator[Row]:
    """A call with a DPoP-bound token against one that needs none, over one connection."""
    auth = auth_of(provider)

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

    from meterhall.web.messaging.models import Inbox
    from meterhall.web.messaging.service import notify

    told = DeliveryMatched(delivery_id=new_id("dlv"), version=1, matched=True)
    with transaction.atomic():
        sent = [notify(ME, "delivery.matched", told.delivery_id, told) for _ in range(count)]
    until = time.monotonic() + 60
    while Inbox.objects.filter(id__in=sent, work_state="done").count() < count:
        if time.monotonic() > until:
            raise TimeoutError("the events did not arrive")
        time.sleep(0.002)


def _post(provider: Provider, count: int) -> None:
    """Sign and post as many events, one after the other."""
    from tests.platform.provider.conftest import ME

    from meterhall.client.b2b import post_event
    from meterhall.domain.protocol.events import Event
    from meterhall.web.platform import platform as this

    told = DeliveryMatched(delivery_id=new_id("dlv"), version=1, matched=True)
    for _ in range(count):
        event = Event(
            id=new_id("evt"), source=f"urn:meterhall:{ME}", type="delivery.matched", time=this().now(),
            subject=told.delivery_id, data=told.document(),
        )  # fmt: skip
        post_event(
            provider.http, f"{provider.base}/v1/inbox", event.canonical(), event_id=event.id, access_number=ME,
            key=this().transport_key, correlation="",
        )  # fmt: skip


if __name__ == "__main__":
    tell(measured(Path(sys.argv[1])))
