"""The back office: points and readings in, numbers and masked PODs out; the staff's pages; customers' invitations."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from meterhall.domain.pods import demonstration_pod
from meterhall.domain.protocol.base import Period
from meterhall.lake import Lake
from meterhall.provider.deliveries.promises import at_risk
from meterhall.provider.metering import completeness as completeness_module
from meterhall.provider.metering.completeness import completeness, late
from meterhall.provider.metering.models import IngestRun, Series
from meterhall.provider.metering.service import take_readings
from meterhall.provider.points.models import Occupancy, Point
from meterhall.web.messaging.models import Outbox
from meterhall.web.staff.service import create_staff_key
from tests.platform.provider.conftest import HOLDER, REQUESTER, World
from tests.platform.provider.people import signed_in


@pytest.fixture
def office(world: World) -> Client:
    return Client(headers={"Authorization": f"Bearer {create_staff_key('meters')}"})


def put(office: Client, *points: dict[str, object], key: str = "k1") -> object:
    return office.put(
        "/api/points", json.dumps({"points": points}), content_type="application/json", headers={"Idempotency-Key": key}
    )


def a_point(number: int = 0, **changes: object) -> dict[str, object]:
    pod = demonstration_pod("IT", number).value
    stay = {"holder_reference": HOLDER, "from": "2020-01-01"}
    return {"pod": pod, "zone": "Europe/Rome", "occupancies": [stay], **changes}


def test_points_are_taken_once_and_shown_masked(world: World, office: Client) -> None:
    first = put(office, a_point(0), a_point(1))
    assert (first.status_code, first.json()) == (200, {"created": 2, "updated": 0})  # type: ignore[attr-defined]
    assert put(office, a_point(0), a_point(1)).json() == first.json()  # type: ignore[attr-defined]
    assert put(office, a_point(0, area="Roma"), key="k2").json() == {"created": 0, "updated": 1}  # type: ignore[attr-defined]
    page = office.get("/api/points?limit=1").json()
    assert len(page["items"]) == 1
    rest = office.get(f"/api/points?limit=1&after={page['next']}").json()
    assert {one["pod"] for one in page["items"] + rest["items"]} == {"IT999E•••"}
    assert "next" not in rest
    one = office.get(f"/api/points/{Point.objects.get(area='Roma').handle}").json()
    assert (one["area"], one["holders"]) == ("Roma", 1)
    assert office.get("/api/points/pt_none").json()["code"] == "no_such_point"
    assert Client().get("/api/points").status_code == 401


@pytest.mark.parametrize(
    ("point", "code", "field"),
    [
        (a_point(0, pod="IT999E1"), "pod_bad_length", "/points/1/pod"),
        (a_point(0, zone="Europe/Nowhere"), "bad_zone", "/points/1/zone"),
        (a_point(0, pod="IT001E12345678", sandbox=True), "pod_not_reserved", "/points/1/pod"),
        (a_point(5), "pod_repeated", "/points"),
        (
            a_point(0, occupancies=[{"holder_reference": "a", "from": "2020-01-01", "until": "2020-01-01"}]),
            "empty_stay", "/points/1/occupancies/0/until",
        ),
        (
            a_point(0, occupancies=[{"holder_reference": "b", "from": "2021-01-01"},
                                    {"holder_reference": "a", "from": "2020-01-01"}]),
            "overlapping_holders", "/points/1/occupancies/0",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_named_and_nothing_is_taken(office: Client, point: dict[str, object], code: str, field: str) -> None:
    answer = put(office, a_point(5), point)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, field)  # type: ignore[attr-defined]
    assert not Point.objects.exists()


def test_a_points_stays_are_replaced_as_a_whole_and_kept_when_none_are_given(world: World, office: Client) -> None:
    put(office, a_point(0))
    put(office, a_point(0, occupancies=[]), key="k2")
    assert Occupancy.objects.count() == 1
    stays = [
        {"holder_reference": "n", "from": "2026-01-01"},
        {"holder_reference": HOLDER, "from": "2020-01-01", "until": "2026-01-01"},
    ]
    put(office, a_point(0, occupancies=stays), key="k3")
    assert set(Occupancy.objects.values_list("holder_reference", flat=True)) == {"n", HOLDER}
    assert put(office, a_point(0, sandbox=True), key="k4").json()["code"] == "sandbox_fixed"  # type: ignore[attr-defined]


def test_where_a_point_is_and_its_meters_come_in_and_do_not_go_out(world: World, office: Client) -> None:
    hung = [
        {"number": "M-1", "from": "2020-01-01", "until": "2024-05-02"},
        {"number": "M-2", "from": "2024-05-02"},
    ]
    place = {"postal_code": "00184", "municipality": "Roma", "address": "Via Demo 1"}
    put(office, a_point(0, area="10YIT", meters=hung, **place))
    point = Point.objects.get()
    shown = office.get(f"/api/points/{point.handle}").json()
    assert (shown["postal_code"], shown["municipality"], shown["meters"]) == ("00184", "Roma", 2)
    assert not {"Via Demo 1", "M-1", "M-2"} & set(map(str, shown.values()))
    put(office, a_point(0, area=""), key="k2")
    point.refresh_from_db()
    assert (point.area, point.address, point.meters.count()) == ("", "Via Demo 1", 2)
    twice = [{"number": "M-1", "from": "2020-01-01"}, {"number": "M-2", "from": "2024-05-02"}]
    refused = put(office, a_point(0, meters=twice), key="k3").json()  # type: ignore[attr-defined]
    assert (refused["code"], refused["field"]) == ("overlapping_meters", "/points/0/meters/1")


def upload(office: Client, content: str, resolution: str = "PT15M", key: str = "r1") -> object:
    return office.post(
        f"/api/readings?resolution={resolution}", content, content_type="text/csv", headers={"Idempotency-Key": key}
    )


def test_every_row_is_stored_or_set_aside_with_its_rule(world: World, office: Client) -> None:
    put(office, a_point(0), a_point(1))
    mine, other, unknown = (demonstration_pod("IT", number).value for number in (0, 1, 2))
    Series.objects.create(point=Point.objects.get(pod=other), resolution_s=3600)
    rows = [
        f"{mine},2026-03-01T00:00:00Z,100,import",
        f"{mine.lower()},2026-03-01T00:15:00+00:00,,import",
        f"{mine},2026-03-01T00:17:00Z,100,import",
        f"{mine},2026-03-01T00:30:00Z,100,sideways",
        f"{other},2026-03-01T00:00:00Z,100,import",
        f"{unknown},2026-03-01T00:00:00Z,100,import",
        "nonsense,2026-03-01T00:00:00Z,100,import",
    ]
    text = "\n".join(["pod,start,energy_wh,direction", *rows])
    run = upload(office, text).json()  # type: ignore[attr-defined]
    assert run["state"] == "working"
    world.work()
    done = office.get(f"/api/readings/{run['run']}").json()
    assert (done["state"], done["rows"], done["quarantined"]) == ("done", 7, 5)
    aside = office.get(f"/api/readings/{run['run']}/quarantine").json()["items"]
    rules = {one["row"]: one["rule"] for one in aside}
    assert {row: rules[row] for row in (4, 6, 7)} == {4: "P2", 6: "P1", 7: "P1"}
    assert (rules[2], set(rules)) == ("V3", {2, 3, 4, 6, 7})
    measured = Series.objects.filter(point__pod=other).values_list("resolution_s", "first_day")
    assert list(measured.order_by("resolution_s")) == [(900, date(2026, 3, 1)), (3600, None)], "each of its own"
    assert office.get("/api/readings").json()["items"][0]["run"] == run["run"]
    assert office.get("/api/readings/999").json()["code"] == "unknown_run"


def test_the_same_file_is_one_run_until_what_was_wrong_is_right(world: World, office: Client) -> None:
    pod = demonstration_pod("IT", 0).value
    text = f"pod,start,energy_wh\n{pod},2026-03-01T00:00:00Z,100"
    first = take_readings(text.encode(), "PT15M")
    assert take_readings(text.encode(), "PT15M").pk == first.pk
    world.work()
    put(office, a_point(0))
    again = take_readings(text.encode(), "PT15M")
    assert again.pk != first.pk
    world.work()
    again.refresh_from_db()
    assert (again.quarantined, again.days_written) == (0, 1)
    assert take_readings(text.encode(), "PT15M").pk == again.pk
    assert Series.objects.get().first_day == date(2026, 3, 1)


def test_a_file_that_is_none_is_refused_with_the_reason(world: World, office: Client) -> None:
    run = upload(office, "a,b\n1,2").json()  # type: ignore[attr-defined]
    world.work()
    found = office.get(f"/api/readings/{run['run']}").json()
    assert (found["state"], found["problem"]) == ("refused", "There is no column pod.")
    assert upload(office, "x", "PT7M", key="r2").json()["code"] == "unknown_granularity"  # type: ignore[attr-defined]
    assert upload(office, "x", "P1W", key="r3").json()["field"] == "/resolution"  # type: ignore[attr-defined]


def test_completeness_counts_series_with_every_value_of_a_day_in_their_zone(world: World, office: Client) -> None:
    points = world.points(3)
    world.readings(points, date(2026, 3, 29), date(2026, 3, 31))  # UTC: in Rome until 2 o'clock on the 31st
    world.readings(points[:2], date(2026, 3, 31), date(2026, 4, 1))
    days = {one.day: (one.series, one.complete) for one in completeness(4)}
    assert days[date(2026, 3, 31)] == (3, 2)
    assert days[date(2026, 3, 30)] == (3, 3)
    assert days[date(2026, 3, 29)] == (3, 0), "its first hour was on the 28th of UTC"
    assert days[date(2026, 3, 28)] == (0, 0)
    missing = [(one.present, one.expected) for one in late(date(2026, 3, 29), 10)]
    assert missing == [(88, 92)] * 3, "a day of 23 hours"
    assert office.get("/api/readings/completeness?days=1").json()["days"][0]["complete"] == 2
    for days in (0, -1, 32):
        refused = office.get(f"/api/readings/completeness?days={days}")
        assert (refused.status_code, refused.json()["field"]) == (422, "/days")


def test_looking_for_the_late_reads_nothing_of_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    day = date(2026, 3, 10)
    points = world.points(9)
    world.readings(points, day - timedelta(days=1), day)
    world.readings([*points[:4], *points[5:]], day, day + timedelta(days=1))
    monkeypatch.setattr(completeness_module, "AT_ONCE", 4)
    monkeypatch.setattr(completeness_module, "PARTS", 1)
    came_back: list[dict[int, int]] = []
    lacking = Lake.lacking

    def noted(lake: Lake, *given: Any) -> dict[int, int]:
        came_back.append(lacking(lake, *given))
        return came_back[-1]

    def read(*_given: object, **_more: object) -> None:
        raise AssertionError("no value is needed to know how many there are")

    monkeypatch.setattr(Lake, "lacking", noted)
    monkeypatch.setattr(Lake, "read", read)
    with django_assert_max_num_queries(5):
        [found] = late(day, 10)
    assert (found.point.pk, found.present) == (points[4].pk, 4), "its first hour, which is of the day before in UTC"
    assert [len(one) for one in came_back] == [1], "of nine series one came back, asked about together"
    monkeypatch.setattr(completeness_module, "PARTS", 9)
    came_back.clear()
    assert len(late(day, 10)) == 1
    assert [len(one) for one in came_back] == [0, 1, 0], "so many at a time, and no more"


def test_lists_of_contracts_activations_deliveries_and_consents(world: World, office: Client) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 3, 1), date(2026, 3, 2))
    activation = world.activated(points)
    delivery = world.deliver(activation, period=Period(first=date(2026, 3, 1), until=date(2026, 3, 3)))
    [contract] = office.get("/api/contracts").json()["items"]
    assert (contract["state"], contract["requester"]) == ("active", REQUESTER)
    assert office.get("/api/contracts?state=quit").json()["items"] == []
    assert office.get("/api/contracts/sub_x").json()["code"] == "unknown_contract"
    [one] = office.get("/api/activations").json()["items"]
    assert (one["accepted"], one["pending"], one["activation_id"]) == (2, 0, activation.pk)
    items = office.get(f"/api/activations/{activation.pk}/items").json()["items"]
    assert {item["pod"] for item in items} == {"IT999E•••"}
    [made] = office.get("/api/deliveries").json()["items"]
    assert (made["delivery_id"], made["readings"], made["missing"] > 0) == (delivery.pk, 2 * 96, True)
    [counts] = office.get("/api/consents/counts").json()["requesters"]
    assert (counts["states"], counts["points"]) == ({"granted": 1}, 2)
    everything = json.dumps(
        [office.get(f"/api/{name}").json() for name in ("contracts", "activations", "deliveries", "points")]
    )
    assert not any(point.pod in everything for point in points)


def test_customers_are_invited_by_their_reference_only(world: World, office: Client) -> None:
    world.points(1)
    body = {"email": "ada@example.org", "name": "Ada", "holder_reference": HOLDER}

    def invite(key: str, **changes: str) -> object:
        return office.post(
            "/api/customers/invitations", json.dumps(body | changes), content_type="application/json",
            headers={"Idempotency-Key": key},
        )  # fmt: skip

    answer = invite("i1")
    assert answer.status_code == 201  # type: ignore[attr-defined]
    assert answer.json()["link"].startswith(world.home.config.portal_base_url + "/account/link?")  # type: ignore[attr-defined]
    assert invite("i2", holder_reference="nobody").json()["code"] == "unknown_holder"  # type: ignore[attr-defined]
    assert invite("i3", email="nonsense").json()["code"] == "bad_email"  # type: ignore[attr-defined]


def dead(world: World) -> Outbox:
    return Outbox.objects.create(
        id="evt_" + 24 * "a", kind="event", recipient=REQUESTER, type="delivery.ready", body="{}",
        created_at=world.clock(), work_state="dead", attempts=350, last_error="RemoteUnreachable: x",
    )  # fmt: skip


def test_dead_letters_are_listed_and_sent_again(world: World, office: Client) -> None:
    letter = dead(world)
    assert office.get("/api/dead-letters").json()["items"][0]["error"] == "RemoteUnreachable: x"
    path = f"/api/dead-letters/{letter.pk}/redelivery"
    assert office.post(path, headers={"Idempotency-Key": "d1"}).status_code == 202
    nobody = office.post("/api/dead-letters/evt_0/redelivery", headers={"Idempotency-Key": "d2"})
    assert nobody.json()["code"] == "no_dead_letter"
    letter.refresh_from_db()
    assert (letter.work_state, letter.attempts) == ("pending", 0)


def test_the_staffs_pages_show_monday_and_lead_on(world: World) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 3, 1), date(2026, 3, 2))
    take_readings(b"pod,start,energy_wh\nIT001E12345678,2026-03-01T00:00:00Z,1", "PT15M")
    world.work()
    activation = world.activated(points)
    delivery = world.deliver(activation, period=Period(first=date(2026, 3, 1), until=date(2026, 3, 3)))
    letter = dead(world)
    staff = signed_in("staff")
    assert staff.get("/").headers["Location"] == "/today"
    page = staff.get("/today").content.decode()
    for words in ("What came in", "What is late", "Who waits", "What was delivered", "Promises at risk", delivery.pk):
        assert words in page
    run = IngestRun.objects.latest("pk")
    assert "No such metering point is registered." in staff.get(f"/files/{run.pk}").content.decode()
    for url in (
        "/activations",
        f"/activations/{activation.pk}",
        "/deliveries",
        f"/deliveries/{delivery.pk}",
        "/contracts",
    ):
        shown = staff.get(url)
        assert shown.status_code == 200, url
        assert not any(point.pod in shown.content.decode() for point in points), "PODs are masked"
    assert "1 laid aside" in page
    assert staff.post(f"/failing-work/{letter.pk}/redelivery").status_code == 302
    letter.refresh_from_db()
    assert letter.work_state == "pending"
    assert signed_in("auditor").post(f"/failing-work/{letter.pk}/redelivery").status_code == 403
    assert staff.get("/deliveries?export=csv").content.decode().count(delivery.pk) == 1
    assert staff.get("/offers").status_code == 200
    assert staff.get("/certificate").status_code == 200
    assert staff.get("/files/9999").status_code == 404


def test_each_role_sees_its_own_pages_only(world: World) -> None:
    customer = signed_in("customer", holder=HOLDER)
    for url in ("/today", "/activations", "/deliveries", "/contracts", "/offers", "/customers/invitation"):
        assert customer.get(url).status_code == 403, url
    assert signed_in("staff").get("/consents").status_code == 403
    for url in ("/today", "/consents", "/contracts", "/"):
        assert Client().get(url).status_code == 302, url


def test_the_invitation_page(world: World) -> None:
    world.points(1)
    staff = signed_in("staff")
    form = {"email": "ada@example.org", "name": "Ada", "holder_reference": HOLDER}
    assert "/account/link?" in staff.post("/customers/invitation", form).content.decode()
    refused = staff.post("/customers/invitation", form | {"holder_reference": "nobody"}).content.decode()
    assert "Nobody of this reference" in refused


def test_a_promise_nearly_broken_is_at_risk(world: World) -> None:
    [point] = world.points(1)
    subscription = world.contract()
    activation = world.activate(subscription, [(point.pod, "ask_customer")])
    type(activation).objects.update(state="requested")
    assert at_risk() == []
    world.clock.now += timedelta(seconds=70_000)
    assert [risk.subject for risk in at_risk()] == [activation.pk]


def test_a_file_that_was_read_by_a_worker_killed_right_after_is_done(world: World, office: Client) -> None:
    put(office, a_point(0))
    pod = demonstration_pod("IT", 0).value
    run = take_readings(f"pod,start,energy_wh\n{pod},2026-03-01T00:00:00Z,100".encode(), "PT15M")
    world.work()
    IngestRun.objects.update(work_state="pending", leased_until=None)
    world.work()
    run.refresh_from_db()
    assert (run.work_state, run.last_error, run.days_written) == ("done", "", 1)


def test_what_was_known_of_a_point_at_an_instant_can_be_asked(world: World, office: Client) -> None:
    point = world.points(1)[0]
    world.readings([point], date(2026, 2, 28), date(2026, 3, 3), wh=100)
    take_readings(f"pod,start,energy_wh\n{point.pod},2026-03-01,9000\n{point.pod},2026-03-02,9001".encode(), "P1D")
    world.work()
    between = world.clock() + timedelta(hours=1)
    world.clock.now = between + timedelta(hours=1)
    world.readings([point], date(2026, 3, 1), date(2026, 3, 2), wh=777)

    def told(**more: str) -> dict[str, list[str]]:
        answer = office.get(
            f"/api/points/{point.handle}/readings", {"from": "2026-03-01", "until": "2026-03-02", **more}
        )
        assert answer.status_code == 200, answer.json()
        series = answer.json()["series"]
        assert {one["direction"] for one in series} == {"import"}
        return {one["resolution"]: [value["energy_wh"] for value in one["values"]] for one in series}

    now, then = told(), told(known_at=between.isoformat())
    assert now["P1D"] == then["P1D"] == ["9000"], "each series for itself"
    assert (len(now["PT15M"]), len(then["PT15M"])) == (96, 96)
    assert (now["PT15M"][4:8], then["PT15M"][4:8]) == (["777", "778", "779", "780"], ["100", "101", "102", "103"])
    assert now["PT15M"][:4] == then["PT15M"][:4], "the first hour in Rome is of the UTC day before"
    assert told(known_at="2020-01-01T00:00:00Z") == {"P1D": [], "PT15M": []}


def test_what_is_known_of_a_point_is_told_in_every_direction(world: World, office: Client) -> None:
    point = world.points(1)[0]
    for direction, wh in (("import", 5), ("export", 7), ("net", -2)):
        lines = f"pod,start,energy_wh,direction\n{point.pod},2026-03-01T00:00:00Z,{wh},{direction}\n"
        take_readings(lines.encode(), "PT15M")
    world.work()
    answer = office.get(f"/api/points/{point.handle}/readings", {"from": "2026-03-01", "until": "2026-03-02"})
    assert answer.status_code == 200, answer.json()
    told = {one["direction"]: [value["energy_wh"] for value in one["values"]] for one in answer.json()["series"]}
    assert told == {"import": ["5"], "export": ["7"], "net": ["-2"]}


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"from": "2026-03-02", "until": "2026-03-02"}, "period_empty", "/until"),
        ({"from": "2026-03-02", "until": "2026-05-02"}, "invalid_input", "/until"),
        ({"from": "0001-01-01", "until": "0001-01-02"}, "invalid_input", "/from"),
        ({"from": "9999-12-30", "until": "9999-12-31"}, "invalid_input", "/from"),
        ({"from": "yesterday", "until": "2026-05-02"}, "invalid_input", "/from"),
        ({"from": "2026-03-02", "until": "2026-03-03", "known_at": "2026-03-02 12:00"}, "invalid_input", "/known_at"),
    ],
)
def test_a_fault_in_what_is_asked_of_a_point_is_named(
    world: World, office: Client, asked: dict[str, str], code: str, field: str
) -> None:
    answer = office.get(f"/api/points/{world.points(1)[0].handle}/readings", asked)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, field)
