"""The pages of what is missing and how late providers are: what they count, ask, refuse and say."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.readings import midnight
from meterhall.requester.activations.models import Activation, ActivationItem
from meterhall.requester.analysis import missing
from meterhall.requester.analysis.lateness import overdue, promised
from meterhall.requester.collection.models import DataAsked, Delivery, Series, Version
from meterhall.requester.customers.models import CustomerPoint
from meterhall.requester.partners.models import Subscription
from tests.platform.lists import holds

from .conftest import FIRST, GRID, PODS, PSEUDONYMS, START, UNTIL, Clock, Enter, GridDouble, curve, ready, work

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
ROME = ZoneInfo("Europe/Rome")


def gaps_of(activation: Activation) -> str:
    return f"/activations/{activation.pk}/gaps"


def text(client: Client, path: str) -> str:
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def rows(client: Client, path: str) -> list[list[str]]:
    return list(csv.reader(client.get(path).content.decode().splitlines()))


@pytest.fixture
def collected(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    """Of the first point two values are missing on the first day, of the second everything."""
    CustomerPoint.objects.create(reference="A-1", pod=PODS[0], provider=GRID, state="localised")
    grid.publish({1: [curve(gaps=(4, 5))]}, delivery_id)
    ready(delivery_id)


def test_gaps_are_shown_by_point_and_day_and_had_as_a_file(
    enter: Enter, activation: Activation, collected: None
) -> None:
    staff, path = enter("staff"), gaps_of(activation)
    page = text(staff, path)
    assert "2 of 2" in page, "both points lack something"
    assert page.count("c-part") > 1, "a day in part on the strip and in its legend"
    assert "Ask again for what is missing" in page
    head, *found = rows(staff, f"{path}?export=csv")
    assert head[:2] == ["Customer", "Point of delivery"]
    assert found == [
        ["A-1", PODS[0], str(FIRST), str(FIRST), "94", "96"],
        [PODS[1], PODS[1], str(FIRST), str(UNTIL - DAY), "0", "284"],
    ]
    states = [row[3] for row in rows(staff, f"{path}?export=completeness")[1:]]
    assert states == ["in part", "complete", "missing"]
    assert f"/curves/{PSEUDONYMS[0]}?direction=import&amp;from={FIRST}" in page
    assert f"/curves/{PSEUDONYMS[1]}" not in page, "there is nothing to look at"
    assert f'href="{path}"' in text(staff, f"/activations/{activation.pk}")


def test_only_the_days_chosen_are_counted(enter: Enter, activation: Activation, collected: None) -> None:
    staff, days = enter("staff"), f"?from={FIRST + DAY}&to={FIRST + 2 * DAY}"
    assert rows(staff, f"{gaps_of(activation)}{days}&export=csv")[1:] == [
        [PODS[1], PODS[1], str(FIRST + DAY), str(FIRST + DAY), "0", "92"]
    ]
    assert f'<input type="hidden" name="from" value="{FIRST + DAY}">' in text(staff, gaps_of(activation) + days)
    ActivationItem.objects.filter(position=1).update(state="ended")
    page = text(staff, gaps_of(activation) + days)
    assert "Nothing is missing of these days" in page
    assert "Ask again for what is missing" not in page


def test_days_that_are_not_due_are_said_to_be_none(enter: Enter, activation: Activation, collected: None) -> None:
    page = text(enter("staff"), f"{gaps_of(activation)}?from={UNTIL}&to={UNTIL + DAY}")
    assert "None of these days is due" in page
    assert "Nothing is missing of these days" not in page
    assert "Ask again for what is missing" not in page


def test_gaps_are_searched(enter: Enter, activation: Activation, collected: None) -> None:
    narrow = {"text=a-1": 1, f"text={PODS[1]}": 0, "lacks=all": 1, "lacks=some": 1, "text=nobody": 0}
    get = enter("staff").get
    holds(get, gaps_of(activation), narrow, "lacks=nonsense")  # type: ignore[arg-type]
    Activation.objects.update(scope=activation.scope | {"directions": ["import", "export"]})
    holds(get, gaps_of(activation), {"flow=export": 2, "flow=import": 2, "lacks=some": 1}, "flow=sideways")  # type: ignore[arg-type]


def test_the_button_asks_and_says_what_of_whom(
    enter: Enter, activation: Activation, collected: None, grid: GridDouble
) -> None:
    staff, path = enter("staff"), f"{gaps_of(activation)}/requests"
    answer = staff.post(path, follow=True).content.decode()
    assert "Grid is asked again for 2 points" in answer
    assert "A request is on its way already" in answer
    work()
    [sent] = [json.loads(one.content) for one in grid.paths("/data-requests")]
    assert (sent["pseudonyms"], sent["period"]) == (list(PSEUDONYMS), {"from": str(FIRST), "until": str(UNTIL)})
    assert "awaited" in text(staff, gaps_of(activation))
    staff.post(f"{path}?from={FIRST + DAY}&to={FIRST + 2 * DAY}")
    work()
    last = json.loads(grid.paths("/data-requests")[-1].content)
    assert last["pseudonyms"] == [PSEUDONYMS[1]]
    assert last["period"] == {"from": str(FIRST + DAY), "until": str(FIRST + 2 * DAY)}


def test_a_request_that_brought_nothing_says_so(
    enter: Enter, activation: Activation, collected: None, grid: GridDouble
) -> None:
    staff = enter("staff")
    staff.post(f"{gaps_of(activation)}/requests")
    work()
    asked = DataAsked.objects.get()
    came = Delivery.objects.create(
        provider=activation.subscription.provider, delivery_id=asked.delivery_id, state="received",
        announced_at=asked.created_at,
    )  # fmt: skip
    for version, readings in ((1, 0), (2, 96)):
        came.versions.create(version=version, manifest={"readings": readings}, fetched_at=asked.created_at)
        assert ("Nothing came" in text(staff, gaps_of(activation))) == (readings == 0)


def test_a_request_that_is_refused_or_needless_is_explained(
    enter: Enter, activation: Activation, collected: None, grid: GridDouble
) -> None:
    staff, path = enter("staff"), gaps_of(activation)
    grid.refusals["/data-requests"] = (409, "contract_not_in_force")
    staff.post(f"{path}/requests")
    work()
    assert "It is contract_not_in_force." in text(staff, path)
    auditor = enter("auditor")
    assert auditor.post(f"{path}/requests").status_code == 403
    assert "Ask again" not in text(auditor, path)
    ActivationItem.objects.filter(position=1).update(state="ended")
    needless = staff.post(f"{path}/requests?from={FIRST + DAY}&to={UNTIL}", follow=True).content.decode()
    assert "so nothing was asked for" in needless
    Activation.objects.update(remote_id="")
    assert "once the activation has reached the provider" in text(staff, path)
    refused = staff.post(f"{path}/requests", follow=True).content.decode()
    assert "has not reached its provider yet" in refused
    Activation.objects.update(state="ended")
    assert "Nothing more can be asked for" in text(staff, path)
    assert DataAsked.objects.count() == 1


def test_where_no_day_can_be_missing_the_page_says_what_to_do(enter: Enter, activation: Activation) -> None:
    staff, path = enter("auditor"), gaps_of(activation)
    scope = activation.scope
    Activation.objects.update(scope=scope | {"period": {"from": "2999-01-01", "until": "2999-02-01"}})
    assert "No day is over yet" in text(staff, path)
    Activation.objects.update(scope=scope | {"kind": "aggregate"})
    assert "is of sums or of forecasts" in text(staff, path)
    Activation.objects.update(scope=scope)
    ActivationItem.objects.update(state="pending")
    assert "No point is active yet" in text(staff, path)
    assert staff.get("/activations/999/gaps").status_code == 404


def test_of_many_points_fewer_days_and_only_the_first_gaps_are_shown(
    enter: Enter, activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing, "POINT_DAYS", 2)
    monkeypatch.setattr(missing, "FEWEST_DAYS", 1)
    monkeypatch.setattr(missing, "MOST_GAPS", 1)
    monkeypatch.setattr(missing, "ON_THE_STRIP", 1)
    staff, path = enter("staff"), gaps_of(activation)
    found = rows(staff, f"{path}?export=csv")[1:]
    assert [row[2:4] for row in found] == [[str(UNTIL - DAY), str(UNTIL - DAY)]]
    page = text(staff, path)
    assert "The first 1 gaps" in page
    assert "2 of 2" in page, "all are counted"
    assert "Completeness of the first 1 points with gaps" in page


def test_what_was_asked_for_is_held_against_the_promise(
    enter: Enter, activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock
) -> None:
    asked = timezone.now() - timedelta(hours=30)
    for name, hours in ((delivery_id, 6), (new_id("dlv"), 0)):
        made = asked - timedelta(hours=hours)
        DataAsked.objects.create(
            activation=activation, request={}, state="taken", delivery_id=name, created_at=made, due_at=made
        )
    grid.publish({1: [curve()]}, delivery_id, created_at=asked + timedelta(hours=23))
    ready(delivery_id)
    late = {one.delivery_id: one for one in promised()}
    span = late[delivery_id].late_by(clock())
    assert span is not None
    assert round(span / timedelta(hours=1)) == 5, "24 hours were promised, it took 29"
    assert overdue() == 1
    staff = enter("staff")
    page = text(staff, "/lateness")
    assert "5 hours" in page
    assert "not yet" in page
    assert "1 delivery is late" in text(staff, "/")
    head, *found = rows(staff, "/lateness?export=late")
    assert head[:2] == ["Provider", "Activation"]
    assert [row[-1] for row in found] == ["–", delivery_id]
    assert rows(staff, "/lateness?export=promises")[1:] == [
        ["Grid", "data asked for", "1 day", "2", "0", "6 hours", "broken"]
    ]
    Delivery.objects.filter(delivery_id=delivery_id).delete()
    Delivery.objects.create(
        provider=GRID, delivery_id=delivery_id, state="refused", announced_at=asked, activation=activation
    )
    assert delivery_id not in {one.delivery_id for one in promised()}, "a refused one never comes"


def test_days_by_themselves_are_due_after_their_end(
    enter: Enter, activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock
) -> None:
    Activation.objects.update(schedule={"every": "P1D", "format": "csv", "granularity": "PT15M"})
    clock.ahead = midnight(ROME, UNTIL) + timedelta(hours=20) - timezone.now()
    grid.publish({1: [curve()]}, delivery_id, reason="scheduled", created_at=clock())
    ready(delivery_id)
    assert [one.late_by(clock()) for one in promised()] == [None], "a day was promised; the period is over"
    longer = activation.scope | {"period": {"from": str(FIRST), "until": str(UNTIL + 9 * DAY)}}
    Activation.objects.update(scope=longer)
    assert overdue() == 0
    clock.ahead += 2 * DAY + timedelta(hours=6)
    assert overdue() == 1
    [late] = [one for one in promised() if one.came is None]
    assert late.at == midnight(ROME, UNTIL + 2 * DAY), "the next day's end, and a day"
    assert rows(enter("staff"), "/lateness?export=promises")[2][1:4] == ["a day, week or month by itself", "1 day", "2"]
    Version.objects.update(manifest=Version.objects.get().manifest | {"created_at": str(clock())})
    assert sum(one.late_by(clock()) is not None for one in promised()) == 2, "it came two days late"
    Activation.objects.update(schedule={"every": "P7D", "format": "csv", "granularity": "P7D"})
    clock.ahead = midnight(ROME, date(2025, 4, 8)) - timedelta(hours=1) - timezone.now()
    assert overdue() == 0, "of a week that ended on Sunday, the promised day is not over"
    clock.ahead += timedelta(hours=2)
    assert [one.at for one in promised() if one.came is None] == [midnight(ROME, date(2025, 4, 8))]
    Activation.objects.update(scope=longer | {"timing": "forecast"})
    assert list(promised()) == []


def test_how_far_each_activation_has_come(enter: Enter, activation: Activation, collected: None) -> None:
    staff = enter("staff")
    Activation.objects.create(
        subscription=activation.subscription, scope=activation.scope, remote_id=f"act_{'b' * 24}", state="answered",
        created_at=START,
    )  # fmt: skip
    ActivationItem.objects.create(
        activation=Activation.objects.latest("pk"), position=0, pod="IT999E00000003", state="accepted", pseudonym="x"
    )
    Series.objects.update(until_day=UNTIL - DAY)
    assert [row[2:5] for row in rows(staff, "/lateness?export=csv")[1:]] == [
        ["nothing yet", "–", "0"], [str(UNTIL - 2 * DAY), "1", "0"]
    ]  # fmt: skip
    narrow = {f"text=act_{'b' * 24}": 1, "readings=behind": 1, "readings=nothing": 1, "readings=here": 0}
    page = text(staff, "/lateness")
    assert f'href="{gaps_of(activation)}"' in page
    assert f'href="/activations/{activation.pk}"' in page
    for query, left in narrow.items():
        assert len(rows(staff, f"/lateness?{query}&export=csv")) == 1 + left, query
    assert staff.get("/lateness?readings=nonsense&export=csv").status_code == 422


def test_without_a_contract_the_page_says_what_to_do(enter: Enter) -> None:
    assert not Subscription.objects.exists()
    assert "Nothing was promised yet" in text(enter("signer"), "/lateness")
