"""Rows set aside: what they said is kept, and somebody who looked into them lets them in or keeps them out for good."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from meterhall.domain.readings import MISSING, Quality
from meterhall.lake import Lake
from meterhall.provider.metering import working
from meterhall.provider.metering.models import Decision, IngestRun, QuarantinedRow, Series
from meterhall.provider.metering.release import NotReleasable, OneSlotTwice, carry_out, decide
from meterhall.provider.metering.service import lake, spec, take_readings
from meterhall.web.staff.service import create_staff_key
from tests.platform.provider.conftest import World
from tests.platform.provider.people import signed_in

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, tzinfo=UTC)
SPIKE_AT = 40
SPIKE_ROW = SPIKE_AT + 1


@pytest.fixture
def office(world: World) -> Client:
    return Client(headers={"Authorization": f"Bearer {create_staff_key('meters')}"})


def hand_in(world: World, values: dict[int, object], pod: str = "", more: str = "") -> IngestRun:
    """A file of quarter-hours of the first point, worked in; `values` by the number of the slot."""
    pod = pod or Series.objects.get().point.pod
    lines = [f"{pod},{(START + slot * timedelta(minutes=15)).isoformat()},{value}" for slot, value in values.items()]
    run = take_readings(("pod,start,energy_wh\n" + "\n".join(lines) + more).encode(), "PT15M")
    world.work()
    run.refresh_from_db()
    return run


def a_spike(world: World) -> IngestRun:
    pod = world.points()[0].pod
    return hand_in(world, {slot: 65_535 if slot == SPIKE_AT else 100 + slot % 7 for slot in range(96)}, pod)


def stored(slot: int) -> tuple[int | None, int]:
    start = START + slot * timedelta(minutes=15)
    block = next(iter(lake().read([spec(Series.objects.get())], start, start + timedelta(minutes=15))))
    value = int(block.mantissas[0])
    return (None if value == MISSING else value), int(block.quality[0])


def post(office: Client, run: IngestRun, what: str, key: str = "k", **body: object) -> dict[str, object]:
    answer = office.post(
        f"/api/readings/{run.pk}/{what}", json.dumps(body), content_type="application/json",
        headers={"Idempotency-Key": key},
    )  # fmt: skip
    return {"status": answer.status_code} | answer.json()


def rows_of(office: Client, run: IngestRun, query: str = "") -> list[dict[str, object]]:
    found: list[dict[str, object]] = office.get(f"/api/readings/{run.pk}/quarantine{query}").json()["items"]
    return found


def test_a_spike_is_held_with_what_it_said_and_enters_when_it_is_released(world: World, office: Client) -> None:
    run = a_spike(world)
    assert (run.rows, run.quarantined, stored(SPIKE_AT)[0]) == (96, 1, None)
    held = rows_of(office, run, "?state=held")
    said = {
        "row": SPIKE_ROW,
        "rule": "V10",
        "direction": "import",
        "start": "2026-03-01T10:00:00Z",
        "energy_wh": "65535",
    }
    assert held[0].items() >= (said | {"state": "held"}).items()
    answer = post(office, run, "release", rule="V10", reason="A new furnace")
    assert (answer["status"], answer["state"], answer["by"], answer["rows"]) == (202, "working", "staff:meters", 1)
    world.work()
    assert stored(SPIKE_AT) == (65_535, Quality.VALIDATED)
    assert rows_of(office, run)[0].items() >= {"state": "released", "decided_by": "staff:meters"}.items()
    assert rows_of(office, run, "?state=held") == []
    assert Decision.objects.get().reason == "A new furnace"


def test_deciding_the_same_again_changes_nothing(world: World, office: Client) -> None:
    run = a_spike(world)
    first = decide(run, releases=True, by="a", rule="V10")
    assert decide(run, releases=True, by="b", rule="V10").pk == first.pk
    world.work()
    assert decide(run, releases=True, by="b", rows=[SPIKE_ROW]).pk == first.pk
    assert post(office, run, "refusal", rule="V10")["code"] == "nothing_held"
    assert post(office, run, "release", key="x")["field"] == "/rows"
    assert post(office, run, "release", key="y", rule="V11")["code"] == "nothing_held"


def test_a_crash_after_the_lakes_commit_neither_loses_nor_doubts_a_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_spike(world)
    decision = decide(run, releases=True, by="a", rule="V10")
    put = Lake.put

    def killed(self: Lake, *given: object, **more: object) -> None:
        put(self, *given, **more)  # type: ignore[arg-type]
        raise OSError("killed")

    monkeypatch.setattr(Lake, "put", killed)
    with pytest.raises(OSError, match="killed"):
        carry_out(decision)
    assert QuarantinedRow.objects.get().state == "releasing"
    monkeypatch.setattr(Lake, "put", put)
    world.work()
    assert QuarantinedRow.objects.get().state == "released"
    decision.refresh_from_db()
    assert (decision.work_state, stored(SPIKE_AT)[0]) == ("done", 65_535)


def test_a_slot_that_got_another_value_meanwhile_keeps_it(world: World, office: Client) -> None:
    run = a_spike(world)
    hand_in(world, {SPIKE_AT: 120})
    assert post(office, run, "release", rows=[SPIKE_ROW])["status"] == 202
    world.work()
    assert (stored(SPIKE_AT)[0], rows_of(office, run)[0]["state"]) == (120, "overtaken")


def test_of_two_values_for_one_slot_the_right_one_is_named(world: World) -> None:
    pod = world.points()[0].pod
    run = hand_in(world, {0: 100, 1: 200}, pod, more=f"\n{pod},{START.isoformat()},300")
    assert {row.row: row.rule for row in run.quarantine.all()} == {1: "V5", 3: "V5"}
    with pytest.raises(OneSlotTwice):
        decide(run, releases=True, by="a", rule="V5")
    decide(run, releases=True, by="a", rows=[3])
    world.work()
    assert stored(0)[0] == 300
    decide(run, releases=True, by="a", rows=[1])
    world.work()
    assert {row.row: row.state for row in run.quarantine.all()} == {1: "overtaken", 3: "released"}
    assert stored(0)[0] == 300


def test_what_cannot_be_kept_is_not_released_but_may_be_refused(world: World, office: Client) -> None:
    pod = world.points()[0].pod
    run = hand_in(world, {0: -5, 1: "", 2: "x", 3: 7.5}, pod)
    assert [row["rule"] for row in rows_of(office, run)] == ["V13", "V14", "V1", "V3"]
    for rule in ("V1", "V3", "V13", "V14"):
        with pytest.raises(NotReleasable):
            decide(run, releases=True, by="a", rule=rule)
    told = {row["rule"]: row for row in rows_of(office, run)}
    assert (told["V13"]["text"], told["V14"]["amount"]) == ("start=2026-03-01T00:30:00+00:00; energy_wh=x", "75e-1 Wh")
    assert post(office, run, "refusal", rule="V1")["refused"] == 1
    assert {row["rule"]: row["state"] for row in rows_of(office, run)}["V1"] == "refused"
    assert stored(0)[0] is None


def test_estimated_values_stay_estimated_when_they_are_released(world: World) -> None:
    pod = world.points()[0].pod
    lines = [f"{pod},{(START + n * timedelta(minutes=15)).isoformat()},250,{8 if n else 10}" for n in range(96)]
    run = take_readings(("pod,start,energy_wh,quality\n" + "\n".join(lines)).encode(), "PT15M")
    world.work()
    assert set(run.quarantine.values_list("rule", flat=True)) == {"V11"}
    decide(run, releases=True, by="a", rule="V11")
    world.work()
    assert (stored(0), stored(1)) == ((250, Quality.VALIDATED), (250, Quality.ESTIMATED_REFERENCE_DAY))


def test_the_page_of_a_file_lets_staff_decide_and_auditors_read(world: World) -> None:
    run = a_spike(world)
    staff, auditor = signed_in("staff"), signed_in("auditor")
    page = staff.get(f"/files/{run.pk}").content.decode()
    assert f'action="/files/{run.pk}/release"' in page
    assert f"?row={SPIKE_ROW}" in page
    assert f'action="/files/{run.pk}/release"' not in auditor.get(f"/files/{run.pk}").content.decode()
    assert auditor.post(f"/files/{run.pk}/release", {"rule": "V10"}).status_code == 403
    narrowed = staff.get(f"/files/{run.pk}?row={SPIKE_ROW}").content.decode()
    assert f'<input type="hidden" name="row" value="{SPIKE_ROW}">' in narrowed
    answer = staff.post(
        f"/files/{run.pk}/release", {"rule": "V10", "row": str(SPIKE_ROW), "reason": "Seen"}, follow=True
    )
    assert "They enter the lake in a moment." in answer.content.decode()
    world.work()
    assert (stored(SPIKE_AT)[0], Decision.objects.get().by) == (65_535, "staff-@example.org")
    again = staff.post(f"/files/{run.pk}/refusal", {"rule": "V10", "reason": "Late"}, follow=True).content.decode()
    assert "None of these rows can be decided about any more." in again
    assert "released" in again
    assert run.quarantine.get().decision is not None
    assert "staff-@example.org" in again


def test_more_rows_than_are_listed_keep_the_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meterhall.provider.metering.held.MOST_LISTED", 3)
    pod = world.points()[0].pod
    values = dict.fromkeys(range(5), -1)
    run = hand_in(world, dict(values), pod)
    assert (run.quarantined, run.unlisted, run.quarantine.count()) == (5, 2, 3)
    assert (working.ingest_folder() / run.file).exists()
    again = hand_in(world, dict(values), pod)
    assert again.pk != run.pk, "a file that was kept is worth another try"
