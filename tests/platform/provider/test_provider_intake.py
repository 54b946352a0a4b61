"""A described file on its way into the lake: from every door, in memory or by disk, and after a crash anywhere."""

from __future__ import annotations

import functools
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from django.test import Client

from meterhall.domain.readings import MISSING, LoadCurve
from meterhall.domain.readings import Series as Curve
from meterhall.formats import FORMATS, PartHeader
from meterhall.lake import Lake
from meterhall.provider.metering import working
from meterhall.provider.metering.drop_folder import look_into
from meterhall.provider.metering.intake import PLAIN, profile_of
from meterhall.provider.metering.intake.gathering import Gathering
from meterhall.provider.metering.models import TOO_LATE, IngestRun, QuarantinedRow, Series
from meterhall.provider.metering.service import lake, spec, take_readings
from meterhall.provider.points.models import Point
from meterhall.web.staff.service import create_staff_key
from meterhall.web.work.models import WorkState
from tests.platform.provider.conftest import World

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, tzinfo=UTC)
KILO = 'resolution = "PT15M"\nunit = "kWh"\ndelimiter = ";"\ndecimal = ","\n[columns]\nvalue = "kWh"\n'


def described(world: World, name: str, text: str) -> None:
    (world.home.path / "intake").mkdir(exist_ok=True)
    (world.home.path / "intake" / f"{name}.toml").write_text(text)


def stored(hours: int = 24) -> dict[tuple[str, str], list[int]]:
    found = {}
    for series in Series.objects.all():
        blocks = lake().read([spec(series)], START, START + timedelta(hours=hours))
        values = np.concatenate([block.mantissas for block in blocks])
        found[series.point.pod, series.direction] = values[values != MISSING].tolist()
    return found


def test_a_profile_reads_a_file_from_every_door(world: World, tmp_path: Path) -> None:
    pod = world.points()[0].pod
    described(world, "kilo", KILO)
    office = Client(headers={"Authorization": f"Bearer {create_staff_key('meters')}"})
    answer = office.post(
        "/api/readings?profile=kilo", f"pod;start;kWh\n{pod};2026-03-01T00:00:00Z;0,25\n", content_type="text/csv",
        headers={"Idempotency-Key": "k"},
    )  # fmt: skip
    assert answer.status_code == 202
    file = tmp_path / "kilo" / "day.csv"
    file.parent.mkdir()
    file.write_text(f"pod;start;kWh\n{pod};2026-03-01T00:15:00Z;0,5\n")
    os.utime(file, (time.time() - 60, time.time() - 60))
    (tmp_path / "unknown").mkdir()
    assert look_into(tmp_path) == 1
    world.work()
    assert stored() == {(pod, "import"): [250, 500]}
    refused = office.post("/api/readings?profile=none", "x", content_type="text/csv", headers={"Idempotency-Key": "l"})
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_profile")
    described(world, "odd", 'delimeter = ";"\n')
    refused = office.post("/api/readings?profile=odd", "x", content_type="text/csv", headers={"Idempotency-Key": "m"})
    assert (refused.json()["code"], refused.json()["field"]) == ("bad_profile", "/delimeter")
    refused = office.post("/api/readings", "x", content_type="text/csv", headers={"Idempotency-Key": "n"})
    assert (refused.status_code, refused.json()["field"]) == (422, "/resolution")


def test_what_was_delivered_as_cim_json_is_taken_from_every_door(world: World, tmp_path: Path) -> None:
    points = world.points(2)
    known = START + timedelta(days=2)
    by_api, by_folder = (
        b"".join(
            FORMATS["cim_json"].encode(
                [LoadCurve(Curve(point.pod, 900), START, np.array([250]), np.array([9], np.uint8), known)],
                PartHeader("dlv_1", country="IT"),
            )
        )
        for point in points
    )
    office = Client(headers={"Authorization": f"Bearer {create_staff_key('meters')}"})
    keyed = {"content_type": "application/json", "headers": {"Idempotency-Key": "k"}}
    assert office.post("/api/readings", by_api, **keyed).status_code == 202  # type: ignore[arg-type]
    file = tmp_path / "PT1H" / "day.json"
    file.parent.mkdir()
    file.write_bytes(by_folder)
    os.utime(file, (time.time() - 60, time.time() - 60))
    assert look_into(tmp_path) == 1
    damaged = take_readings(by_api[:-100], "")
    world.work()
    assert stored() == {(point.pod, "import"): [250] for point in points}
    damaged.refresh_from_db()
    assert damaged.problem.endswith(" (/MarketDocument/TimeSeries/0/marketEvaluationPoint.mRID)")


