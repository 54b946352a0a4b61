"""The platforms the end-to-end tests share: a Market Place, a Spanish grid operator and a requester of Meterhall's own,
as real processes, enrolled, with meters and an offer. Strangers are `strangers`."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from meterhall.demo.cards import CardAuthority
from meterhall.demo.launch import Plan, Running, Town, free_ports
from meterhall.demo.office import Office
from meterhall.demo.person import Person
from tests.postgres import create

Found = TypeVar("Found")
PATIENCE_S = 240.0
MADRID = ZoneInfo("Europe/Madrid")
FIRST, UNTIL = date(2025, 3, 1), date(2025, 4, 1)
MOVED_IN = date(2025, 3, 12)
PODS = 60
MOVED = 7
"""The household that moved in on MOVED_IN; another lived there before."""
LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
KEYS = ("marketplace", "grid", "esco")
OPTION = {"code": "corrections", "title": "Redelivery when a reading is corrected"}


def wait_for(what: str, look: Callable[[], Found | None], within_s: float = PATIENCE_S) -> Found:
    """What `look` finds as soon as it finds something."""
    until = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < until, f"waited {within_s:.0f} s for {what}"
        time.sleep(0.1)
    return found


def cups(number: int) -> str:
    """A Spanish POD of the made-up distributor 9999, with the check letters of its decree (RD 1110/2007)."""
    digits = f"9999{number:012d}"
    quotient, rest = divmod(int(digits) % 529, 23)
    return f"ES{digits}{LETTERS[quotient]}{LETTERS[rest]}"


def pod(number: int) -> str:
    """The POD of household `number`; 0 ≤ number < PODS."""
    return cups(31_415_900 + number)


def gln(number: int) -> str:
    """A made-up Global Location Number under GS1's demonstration prefix."""
    digits = f"952{number:09d}"
    return digits + str(-sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(digits)) % 10)


def holder(number: int) -> str:
    return f"HOLDER-KJ7-{number:03d}"


def quarters(day: date, until: date) -> list[datetime]:
    """The quarters of an hour of civil days in Madrid, as UTC."""
    first, end = (datetime.combine(one, datetime.min.time(), MADRID).astimezone(UTC) for one in (day, until))
    return [first + timedelta(minutes=15) * slot for slot in range(int((end - first) / timedelta(minutes=15)))]


