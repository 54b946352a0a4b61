"""Steps 8 to 10: ask for data, have it delivered, verify, store and acknowledge; withdraw and correct in between."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pyarrow as pa
import pyarrow.compute as pc

from meterhall.client.b2b import B2BClient, RemoteRefusal
from meterhall.demo.cast import CORRECTED_DAY, Operator
from meterhall.demo.consenting import customer_of
from meterhall.demo.meters import END_DAY, FIRST_DAY, RESOLUTION, load, readings_file
from meterhall.demo.office import wait_for
from meterhall.demo.registration import REQUESTER
from meterhall.demo.stage import Stage, Step
from meterhall.domain.protocol.deliveries import GATE_BLOCK_BYTES, ManifestView
from meterhall.web.home import Home

PERIOD = {"from": str(FIRST_DAY), "until": str(END_DAY)}
GROUP = " group"
RECEIVE_BUFFER_BYTES = 64 * 1024


class NotStopped(RuntimeError):
    """A revoked body went on to its end."""


def calculate(stage: Stage, step: Step) -> None:
    """Ask for load curves everywhere, and for the sum of a group: allowed once, refused once for its size."""
    for operator in stage.operators:
        ask(stage, operator.key, operator.format, operator.transmission)
    small, large = stage.operators[1], stage.operators[2]
    for operator in (small, large):
        ask(stage, f"{operator.key}{GROUP}", "csv", "pull", key=operator.key, group=True)
    collect_answers(stage, step)
    stage.tell(step, f"{len(stage.deliveries)} deliveries calculated, one of them the sum of a group")


def collect_answers(stage: Stage, step: Step) -> None:
    """Wait for the answer to each request: a delivery, or a refusal with its reason."""
    for name, number in list(stage.requests.items()):
        asked = wait_for(f"the answer to {name}", partial(_answered, stage, number))
        if asked["state"] == "refused":
            stage.outcome.refused[asked.get("code")] += 1
            stage.tell(step, f"{name}: refused: {asked['code']}: {asked['detail']}")
            del stage.requests[name]
        else:
            stage.deliveries[name] = asked["delivery_id"]


def ask(stage: Stage, name: str, form: str, way: str, *, key: str | None = None, group: bool = False) -> None:
    """Ask for a whole period of an activation, or for the sum of its group, under a name of the demo's own."""
    body = {
        "activation": stage.activations[key or name],
        "period": PERIOD,
        "granularity": RESOLUTION,
        "format": form,
        "transmission": way,
        "group": group,
    }
    stage.requests[name] = stage.office(REQUESTER).post("/data-requests", body)["id"]


def _answered(stage: Stage, number: int) -> Any:
    asked = stage.office(REQUESTER).get(f"/data-requests/{number}")
    return asked if asked["state"] != "sending" else None


def transmit(stage: Stage, step: Step) -> None:
    """Pull and push; then a customer withdraws while a body is under way."""
    for name in stage.deliveries:
        one = settled(stage, name, 1)
        stage.tell(
            step,
            f"{name}: {one['readings']:,} readings as {one['format']}, {one['transmission']}ed{_gaps(name, one)}",
        )
    _withdraw_midway(stage, step, stage.operators[2])


def _gaps(name: str, one: Any) -> str:
    """What a delivery has no value for, and why: the missing day; of a sum the hours that would betray somebody."""
    if not one.get("missing"):
        return ""
    if name.endswith(GROUP):
        return f", {one['missing']} hours withheld in which one household was more than half of the sum"
    return f", {one['missing']} missing: of one meter a day was never read"


def settled(stage: Stage, name: str, version: int) -> Any:
    """A delivery once its version (or a later one) is verified, stored and receipted; what it holds is counted."""
    path = f"/deliveries/{stage.deliveries[name]}"

    def look() -> Any:
        try:
            one = stage.office(REQUESTER).get(path)
        except Exception:
            return None
        return one if one["version"] >= version and one.get("receipted_at") and one["state"] == "received" else None

    one = wait_for(f"version {version} of the delivery {name}", look)
    stage.outcome.readings[f"{name} ({one['format']})"] = one["readings"]
    return one


