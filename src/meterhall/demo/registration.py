"""Step 1: everybody enrols and is admitted, signs the general terms; operators load meters, are certified, offer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from meterhall.demo.cast import MISSING_DAY, MOVED_IN, REQUESTER_LEGAL_ID, Operator
from meterhall.demo.meters import END_DAY, FIRST_DAY, RESOLUTION, load, readings_file, written
from meterhall.demo.office import Office, wait_for
from meterhall.demo.stage import Stage, Step
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import CoverageArea, DataScope, Offer, Price, Profile, ServiceOption

REQUESTER: Final = "requester"
SANDBOX_DAYS: Final = Period(first=date(2016, 10, 29), until=date(2016, 11, 1))


def register(stage: Stage, step: Step) -> None:
    """Enrolment, admission, general contract, readings, certification, offers."""
    _enrol(stage, step)
    _sign_general_contract(stage, step)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(partial(_load, stage), stage.operators))
    homes = sum(len(operator.households) for operator in stage.operators)
    stage.tell(step, f"{homes} real household meters loaded at {len(stage.operators)} fictitious grid operators")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(partial(_certify, stage), stage.operators))
    stage.tell(step, "each grid operator certified by a conformance run on a sandbox POD")
    for operator in stage.operators:
        _offer(stage, operator)
    stage.tell(step, "three offers published")


def _enrol(stage: Stage, step: Step) -> None:
    legal = {operator.key: (operator.legal_id, "provider", "dso") for operator in stage.operators}
    legal[REQUESTER] = (REQUESTER_LEGAL_ID, "requester", "esco")
    for key, (gln, role, activity) in legal.items():
        view = stage.office(key).post(
            "/enrolment",
            {"legal_id": {"kind": "GLN", "value": gln}, "roles": [role], "activity": activity},
        )
        stage.numbers[key] = view["access_number"]
    operator = stage.person("marketplace", "operator@hall.invalid")
    for number in stage.numbers.values():
        operator.get(f"/players/{number}")
        operator.post(f"/players/{number}/admit", {})
    for key in legal:
        wait_for(f"the admission of {key}", partial(_admitted, stage, key))
    stage.tell(step, f"{len(legal)} players enrolled and admitted: " + ", ".join(stage.numbers.values()))


def _admitted(stage: Stage, key: str) -> bool:
    return bool(stage.office(key).get("/enrolment")["player"]["status"] == "admitted")


def _has_signed(stage: Stage, key: str) -> bool:
    return bool(stage.office(key).get("/enrolment")["general_contract_signed"])


def _sign_general_contract(stage: Stage, step: Step) -> None:
    for key in stage.numbers:
        signer = stage.person(key, f"signer@{key}.invalid")
        signer.get("/membership/general-contract")
        signer.post("/membership/general-contract", {})
        wait_for(f"the signature of {key}", partial(_has_signed, stage, key))
    stage.tell(step, "the general contract signed by each player's signer, with a second factor")


def _load(stage: Stage, operator: Operator) -> None:
    office = stage.office(operator.key)
    points = [_point(operator, home.pod, home.holder, home.previous_holder) for home in operator.households]
    sandbox = _point(operator, operator.sandbox_pod, f"{operator.country}-SANDBOX", None) | {"sandbox": True}
    office.put("/points", {"points": [*points, sandbox]})
    runs = [
        office.upload("/readings", content, resolution=RESOLUTION, name=name)["run"]
        for name, content in _files(operator).items()
    ]
    for run in runs:
        wait_for(f"the readings of {operator.name}", partial(_is_worked_in, office, run))


def _is_worked_in(office: Office, run: int) -> bool:
    return bool(office.get(f"/readings/{run}")["state"] == "done")


def _point(operator: Operator, pod: str, holder: str, previous: str | None) -> dict[str, Any]:
    since = {"holder_reference": holder, "from": str(MOVED_IN if previous else date(2015, 1, 1))}
    before = {"holder_reference": previous, "from": "2015-01-01", "until": str(MOVED_IN)}
    return {
        "pod": pod,
        "country": operator.country,
        "zone": operator.zone,
        "occupancies": [before, since] if previous else [since],
    }


def _files(operator: Operator) -> dict[str, bytes]:
    """By name, what the meter-data system hands in: the households, without the missing day, and the sandbox POD."""
    rows = load(operator.data).rows
    zone = ZoneInfo(operator.zone)
    start = datetime.combine(MISSING_DAY, datetime.min.time(), zone)
    gone = {home.meter for home in operator.households if home.is_missing_a_day}
    inside = pc.and_(
        pc.greater_equal(rows["start"], pa.scalar(start.astimezone(UTC), pa.timestamp("s", "UTC"))),
        pc.less(rows["start"], pa.scalar((start + timedelta(days=1)).astimezone(UTC), pa.timestamp("s", "UTC"))),
    )
    missing = pc.and_(inside, pc.is_in(rows["meter"].cast(pa.string()), pa.array(list(gone), pa.string())))
    return {
        "households-2016.parquet": readings_file(rows.filter(pc.invert(missing)), operator.meters),
        "sandbox.parquet": _sandbox_file(operator),
    }


def _sandbox_file(operator: Operator) -> bytes:
    """Made-up readings of the sandbox POD: 100 Wh an hour and a little more by day."""
    zone = ZoneInfo(operator.zone)
    first = datetime.combine(SANDBOX_DAYS.first, datetime.min.time(), zone).astimezone(UTC)
    until = datetime.combine(SANDBOX_DAYS.until, datetime.min.time(), zone).astimezone(UTC)
    hours = int((until - first).total_seconds() // 3600)
    starts = [first + timedelta(hours=hour) for hour in range(hours)]
    values = [100 + 10 * start.astimezone(zone).hour for start in starts]
    table = pa.table(
        {
            "pod": [operator.sandbox_pod] * hours,
            "start": pa.array(starts, pa.timestamp("s", "UTC")),
            "energy_wh": pa.array(values, pa.int64()),
        }
    )
    return written(table)


def _certify(stage: Stage, operator: Operator) -> None:
    office = stage.office(operator.key)
    profile = Profile(
        sandbox_pods=(operator.sandbox_pod,), period=SANDBOX_DAYS, granularity="PT1H", format=operator.format
    )
    started = office.post("/certifications", profile)
    path = f"/certifications/{started['certification_id']}"
    ended = wait_for(
        f"the certification of {operator.name}",
        lambda: found if (found := office.get(path))["status"] not in {"pending", "running"} else None,
    )
    failed = [check for check in ended["checks"] if not check["passed"]]
    if ended["status"] != "passed":
        raise NotCertified(f"{operator.name}: {failed}")


class NotCertified(RuntimeError):
    """A conformance run failed, so the demo cannot go on."""


def _offer(stage: Stage, operator: Operator) -> None:
    office = stage.office(operator.key)
    draft = office.post("/offers", offer_of(operator))
    stage.offers[operator.key] = office.post(f"/offers/{draft['offer_id']}/publication")


def offer_of(operator: Operator) -> Offer:
    """The operator's offer: hourly load curves and sums of groups of its households."""
    kind, value = operator.coverage
    return Offer(
        title=f"Hourly load curves, {operator.name}",
        summary="Validated hourly consumption of single points of delivery. Fictitious operator, real meters.",
        scope=DataScope(granularities=("PT1H", "P1D", "P1M"), period=Period(first=FIRST_DAY, until=END_DAY)),
        formats=("parquet", "csv", "espi", "jsonl"),
        transmission=("pull", "push"),
        options=(ServiceOption(code="corrections", title="Redelivery when a reading is corrected"),),
        price=Price(amount="0", per="free"),
        countries=(operator.country,),
        coverage=(CoverageArea(kind=kind, country=operator.country, value=value, name=operator.name),),
        minimum_group=10,
    )