def watt_hours(number: int, start: datetime) -> int:
    """The made-up reading of a household: five digits that no other text has by accident."""
    return 20_000 + number * 131 + int(start.timestamp() // 900) % 9973


def readings(numbers: range | list[int], starts: list[datetime], more: int = 0) -> bytes:
    """A Parquet file as a meter-data system hands it in."""
    rows = [(pod(number), start, watt_hours(number, start) + more) for number in numbers for start in starts]
    columns = list(zip(*rows, strict=True))
    table = pa.table(
        {
            "pod": pa.array(columns[0], pa.string()),
            "start": pa.array(columns[1], pa.timestamp("s", "UTC")),
            "energy_wh": pa.array(columns[2], pa.int64()),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


@dataclass
class Streets:
    """The running platforms, their back offices, and the people at them."""

    town: Town
    cards: CardAuthority
    numbers: dict[str, str] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    offer: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def http(self) -> httpx.Client:
        """Strangers' connections."""
        return httpx.Client(verify=self.town.tls, timeout=60, limits=httpx.Limits(max_connections=40))

    def __getitem__(self, key: str) -> Running:
        return self.town.platforms[key]

    def office(self, key: str) -> Office:
        return Office(self[key].portal, self[key].staff_key, self.town.tls)

    def person(self, key: str, email: str, link: str = "") -> Person:
        """Somebody at a portal, signed in with a second factor; the first time by a one-time link."""
        name = f"{key}:{email}"
        if name not in self.people:
            visitor = Person(self[key].portal, httpx.Client(verify=self.town.tls, timeout=60, follow_redirects=False))
            visitor.redeem(link or self[key].links[email])
            self.people[name] = visitor
        return self.people[name]

    def customer(self, number: int) -> Person:
        """The holder of a household at the grid operator's portal."""
        email = f"{holder(number).lower()}@customer.invalid"
        if f"grid:{email}" in self.people:
            return self.people[f"grid:{email}"]
        body = {"email": email, "name": f"Customer {number}", "holder_reference": holder(number)}
        return self.person("grid", email, self.office("grid").post("/customers/invitations", body)["link"])

    def admit(self, number: str) -> None:
        self.office("marketplace").post(f"/players/{number}/admission")

    def upload(self, content: bytes) -> None:
        """Hand readings in at the grid operator, and wait until they are in."""
        office = self.office("grid")
        run = office.upload("/readings", content, resolution="PT15M")["run"]
        wait_for("the readings", lambda: office.get(f"/readings/{run}")["state"] == "done")


def databases(url: str) -> dict[str, str]:
    """Fresh databases on the server that `url` names, one a platform."""
    found = {}
    for key in KEYS:
        name = f"e2e_{key}_{os.getpid()}_{time.time_ns() % 10**6}"
        create(url, name)
        found[key] = url.replace("/meterhall?", f"/{name}?")
    return found


@contextmanager
def running(folder: Path) -> Iterator[Streets]:
    """The platforms, made and started; nothing of them is left when the block ends."""
    url = os.environ.get("METERHALL_TEST_DATABASE_URL", "")
    streets = Streets(Town(folder, databases(url) if url else {}), CardAuthority.create())
    try:
        streets.town.create(plans())
        streets.cards.trust(streets["grid"].home / "trust" / "consent")
        streets.town.start()
        yield streets
    finally:
        streets.town.stop()


def plans() -> list[Plan]:
    ports = free_ports(6)
    quick: dict[str, object] = {"worker_poll_ms": 100, "worker_lease_s": 6}
    own = quick | {"zone": "Europe/Madrid", "minimum_group": 5}
    hall = f"https://localhost:{ports[0]}"
    people = {key: (("signer", f"signer@{key}.invalid", f"Sam Signer of {key}"),) for key in KEYS}
    return [
        Plan("marketplace", "marketplace", "Test hall", "BE", (ports[0], ports[1]), (), quick),
        Plan("provider", "grid", "Red de Prueba", "ES", (ports[2], ports[3]), people["grid"], own, hall),
        Plan("requester", "esco", "Consejo Claro", "ES", (ports[4], ports[5]), people["esco"], quick, hall),
    ]


def settle(streets: Streets, most_contracts: int = 40) -> None:
    """Meterhall's own players enrol and are admitted; the grid operator loads its meters and offers them."""
    for key, legal_id, role, activity in (
        ("grid", gln(101), "provider", "dso"),
        ("esco", gln(102), "requester", "esco"),
    ):
        body = {"legal_id": {"kind": "GLN", "value": legal_id}, "roles": [role], "activity": activity}
        streets.numbers[key] = streets.office(key).post("/enrolment", body)["access_number"]
        streets.admit(streets.numbers[key])
        signer = streets.person(key, f"signer@{key}.invalid")
        wait_for(key, lambda key=key: streets.office(key).get("/enrolment")["player"]["status"] == "admitted")
        signer.get("/membership/general-contract")
        signer.post("/membership/general-contract", {})
        wait_for(key, lambda key=key: streets.office(key).get("/enrolment")["general_contract_signed"])
    _load(streets)
    _certify(streets)
    _offer(streets, most_contracts)


def _load(streets: Streets) -> None:
    sandbox = cups(90_000_001)
    points = [point(pod(number), [(holder(number), date(2020, 1, 1), None)]) for number in range(PODS)]
    before = [("HOLDER-KJ7-BEFORE", date(2020, 1, 1), MOVED_IN), (holder(MOVED), MOVED_IN, None)]
    points[MOVED] = point(pod(MOVED), before)
    points.append(point(sandbox, [("ES-SANDBOX", date(2020, 1, 1), None)]) | {"sandbox": True})
    streets.office("grid").put("/points", {"points": points})
    streets.upload(readings(range(PODS), quarters(FIRST, UNTIL)))
    starts = quarters(FIRST, date(2025, 3, 3))
    table = pa.table(
        {
            "pod": [sandbox] * len(starts),
            "start": pa.array(starts, pa.timestamp("s", "UTC")),
            "energy_wh": pa.array(range(len(starts)), pa.int64()),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    streets.upload(out.getvalue())


def point(of: str, stays: list[tuple[str, date, date | None]]) -> dict[str, Any]:
    held = [
        {"holder_reference": who, "from": str(since)} | ({"until": str(until)} if until else {})
        for who, since, until in stays
    ]
    return {"pod": of, "country": "ES", "zone": "Europe/Madrid", "occupancies": held}


def _certify(streets: Streets) -> None:
    office = streets.office("grid")
    profile = {
        "sandbox_pods": [cups(90_000_001)],
        "period": {"from": str(FIRST), "until": "2025-03-03"},
        "granularity": "PT1H",
        "format": "csv",
    }
    path = f"/certifications/{office.post('/certifications', profile)['certification_id']}"
    ended = wait_for(
        "the certification",
        lambda: found if (found := office.get(path))["status"] not in {"pending", "running"} else None,
    )
    assert ended["status"] == "passed", ended


def offer(title: str, operator: str, formats: list[str] | None = None) -> dict[str, Any]:
    """An offer of quarter-hourly load curves of a Spanish operator."""
    return {
        "title": title,
        "scope": {
            "directions": ["import"],
            "granularities": ["PT15M", "PT1H", "P1D"],
            "period": {"from": str(FIRST), "until": str(UNTIL)},
        },
        "formats": formats or ["parquet", "csv", "espi", "jsonl"],
        "transmission": ["pull", "push"],
        "options": [OPTION],
        "price": {"amount": "0", "per": "free"},
        "countries": ["ES"],
        "coverage": [{"kind": "operator_code", "country": "ES", "value": operator, "name": title}],
        "minimum_group": 5,
    }


def sign_contract(streets: Streets, subscription: str) -> None:
    """The signer of Meterhall's requester signs a contract on its page, the second factor shown anew."""
    signer = streets.person("esco", "signer@esco.invalid")
    page = signer.get(f"/contracts/{subscription}/sign")
    if "confirmation" in page.path:
        signer.confirm()
        signer.get(f"/contracts/{subscription}/sign")
    signer.post(f"/contracts/{subscription}/sign", {})


def _offer(streets: Streets, most: int) -> None:
    """Publish the offer, and let the grid operator's transport key sign the contracts under it."""
    office = streets.office("grid")
    draft = office.post("/offers", offer("Curvas de carga", "9999"))
    streets.offer = office.post(f"/offers/{draft['offer_id']}/publication")
    signer = streets.person("grid", "signer@grid.invalid")
    until = datetime.now(UTC) + timedelta(days=90)
    signer.submit(
        signer.get("/standing-acceptances"),
        "offers",
        {"offers": f"{draft['offer_id']}:{draft['version']}", "most": str(most), "until": until.strftime("%Y-%m-%d")},
    )


def parts_of(running: Running) -> dict[str, int]:
    """The processes of a platform by their part (b2b, portal, worker)."""
    assert running.process is not None
    found: dict[str, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name = (entry / "comm").read_text().strip()
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == running.process.pid and name.startswith("mh-"):
            found[name.removeprefix("mh-")] = int(entry.name)
    return found


def descendants(running: Running) -> list[int]:
    """All processes of a platform."""
    assert running.process is not None
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [running.process.pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def kill_worker(running: Running) -> int:
    """SIGKILL a platform's worker; its process id."""
    number = wait_for("a worker", lambda: parts_of(running).get("worker"))
    os.kill(number, signal.SIGKILL)
    return number