def _withdraw_midway(stage: Stage, step: Step, operator: Operator) -> None:
    """Read a part slowly; the customer withdraws; the body breaks, a resumed range is gone, a new manifest follows."""
    client = _slow_client(stage, operator)
    delivery = stage.deliveries[operator.key]
    part = client.call("GET", f"/v1/deliveries/{delivery}", None, ManifestView).manifest.parts[0]
    path = f"/v1/deliveries/{delivery}/parts/{part.number}"
    got = _broken_off(client, path, partial(_withdraw, stage, operator))
    stage.outcome.revoked += 1
    try:
        with client.stream(path, start=got) as again:
            raise NotStopped(f"the rest was answered with {again.status_code}")
    except RemoteRefusal as refusal:
        stage.tell(
            step,
            f"withdrawn midway: the body broke off after {got:,} of {part.size_bytes:,} bytes; "
            f"the rest answers {refusal.remote_status} {refusal.remote_code}",
        )
    one = settled(stage, operator.key, 2)
    stage.tell(step, f"manifest version {one['version']} supersedes it, without {one['withdrawn']} POD")


def _slow_client(stage: Stage, operator: Operator) -> B2BClient:
    """The requester as an engineer's own script would call: its access number, its key, and a small receive buffer."""
    transport = httpx.HTTPTransport(
        verify=stage.town.tls, socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)]
    )
    key = Home(stage.town.platforms[REQUESTER].home).key("transport")
    base = stage.town.platforms[operator.key].b2b
    return B2BClient(base, stage.numbers[REQUESTER], key, http=httpx.Client(transport=transport, timeout=30))


def _broken_off(client: B2BClient, path: str, meanwhile: Callable[[], None]) -> int:
    """Read a first block, do `meanwhile`, read on; how many bytes came before the body broke. Raises `NotStopped`."""
    got = 0
    try:
        with client.stream(path) as response:
            for block in response.iter_raw(GATE_BLOCK_BYTES):
                if not got:
                    meanwhile()
                got += len(block)
    except httpx.TransportError:
        return got
    raise NotStopped(f"all {got} bytes came")


def _withdraw(stage: Stage, operator: Operator) -> None:
    """The customer of the operator's last household withdraws, in two taps."""
    customer = customer_of(stage, operator, operator.households[-1])
    consents = customer.get("/consents")
    customer.submit(consents, "withdraw")


def collect(stage: Stage, step: Step) -> None:
    """Every version receipted, both sides' statements met; a corrected reading leads to a redelivery."""
    operator = stage.operators[2]
    version = stage.office(REQUESTER).get(f"/deliveries/{stage.deliveries[operator.key]}")["version"]
    _correct(stage, operator)
    one = settled(stage, operator.key, version + 1)
    stage.tell(step, f"a corrected reading: manifest version {one['version']}, reason {one['reason']}")
    for name in stage.deliveries:
        one = wait_for(f"the statements on {name} to meet", partial(_matched, stage, name))
        stage.outcome.digests_matched += one.get("match") == "matched"
    stage.tell(step, f"{stage.outcome.digests_matched} of {len(stage.deliveries)} deliveries: both statements match")


def _matched(stage: Stage, name: str) -> Any:
    one = stage.office(REQUESTER).get(f"/deliveries/{stage.deliveries[name]}")
    return one if one.get("match") else None


def _correct(stage: Stage, operator: Operator) -> None:
    """The meter-data system hands in one day of one household again, ten watt-hours higher each hour."""
    home = operator.households[3]
    rows = load(operator.data).rows
    start = datetime.combine(CORRECTED_DAY, datetime.min.time(), ZoneInfo(operator.zone)).astimezone(UTC)
    bounds = [pa.scalar(at, pa.timestamp("s", "UTC")) for at in (start, start + timedelta(days=1))]
    inside = pc.and_(pc.greater_equal(rows["start"], bounds[0]), pc.less(rows["start"], bounds[1]))
    day = rows.filter(inside)
    higher = pc.add(day["energy_wh"], pa.scalar(10, pa.int32()))
    day = day.set_column(day.column_names.index("energy_wh"), "energy_wh", higher)
    again = readings_file(day, {home.meter: home.pod})
    stage.office(operator.key).upload("/readings", again, resolution=RESOLUTION, name="correction.parquet")