def test_the_same_bytes_read_in_another_way_are_another_run(world: World) -> None:
    content = f"pod,start,energy_wh\n{world.points()[0].pod},2026-03-01T00:00:00Z,2\n".encode()
    first = take_readings(content, "PT15M", profile=PLAIN)
    assert take_readings(content, "", profile=profile_of({"resolution": "PT15M", "unit": "kWh"})).pk != first.pk
    assert take_readings(content, "PT15M", profile=PLAIN).pk == first.pk


def test_what_flows_either_way_and_net_are_kept_apart_and_only_net_is_negative(world: World) -> None:
    pod = world.points()[0].pod
    rows = [
        f"{pod},2026-03-01T00:00:00Z,{n},{way}" for n, way in ((5, "import"), (7, "export"), (-2, "net"), (1, "in"))
    ]
    take_readings(("pod,start,energy_wh,direction\n" + "\n".join(rows)).encode(), "PT15M")
    world.work()
    assert stored() == {(pod, "import"): [5], (pod, "export"): [7], (pod, "net"): [-2]}
    assert [row.rule for row in QuarantinedRow.objects.all()] == ["P2"]


def test_a_series_keeps_the_scale_of_its_first_file(world: World) -> None:
    pod = world.points()[0].pod
    for scale, amount in ((-2, "0.25"), (0, "0.5"), (-5, "0.125")):
        content = f"pod,start,energy_wh\n{pod},2026-03-01T00:00:00Z,{amount}\n".encode()
        take_readings(content, "PT15M", profile=profile_of({"scale": scale}))
        world.work()
    assert (stored(), Series.objects.get().scale) == ({(pod, "import"): [50]}, -2)
    assert [row.rule for row in QuarantinedRow.objects.all()] == ["V14"]


def unsorted(points: list[Point], seed: int = 1) -> bytes:
    """A day of quarter-hours of each point in no order, with a repeated row, a contradiction and a negative value."""
    pods = [point.pod for point in points]
    rows = [(pod, slot, 10 + slot + n) for n, pod in enumerate(pods) for slot in range(96)]
    rows += [(pods[0], 5, 15), (pods[1], 6, 999), (pods[2], 95 + 1, -4)]
    order = np.random.default_rng(seed).permutation(len(rows))
    lines = [f"{pod},{(START + slot * timedelta(minutes=15)).isoformat()},{value}" for pod, slot, value in rows]
    return ("pod,start,energy_wh\n" + "\n".join(lines[place] for place in order)).encode()


def test_rows_that_go_by_disk_lead_to_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    points = world.points(40)
    take_readings(unsorted(points), "PT15M")
    world.work()
    kept, aside = stored(25), sorted(QuarantinedRow.objects.values_list("row", "rule"))
    assert len(aside) == 4
    lake().erase(Series.objects.values_list("pk", flat=True))
    monkeypatch.setattr(working, "Gathering", functools.partial(Gathering, in_memory=100))
    run = take_readings(unsorted(points) + b"\n", "PT15M")
    world.work()
    run.refresh_from_db()
    assert (stored(25), sorted(run.quarantine.values_list("row", "rule"))) == (kept, aside)
    assert (run.rows, run.days_written) == (40 * 96 + 3, 40)
    assert list(working.ingest_folder().iterdir()) == [], "nothing is left lying"


