"""The back office: what it asks for, what it reads, and how it is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.http.response import HttpResponse
from django.test import Client

from meterhall.domain.pods.sandbox import demonstration_pod
from meterhall.domain.protocol.base import Period
from meterhall.domain.readings import CIVIL_DAY, MISSING, CivilCurve, CivilSeries, midnight
from meterhall.domain.readings.resampling import slot_edges
from meterhall.requester.activations.models import Activation, ActivationItem
from meterhall.requester.collection.models import CivilValue, Series
from meterhall.requester.customers.models import CustomerPoint
from meterhall.requester.partners.models import Subscription
from meterhall.web.platform import Platform
from meterhall.web.staff.service import create_staff_key

from .conftest import FIRST, GROUP, PODS, PSEUDONYMS, UNTIL, Clock, Enter, GridDouble, curve, ready, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(eso: Platform) -> Client:
    return Client(headers={"Authorization": f"Bearer {create_staff_key('erp')}"})


def post(staff: Client, path: str, body: dict[str, Any], key: str = "k1", method: str = "post") -> HttpResponse:
    call = getattr(staff, method)
    answer: HttpResponse = call(f"/api{path}", body, "application/json", headers={"Idempotency-Key": key})
    return answer


def test_only_our_own_machines_get_in(eso: Platform) -> None:
    answer = Client().get("/api/deliveries")
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_staff_key")


def test_an_activation_is_made_listed_and_answered_once_a_key(
    staff: Client, subscription: Subscription, grid: GridDouble
) -> None:
    scope = {"granularities": ["PT15M"], "period": {"from": str(FIRST), "until": str(UNTIL)}}
    body = {"subscription_id": subscription.subscription_id, "scope": scope, "items": [{"pod": PODS[0]}]}
    first, again = post(staff, "/activations", body), post(staff, "/activations", body)
    assert first.status_code == again.status_code == 202
    assert again["Idempotent-Replayed"] == "true"
    grid.answers = [{"pod": PODS[0], "state": "refused", "code": "pod_unknown", "detail": "No such POD."}]
    work()
    number = first.json()["id"]
    work()
    Activation.objects.update(work_state="pending")
    work()
    (item,) = staff.get(f"/api/activations/{number}/answers").json()["items"]
    assert (item["state"], item["code"]) == ("refused", "pod_unknown")
    assert [one["refused"] for one in staff.get("/api/activations").json()["items"]] == [1]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/activations", {"subscription_id": "sub_1", "scope": {"granularities": ["PT15M"]}, "items": []}, "/items"),
        ("/data-requests", {"activation": 1, "granularity": "PT7M"}, "/period"),
        ("/data-requests", {"activation": 1, "granularity": "PT1H", "compression": "lz4"}, "/compression"),
        ("/customers", {"lines": [{"reference": "A"}]}, "/lines/0/pod"),
    ],
)
def test_bad_input_names_its_fields(staff: Client, path: str, body: dict[str, Any], field: str) -> None:
    answer = post(staff, path, body)
    assert answer.status_code == 422
    assert any(error["field"].endswith(field) for error in answer.json()["errors"])


def test_data_is_requested_and_its_refusal_shown(staff: Client, activation: Activation, grid: GridDouble) -> None:
    grid.refusals["/data-requests"] = (422, "group_too_small")
    period = {"from": str(FIRST), "until": str(UNTIL)}
    body = {"activation": activation.pk, "period": period, "granularity": "PT15M", "group": True}
    number = post(staff, "/data-requests", body).json()["id"]
    work()
    answer = staff.get(f"/api/data-requests/{number}").json()
    assert (answer["state"], answer["code"]) == ("refused", "group_too_small")


@pytest.fixture
def collected(staff: Client, activation: Activation, grid: GridDouble, delivery_id: str) -> str:
    grid.publish({1: [curve(gaps=(4,)), curve(PSEUDONYMS[1])]}, delivery_id)
    ready(delivery_id)
    return delivery_id


def test_deliveries_are_listed_with_their_state(staff: Client, collected: str) -> None:
    (listed,) = staff.get("/api/deliveries").json()["items"]
    shown = staff.get(f"/api/deliveries/{collected}").json()
    assert listed == shown
    assert (shown["state"], shown["readings"], shown["missing"]) == ("received", 567, 1)
    assert shown["receipted_at"]
    assert staff.get(f"/api/deliveries/dlv_{'0' * 24}").json()["code"] == "unknown_delivery"


def readings(staff: Client, pseudonym: str, **query: str) -> Any:
    return staff.get(f"/api/readings/{pseudonym}", query).json()


def test_readings_of_a_pseudonym(staff: Client, collected: str) -> None:
    days = {"first": str(FIRST), "until": str(UNTIL)}
    answer = readings(staff, PSEUDONYMS[0], **days)
    assert (answer["zone"], answer["granularity"], len(answer["values"])) == ("Europe/Rome", "PT15M", 284)
    assert answer["values"][:6] == [100, 101, 102, 103, None, 105]
    hourly = readings(staff, PSEUDONYMS[0], granularity="PT1H", **days)
    assert hourly["values"][:3] == [406, None, 438]
    daily = readings(staff, PSEUDONYMS[0], granularity="P1D", **days)
    lengths = np.diff([datetime.fromisoformat(edge).timestamp() for edge in daily["edges"]])
    assert (lengths / 3600).tolist() == [24, 23, 24]


def test_without_bounds_all_civil_days_there_are(staff: Client, collected: str) -> None:
    answer = readings(staff, PSEUDONYMS[0])
    assert len(answer["values"]) == 284
    assert answer["edges"][0] == "2025-03-28T23:00:00Z"


def test_readings_as_a_table(staff: Client, collected: str) -> None:
    query = {"format": "csv", "first": "2025-03-30", "until": "2025-03-31", "granularity": "PT1H"}
    answer = staff.get(f"/api/readings/{PSEUDONYMS[1]}", query)
    lines = answer.content.decode().splitlines()
    assert lines[0] == "start,end,energy_wh,quality,values_present,values_expected"
    assert len(lines) == 24
    assert lines[3].startswith("2025-03-30T03:00:00+02:00,2025-03-30T04:00:00+02:00,")


def test_completeness_by_civil_day(staff: Client, collected: str) -> None:
    answer = staff.get(f"/api/readings/{PSEUDONYMS[0]}/completeness", {"first": str(FIRST), "until": str(UNTIL)})
    assert [(day["present"], day["expected"]) for day in answer.json()] == [(95, 96), (92, 92), (96, 96)]


def test_readings_of_a_customers_line(staff: Client, collected: str) -> None:
    point = CustomerPoint.objects.create(reference="A-1", pod=PODS[0])
    answer = staff.get(f"/api/customers/{point.pk}/readings", {"first": str(FIRST), "until": str(UNTIL)})
    assert answer.json()["pseudonyms"] == [PSEUDONYMS[0]]


def test_a_new_consent_continues_the_curve(
    staff: Client, activation: Activation, grid: GridDouble, collected: str
) -> None:
    renewed = "55555555-5555-5555-8555-555555555555"
    ActivationItem.objects.create(activation=activation, position=2, place=2, pod=PODS[0], pseudonym=renewed)
    following = curve(renewed, 5000)
    other = "dlv_" + "e" * 24
    grid.publish({1: [following]}, other)
    ready(other)
    days = {"first": str(FIRST), "until": str(UNTIL)}
    answer = readings(staff, PSEUDONYMS[0], **days)
    assert answer["pseudonyms"] == [PSEUDONYMS[0], renewed]
    assert answer["values"][:5] == [5000, 5001, 5002, 5003, 5004]


def test_civil_days_are_kept_and_corrected(
    staff: Client, activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    edges = np.array([int(datetime(2025, 3, 28 + day, 23, tzinfo=UTC).timestamp()) for day in range(2)], np.int64)
    edges = np.append(edges, [edges[-1] + 23 * 3600, edges[-1] + 47 * 3600])
    for version, values in ((1, [10, 20, 30]), (2, [10, 21, 30])):
        daily = CivilCurve(
            CivilSeries(PSEUDONYMS[0], CIVIL_DAY), edges, np.array(values), np.zeros(3, np.uint8),
            datetime(2025, 4, 2, tzinfo=UTC),
        )  # fmt: skip
        grid.publish({version: [daily]}, delivery_id, version=version, granularity="P1D")  # type: ignore[list-item]
        assert ready(delivery_id, version).state == "received"
    days = {"first": str(FIRST), "until": str(UNTIL)}
    assert readings(staff, PSEUDONYMS[0], **days)["values"] == [10, 21, 30]
    first = CivilValue.objects.earliest("known_at").known_at.isoformat()
    corrected = CivilValue.objects.latest("known_at").known_at.isoformat()
    assert readings(staff, PSEUDONYMS[0], known_at=first, **days)["values"] == [10, 20, 30]
    assert readings(staff, PSEUDONYMS[0], known_at=corrected, **days)["values"] == [10, 21, 30]
    assert CivilValue.objects.count() == 4


def test_the_days_that_are_held_grow_both_ways_and_never_shrink(
    staff: Client, activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    whole = curve()
    held = []
    for version, (first, until) in enumerate([(96, 188), (100, 104), (0, 4), (280, 284)], 1):
        start = whole.start + first * whole.series.resolution
        cut = replace(whole, start=start, mantissas=whole.mantissas[first:until], quality=whole.quality[first:until])
        grid.publish({version: [cut]}, delivery_id, version=version)
        assert ready(delivery_id, version).state == "received"
        (series,) = staff.get("/api/series").json()["items"]
        held.append((series["first_day"][-2:], series["until_day"][-2:]))
    assert held == [("30", "31"), ("30", "31"), ("29", "31"), ("29", "01")]


def test_readings_as_they_were_known_before_a_correction(
    staff: Client, collected: str, grid: GridDouble, clock: Clock
) -> None:
    point = CustomerPoint.objects.create(reference="A-1", pod=PODS[0])
    before, clock.ahead = clock(), timedelta(minutes=2)
    corrected = curve(gaps=(4,))
    corrected.mantissas[3] = 7
    grid.publish({2: [corrected], 3: [curve(PSEUDONYMS[1])]}, collected, version=2, reason="correction")
    assert ready(collected, 2).state == "received"

    def known(at: str | None) -> list[int | None]:
        query = {} if at is None else {"known_at": at}
        one, other = (
            staff.get(path, query).json()
            for path in (f"/api/readings/{PSEUDONYMS[0]}", f"/api/customers/{point.pk}/readings")
        )
        assert one == other
        values: list[int | None] = one["values"][:5]
        return values

    assert known(None) == known(clock().isoformat()) == [100, 101, 102, 7, None]
    assert known((before + timedelta(minutes=1)).isoformat()) == [100, 101, 102, 103, None]
    assert known("2020-01-01T00:00:00Z") == [None] * 5
    for unread in ("yesterday", "2020-01-01T00:00:00", "2020-01-01"):
        answer = readings(staff, PSEUDONYMS[0], known_at=unread)
        assert (answer["status"], answer["code"], answer["field"]) == (422, "invalid_input", "/known_at")


def test_weeks_and_months_are_made_of_the_days_that_are_held(
    enter: Enter, staff: Client, activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    """From a Monday to a Monday two weeks on, in which the clock changes; the first of April is missing."""
    zone, first, until = ZoneInfo("Europe/Rome"), date(2025, 3, 24), date(2025, 4, 7)
    edges = slot_edges(CIVIL_DAY, zone, midnight(zone, first), midnight(zone, until))
    values = np.array([10, 11, 12, 13, 14, 15, 16, 17, MISSING, 19, 20, 21, 22, 23])
    of = CivilSeries(PSEUDONYMS[0], CIVIL_DAY)
    daily = CivilCurve(of, edges, values, np.full(14, 17, np.uint8), datetime(2025, 4, 8, tzinfo=UTC))
    grid.publish({1: [daily]}, delivery_id, granularity="P1D", period=Period(first=first, until=until))  # type: ignore[list-item]
    assert ready(delivery_id).state == "received"
    said = {"first": str(first), "until": str(until)}
    weeks = readings(staff, PSEUDONYMS[0], **said, granularity="P7D")
    assert weeks["values"] == [10 + 11 + 12 + 13 + 14 + 15 + 16, None]
    assert readings(staff, PSEUDONYMS[0], **said, granularity="P1M")["values"] == [None, None]
    page = enter("staff").get(f"/curves/{PSEUDONYMS[0]}?from={first}&to={until}").content.decode()
    assert [code for code in ("PT1H", "P1D", "P7D", "P1M") if f"granularity={code}" in page] == ["P7D", "P1M"]


def test_a_group_of_the_providers_points_is_asked_for_stored_and_shown(
    staff: Client, activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    over = {"area": "10YIT", "usage_class": "household"}
    body = {
        "activation": activation.pk, "period": {"from": str(FIRST), "until": str(UNTIL)}, "granularity": "PT15M",
        "group": True, "over": over, "measures": ["mean"],
    }  # fmt: skip
    assert post(staff, "/data-requests", body | {"group": False}).status_code == 422
    assert post(staff, "/data-requests", body, key="k2").status_code == 202
    work()
    sent = json.loads(grid.paths("/data-requests")[0].content)
    assert (sent["over"], sent["measures"]) == (over, ["mean"])
    told = {
        "over": over,
        "curves": [{"measure": "mean", "pseudonym": GROUP}],
        "months": [{"month": "2025-03-01", "direction": "import", "pods": 12, "values": 3400, "expected": 3408,
                    "withheld": 3}],
    }  # fmt: skip
    grid.publish({1: [curve(GROUP, 50_000)]}, delivery_id, group_size=12, group=told)
    ready(delivery_id)
    (series,) = staff.get("/api/series").json()["items"]
    assert (series["group_size"], series["measure"], series["group"]) == (12, "mean", "10YIT · household")
    assert staff.get(f"/api/deliveries/{delivery_id}").json()["group"] == told


def test_an_activation_of_aggregates_names_no_pod(staff: Client, subscription: Subscription) -> None:
    scope = {"kind": "aggregate", "granularities": ["PT1H"], "period": {"from": str(FIRST), "until": str(UNTIL)}}
    body = {"subscription_id": subscription.pk, "scope": scope, "items": []}
    assert post(staff, "/activations", body).status_code == 202
    single = body | {"scope": scope | {"kind": "individual"}}
    assert post(staff, "/activations", single, key="k2").status_code == 422


def test_an_aggregate_can_be_read(staff: Client, activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve(GROUP, 50_000)]}, delivery_id, group_size=12)
    ready(delivery_id)
    assert readings(staff, GROUP, first=str(FIRST), until=str(UNTIL))["values"][0] == 50_000
    (series,) = staff.get("/api/series").json()["items"]
    assert series["group_size"] == 12


@pytest.mark.parametrize(
    ("pseudonym", "query", "code"),
    [
        (GROUP, {}, "nothing_collected"),
        (PSEUDONYMS[0], {"direction": "export"}, "nothing_collected"),
        (PSEUDONYMS[0], {"first": "2025-04-02", "until": "2025-04-02"}, "bad_period"),
        (PSEUDONYMS[0], {"first": "0001-01-01", "until": "0001-01-02"}, "bad_period"),
        (PSEUDONYMS[0], {"first": "9999-12-30", "until": "9999-12-31", "granularity": "P7D"}, "bad_period"),
        (PSEUDONYMS[0], {"first": "1990-01-01", "until": "2025-04-02"}, "period_too_long"),
    ],
)
def test_questions_without_an_answer(
    staff: Client, collected: str, pseudonym: str, query: dict[str, str], code: str
) -> None:
    assert readings(staff, pseudonym, **query)["code"] == code


def test_a_finer_granularity_than_collected_is_refused(staff: Client, collected: str) -> None:
    Series.objects.update(granularity="PT1H")
    days = {"first": str(FIRST), "until": str(UNTIL)}
    assert readings(staff, PSEUDONYMS[0], granularity="PT15M", **days)["code"] == "granularity_unavailable"


def test_a_customer_list_is_kept_corrected_and_taken_off(staff: Client) -> None:
    pods = [demonstration_pod("IT", number).value for number in (1, 2)]
    lines = [{"reference": "A-1", "pod": pod} for pod in pods]
    numbers = post(staff, "/customers", {"lines": lines}).json()["ids"]
    clash = post(staff, f"/customers/{numbers[1]}", {"pod": pods[0]}, "k2", "put")
    assert (clash.status_code, clash.json()["code"]) == (409, "customer_point_exists")
    fixed = post(staff, f"/customers/{numbers[1]}", {"pod": "IT001E99999999"}, "k3", "put").json()
    assert (fixed["pod"], fixed["state"]) == ("IT001E99999999", "new")
    assert staff.delete(f"/api/customers/{numbers[0]}", headers={"Idempotency-Key": "k4"}).status_code == 204
    assert len(staff.get("/api/customers", {"reference": "A-1"}).json()["items"]) == 1


def test_a_consent_request_is_a_link_within_the_contract(staff: Client, subscription: Subscription) -> None:
    until = (datetime.now(UTC) + timedelta(days=90)).isoformat()
    need = {"need": "advice", "scope": {"granularities": ["PT15M"]}, "purpose": "Energy advice", "access_until": until}
    body = {"subscription_id": subscription.subscription_id, "reference": "A-1", "needs": [need]}
    made = post(staff, "/consent-requests", body).json()
    assert made["link"].startswith("https://localhost:8444/consents/start/")
    assert made["state"] == "open"
    wide = need | {"scope": {"granularities": ["P1M"]}}
    refused = post(staff, "/consent-requests", body | {"needs": [wide]}, "k2").json()
    assert (refused["code"], refused["field"]) == ("scope_beyond_contract", "/needs/0/scope")
