"""The control plane under load: the ten steps by many requesters at once, and large activations while data is
delivered.

The requesters are the SDK, in threads of this process; they share the machine with the platforms they call.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from queue import Queue

import httpx
from tests.e2e import town
from tests.e2e.town import Streets, cups, descendants, gln, holder, pod, point
from tests.postgres import postgres

from benchmarks.measure import MB, SCALE, Row, scaled
from meterhall.client import Activation, Meterhall, SignedByCustomer, create
from meterhall.client.subscriptions import Subscription
from meterhall.domain.protocol.activations import Activated, ActivationItem, ActivationRequest, ActivationView
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.consents import ConsentStatement
from meterhall.domain.protocol.offers import DataScope, OfferView

REQUESTERS = (1, 8, 32) if SCALE == 1 else (1, 2)
JOURNEYS = scaled(3)
"""Of each requester in a closed round."""
OPEN_S, OPEN_SHARE = max(40.0 * SCALE, 2.0), 0.6
"""How long the open round lasts, and at which share of the throughput of the closed rounds."""
HOMES, DAYS = 4, ("2025-03-03", "2025-03-05")
ACTIVATIONS, LARGE = scaled(100, 2), scaled(10_000, 20)
PASSPHRASE = "a passphrase of the benchmark"
SCOPE = DataScope(granularities=("PT15M", "PT1H", "P1D"), period=Period(first=date(2025, 3, 1), until=date(2025, 4, 1)))
ID = re.compile(r"/(?:[a-z]{2,4}_[0-9a-f]{24}|MH\d{10}|\d+)(?=/|$)")


@dataclass
class Calls:
    """How long each call took until its answer began, by method and route, in seconds."""

    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, http: httpx.Client) -> None:
        http.event_hooks = {"request": [self._begin], "response": [self._end]}

    def _begin(self, request: httpx.Request) -> None:
        request.extensions["began"] = time.perf_counter()

    def _end(self, response: httpx.Response) -> None:
        request = response.request
        name = f"{request.method} {ID.sub('/{}', request.url.path)}"
        with self.lock:
            self.took[name].append(time.perf_counter() - request.extensions["began"])

    def clear(self) -> None:
        with self.lock:
            self.took.clear()


@dataclass
class Requester:
    """One requester: its SDK, and the consents of some households."""

    hall: Meterhall
    grid: str
    proofs: SignedByCustomer

    def journey(self) -> None:
        """The ten steps, from the search to the receipt; then the contract is quit, so that the next is a new one."""
        hall, offer = self.hall, self.offer()
        wish = hall.wish(("ES",), HOMES, granularities=("PT15M",), period=DAYS)
        hall.close_wish(wish.wish_id)
        pods = list(self.proofs.jws)
        assert [place.pod for place in hall.localise(pods) if place.provider == self.grid] == pods
        contract = self.contract(offer)
        made = self.activation(contract)
        assert made.load_curves(DAYS, "PT15M").completeness.is_complete
        contract.quit()

    def offer(self) -> OfferView:
        return next(one for one in self.hall.search(country="ES", text="curvas") if one.provider == self.grid)

    def activation(self, contract: Subscription | None = None) -> Activation:
        """One whose points are all accepted."""
        contract = contract or self.contract(self.offer())
        made = contract.activate(list(self.proofs.jws), self.proofs)
        assert len(made.wait(120).accepted) == len(self.proofs.jws)
        return made

    def contract(self, offer: OfferView) -> Subscription:
        return self.hall.subscribe(offer, signer=self.hall.signer("Stella Signer", PASSPHRASE)).wait(120)


def ten_steps(folder: Path) -> Iterator[Row]:
    """The ten steps on SQLite, then on PostgreSQL: how many a second, and how long each call takes."""
    yield from _on("SQLite", folder / "sqlite")
    with postgres() as url, _setting("METERHALL_TEST_DATABASE_URL", url):
        yield from _on("PostgreSQL", folder / "postgres")


@contextmanager
def _setting(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _on(database: str, folder: Path) -> Iterator[Row]:
    with _requesters(folder, max(REQUESTERS)) as (requesters, calls, _):
        requesters[0].journey()
        alone = _closed(requesters[:1])
        yield Row(f"{database}: ten steps a second, 1 requester", alone)
        best = alone
        for number in REQUESTERS[1:]:
            many = _closed(requesters[:number])
            best = max(best, many)
            yield Row(f"{database}: ten steps a second, {number} requesters / 1", many, alone)
        calls.clear()
        whole = _open(requesters, best * OPEN_SHARE)
        yield from _quantiles(f"{database}: ten steps, s", whole)
        for name, took in sorted(calls.took.items(), key=lambda pair: -_quantile(pair[1], 0.99)):
            if len(took) >= 10:
                yield from _quantiles(f"{database}: {name}, ms", [one * 1000 for one in took])


def _closed(requesters: list[Requester]) -> float:
    """Journeys a second, each requester beginning the next as it ends one."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(requesters)) as pool:
        for done in [pool.submit(_some, one) for one in requesters]:
            done.result()
    return len(requesters) * JOURNEYS / (time.perf_counter() - began)


def _some(requester: Requester) -> None:
    for _ in range(JOURNEYS):
        requester.journey()