@pytest.mark.parametrize("in_memory", [100, 1_000_000])
def test_a_crash_after_the_lakes_commit_writes_nothing_twice_and_loses_no_row(
    world: World, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    monkeypatch.setattr(working, "Gathering", functools.partial(Gathering, in_memory=in_memory))
    points = world.points(40)
    run = take_readings(unsorted(points), "PT15M")
    put = Lake.put

    def killed(self: Lake, *given: object, **more: object) -> None:
        put(self, *given, **more)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(Lake, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        working.work_in(run)
    assert not QuarantinedRow.objects.exists()
    monkeypatch.setattr(Lake, "put", put)
    version = lake()._table.snapshot().version
    world.work()
    run.refresh_from_db()
    assert (run.quarantined, run.quarantine.count(), lake()._table.snapshot().version) == (4, 4, version)
    assert Series.objects.filter(first_day=START.date()).count() == 40


def test_a_fault_in_the_middle_commits_nothing_and_says_its_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "Gathering", functools.partial(Gathering, in_memory=100))
    run = take_readings(unsorted(world.points(40)), "PT15M")
    corrected, calls = Lake._corrected, iter(range(99))

    def fails(self: Lake, *given: object) -> object:
        if next(calls) == 2:
            raise MemoryError("no room")
        return corrected(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "_corrected", fails)
    with pytest.raises(MemoryError, match="no room"):
        working.work_in(run)
    assert stored() == {key: [] for key in stored()}
    assert IngestRun.objects.get().finished_at is None


def test_a_file_larger_than_any_other_body_is_taken_over_the_interface(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = world.points()[0].pod
    office = Client(headers={"Authorization": f"Bearer {create_staff_key('meters')}"})
    quarters = (START - timedelta(minutes=15) * number for number in range(1, 150_001))
    lines = [f"{pod},{at:%Y-%m-%dT%H:%M}Z,7,{'x' * 90}" for at in quarters]
    content = "\n".join(["pod,start,energy_wh,note", *lines, f"{pod},{START:%Y-%m-%dT%H:%M}Z,7,"]).encode()
    assert len(content) > 17 * 1024 * 1024

    def post(body: bytes, key: str) -> tuple[int, dict[str, object]]:
        answer = office.post(
            "/api/readings?resolution=PT15M", body, content_type="text/csv", headers={"Idempotency-Key": key}
        )
        return answer.status_code, answer.json()

    first = post(content, "k")
    assert (first[0], post(content, "k")) == (202, first)
    assert post(content + b"x", "k")[1]["code"] == "idempotency_key_reused"
    monkeypatch.setattr("meterhall.web.uploads.MOST_BYTES", 10)
    assert post(content, "l")[1]["code"] == "upload_too_large"
    world.work()
    run = IngestRun.objects.get()
    assert (run.rows, run.quarantined, stored()) == (150_001, 0, {(pod, "import"): [7]})


def test_a_run_that_is_tried_after_later_ones_says_so_instead_of_passing_for_done(world: World) -> None:
    pod = world.points()[0].pod
    content = [f"pod,start,energy_wh\n{pod},2026-03-01T00:{n:02}:00Z,{n}\n".encode() for n in (0, 15)]
    first = take_readings(content[0], "PT15M")
    IngestRun.objects.filter(pk=first.pk).update(work_state=WorkState.DEAD)
    take_readings(content[1], "PT15M")
    world.work()
    IngestRun.objects.filter(pk=first.pk).update(work_state=WorkState.PENDING)
    world.work()
    first.refresh_from_db()
    assert (first.problem, stored()) == (TOO_LATE, {(pod, "import"): [15]})
    assert take_readings(content[0], "PT15M").pk != first.pk
    world.work()
    assert stored() == {(pod, "import"): [0, 15]}


def test_what_no_database_can_store_is_set_aside_all_the_same(world: World) -> None:
    pod = world.points()[0].pod
    rows = [
        f"X\0,{START:%Y-%m-%dT%H:%M}Z,1,",
        f"{pod},{START:%Y-%m-%dT%H:%M}Z,x\0,im\0",
        f"{pod},{START},1," + "w" * 500,
    ]
    run = take_readings(("pod,start,energy_wh,direction\n" + "\n".join(rows)).encode(), "PT15M")
    world.work()
    run.refresh_from_db()
    assert (run.problem, run.rows, run.quarantined) == ("", 3, 3)
    assert [row.rule for row in run.quarantine.order_by("row")] == ["P1", "V13", "P2"]


def green_button(pod: str, kinds: dict[int, list[int]]) -> bytes:
    """A feed of hours from 1 March on: a MeterReading for each kind of accumulation, with these values."""

    def entry(own: str, up: str, related: str, content: str) -> str:
        links = "".join(f'<link rel="related" href="{one}"/>' for one in related.split())
        known = "<published>2026-03-02T00:00:00Z</published><updated>2026-03-02T00:00:00Z</updated>"
        return (
            f'<entry><id>urn:uuid:{own}</id><link rel="self" href="{own}"/><link rel="up" href="{up}"/>{links}'
            f"<title/><content>{content}</content>{known}</entry>"
        )

    first, entries = int(START.timestamp()), [entry(f"UsagePoint/{pod}", "UsagePoint", "", "<e:UsagePoint/>")]
    for code, values in kinds.items():
        kind = f"<e:accumulationBehaviour>{code}</e:accumulationBehaviour><e:commodity>1</e:commodity>"
        kind += "<e:flowDirection>1</e:flowDirection><e:uom>72</e:uom>"
        reading = f"UsagePoint/{pod}/MeterReading/{code}"
        rows = "".join(
            f"<e:IntervalReading><e:timePeriod><e:duration>3600</e:duration><e:start>{first + 3600 * hour}</e:start>"
            f"</e:timePeriod><e:value>{value}</e:value></e:IntervalReading>"
            for hour, value in enumerate(values)
        )
        entries += [
            entry(reading, f"UsagePoint/{pod}/MeterReading", f"ReadingType/{code}", "<e:MeterReading/>"),
            entry(f"ReadingType/{code}", "ReadingType", "", f"<e:ReadingType>{kind}</e:ReadingType>"),
            entry(
                f"{reading}/IntervalBlock/1",
                f"{reading}/IntervalBlock",
                "",
                f"<e:IntervalBlock>{rows}</e:IntervalBlock>",
            ),
        ]
    head = '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:e="http://naesb.org/espi">'
    return f"{head}{''.join(entries)}</feed>".encode()


def test_a_register_of_green_button_is_differenced_by_the_rules_of_any_register(world: World) -> None:
    pod = world.points()[0].pod
    content = green_button(pod, {1: [900, 950, 20, 10, 11], 6: [3000]})
    take_readings(content, "PT1H", profile=profile_of({"registers": True, "rollover": "1000"}))
    world.work()
    run = IngestRun.objects.get()
    assert (run.problem, run.rows, run.opening) == ("", 6, 1)
    assert stored() == {(pod, "import"): [50, 70, 1]}
    aside = [(row.rule, row.start_s, row.text) for row in QuarantinedRow.objects.order_by("row")]
    first = int(START.timestamp())
    assert aside == [("V18", first + 3 * 3600, ""), ("V20", first, "value=3000e0; accumulationBehaviour 6 indicating")]
    assert Series.objects.count() == 1


def test_deltas_stay_what_they_are_beside_a_register_and_what_contradicts_is_set_aside(world: World) -> None:
    """The register says 7 for the second hour where the interval says 8: nobody knows which is right."""
    pod = world.points()[0].pod
    take_readings(
        green_button(pod, {4: [5, 8, 9], 1: [100, 107, 116]}), "PT1H", profile=profile_of({"registers": True})
    )
    world.work()
    assert stored() == {(pod, "import"): [5, 9]}
    assert sorted(QuarantinedRow.objects.values_list("row", "rule")) == [(2, "V5"), (5, "V5"), (6, "V4")]


def test_registers_and_deltas_of_a_file_are_told_apart_also_by_disk(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "Gathering", functools.partial(Gathering, in_memory=2))
    one, other = (point.pod for point in world.points(2))
    take_readings(green_button(one, {1: [10, 15, 21]}), "PT1H")
    take_readings(green_button(other, {4: [10, 15, 21]}), "PT1H")
    world.work()
    assert stored() == {(one, "import"): [5, 6], (other, "import"): [10, 15, 21]}