def _open(requesters: list[Requester], rate: float) -> list[float]:
    """Seconds of each journey from the moment it was due: they come at a fixed rate, whether others ended or not."""
    idle: Queue[Requester] = Queue()
    for one in requesters:
        idle.put(one)
    began, number = time.perf_counter(), max(1, int(OPEN_S * rate))

    def run(due: float) -> float:
        requester = idle.get()
        try:
            requester.journey()
        finally:
            idle.put(requester)
        return time.perf_counter() - due

    with ThreadPoolExecutor(len(requesters)) as pool:
        going = []
        for place in range(number):
            due = began + place / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            going.append(pool.submit(run, due))
        return [one.result() for one in going]


def _quantiles(name: str, values: list[float]) -> Iterator[Row]:
    """p95 and p99 against p50, so that what the tail costs is a ratio."""
    middle = _quantile(values, 0.5)
    yield Row(f"{name}: p95 / p50", _quantile(values, 0.95), middle)
    yield Row(f"{name}: p99 / p50", _quantile(values, 0.99), middle)


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextmanager
def _requesters(folder: Path, number: int) -> Iterator[tuple[list[Requester], Calls, Streets]]:
    """Running platforms, and this many admitted requesters with the consents of a few households."""
    folder.mkdir(parents=True)
    calls = Calls()
    with town.running(folder) as streets:
        town.settle(streets, most_contracts=100_000)
        entered = [_enter(streets, folder / f"client-{place}", place, calls) for place in range(number)]
        try:
            yield entered, calls, streets
        finally:
            for one in entered:
                one.hall.close()


def _enter(streets: Streets, home: Path, number: int, calls: Calls) -> Requester:
    create(
        home, marketplace=streets["marketplace"].b2b, organisation=f"Requester {number}", country="ES",
        address="https://load.invalid", contact="data@load.invalid", passphrase=PASSPHRASE,
        trust=(streets.town.ca / "ca.pem").read_bytes(),
    )  # fmt: skip
    hall = Meterhall.connect(home)
    streets.admit(hall.enrol(f"GLN:{gln(2000 + number)}", "esco").access_number)
    hall.wait_admitted(60)
    hall.sign_terms(hall.signer("Stella Signer", PASSPHRASE))
    calls.watch(hall._desk.http)
    now = datetime.now(UTC)
    homes = [(number * HOMES + place) % town.PODS for place in range(HOMES)]
    homes = [place if place != town.MOVED else town.PODS - 1 for place in homes]
    signed = {
        pod(place): streets.cards.signed(
            ConsentStatement(
                pod=pod(place), requester=hall.access_number, holder_reference=holder(place), scope=SCOPE,
                purpose="Advice", given_at=now, access_until=now + timedelta(days=30),
            )
        )
        for place in homes
    }  # fmt: skip
    return Requester(hall, streets.numbers["grid"], SignedByCustomer(signed))


def large_activations(folder: Path) -> Iterator[Row]:
    """A hundred activations of ten thousand points, answered while other points are delivered without a pause.

    A refusal, a time-out or a lock error anywhere ends the measurement.
    """
    with _requesters(folder / "large", 2) as (entered, _, streets):
        one, other = entered
        owner: list[tuple[str, date, date | None]] = [("HOLDER-LARGE", date(2020, 1, 1), None)]
        pods = [cups(50_000_000 + number) for number in range(LARGE)]
        streets.office("grid").put("/points", {"points": [point(name, owner) for name in pods]})
        contract, delivered = one.contract(one.offer()), other.activation()
        stop, loads = threading.Event(), Queue[float]()
        with ThreadPoolExecutor(1) as pool:
            going = pool.submit(_deliver_until, stop, delivered, loads)
            try:
                took, first_mb = [_activate(one, contract, pods)], memory_mb(streets)
                took += [_activate(one, contract, pods) for _ in range(ACTIVATIONS - 1)]
            finally:
                stop.set()
            going.result()
        yield Row(f"activation of {LARGE:,} points while delivering, points/s", LARGE * ACTIVATIONS / sum(took))
        yield Row(f"the slowest of {ACTIVATIONS} such activations / the first, s", max(took), took[0])
        yield Row(f"memory of the provider after {ACTIVATIONS} of them / after 1, MB", memory_mb(streets), first_mb)
        yield Row("deliveries meanwhile", float(loads.qsize()))


def _activate(requester: Requester, contract: Subscription, pods: list[str]) -> float:
    """Seconds until every point of one activation has its answer."""
    began = time.perf_counter()
    line = requester.hall._desk.provider(requester.grid)
    scope = contract.contract.offer.scope
    items = tuple(ActivationItem(pod=name, proof="ask_customer") for name in pods)
    asked = ActivationRequest(subscription_id=contract.id, scope=scope, items=items)
    made = line.call("POST", "/v1/activations", asked, Activated)
    while True:
        view = line.call("GET", f"/v1/activations/{made.activation_id}", None, ActivationView)
        if view.state == "answered":
            return time.perf_counter() - began
        time.sleep(0.1)


def _deliver_until(stop: threading.Event, activation: Activation, loads: Queue[float]) -> None:
    while not stop.is_set():
        began = time.perf_counter()
        assert activation.load_curves(DAYS, "PT1H").completeness.is_complete
        loads.put(time.perf_counter() - began)


def memory_mb(streets: Streets) -> float:
    """What the provider's processes hold together, in MB, shared pages counted once (PSS)."""
    total = 0
    for number in descendants(streets["grid"]):
        for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total / MB
