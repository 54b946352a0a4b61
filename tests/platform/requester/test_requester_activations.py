"""Activations reach the provider once, refusals keep their code, answers find their POD."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope
from meterhall.requester.activations.exchange import fetch_answers
from meterhall.requester.activations.models import Activation, Refreshing
from meterhall.requester.activations.service import (
    ActivationIn,
    EvidenceIncomplete,
    ItemIn,
    NothingToRefresh,
    RefreshIn,
    SubscriptionNotActive,
    ask,
    end_of,
    refresh,
)
from meterhall.requester.activations.tasks import look_again
from meterhall.requester.collection.models import DataAsked
from meterhall.requester.collection.service import DataRequestIn, NotSent, request_data
from meterhall.requester.partners.models import Subscription

from .conftest import CONSENT, FIRST, PODS, PSEUDONYMS, UNTIL, Clock, GridDouble, statements, work

pytestmark = pytest.mark.django_db
PERIOD = Period(first=FIRST, until=UNTIL)
SCOPE = DataScope(granularities=("PT15M",), period=PERIOD)


def asking(sub: Subscription, *items: ItemIn) -> Activation:
    return ask(ActivationIn(subscription_id=sub.subscription_id, scope=SCOPE, items=items))


def accepted(pod: str, pseudonym: str) -> dict[str, object]:
    readings = {"from": str(FIRST), "until": str(UNTIL)}
    return {"pod": pod, "state": "accepted", "pseudonym": pseudonym, "consent_id": CONSENT, "readings": readings}


def test_an_activation_is_sent_with_its_proofs(subscription: Subscription, grid: GridDouble) -> None:
    asking(subscription, ItemIn(pod=PODS[0], consent_id=CONSENT), ItemIn(pod=PODS[1]))
    grid.answers = [accepted(PODS[0], PSEUDONYMS[0]), {"pod": PODS[1], "state": "pending"}]
    work()
    (sent,) = grid.paths("/activations")
    assert [item["proof"] for item in json.loads(sent.content)["items"]] == [f"consent:{CONSENT}", "ask_customer"]
    assert sent.headers["Idempotency-Key"] == f"activation-{Activation.objects.get().pk}"
    assert statements("activation.requested")[0]["counts"] == {"items": 2}


def test_an_answer_of_which_no_news_came_is_asked_for(
    subscription: Subscription, grid: GridDouble, clock: Clock
) -> None:
    activation = asking(subscription, ItemIn(pod=PODS[0], consent_id=CONSENT))
    work()
    grid.answers = [accepted(PODS[0], PSEUDONYMS[0])]
    look_again()
    work()
    activation.refresh_from_db()
    assert activation.state == "sent", "the provider has its time"
    clock.ahead = timedelta(hours=1, minutes=1)
    look_again()
    work()
    activation.refresh_from_db()
    assert activation.state == "answered"


def test_a_text_that_cannot_be_a_pod_is_left_to_the_providers_answer(
    subscription: Subscription, grid: GridDouble
) -> None:
    long = "IT001E" + "7" * 55
    activation = asking(subscription, ItemIn(pod="9"), ItemIn(pod=long), ItemIn(pod=PODS[1]))
    refusal = {"state": "refused", "code": "pod_invalid"}
    grid.answers = [{"pod": "9"} | refusal, {"pod": long} | refusal, accepted(PODS[1], PSEUDONYMS[1])]
    work()
    (sent,) = grid.paths("/activations")
    assert [one["pod"] for one in json.loads(sent.content)["items"]] == ["9", long, PODS[1]]
    activation.refresh_from_db()
    fetch_answers(activation)
    assert list(activation.items.values_list("code", flat=True)) == ["pod_invalid", "pod_invalid", ""]


def test_answers_find_their_item_even_where_a_pod_stands_twice(
    subscription: Subscription, grid: GridDouble, clock: Clock
) -> None:
    activation = asking(subscription, ItemIn(pod=PODS[0], consent_id=CONSENT), ItemIn(pod=PODS[0]))
    work()
    grid.answers = [
        accepted(PODS[0], PSEUDONYMS[0]),
        {"pod": PODS[0], "state": "refused", "code": "pod_duplicate", "detail": "Twice."},
    ]
    activation.refresh_from_db()
    fetch_answers(activation)
    assert list(activation.items.values_list("state", "code")) == [("accepted", ""), ("refused", "pod_duplicate")]
    activation.refresh_from_db()
    assert activation.state == "answered"


@pytest.mark.parametrize(("status", "code"), [(403, "no_contract"), (422, "scope_exceeds_offer")])
def test_a_refused_activation_says_why(subscription: Subscription, grid: GridDouble, status: int, code: str) -> None:
    grid.refusals["/activations"] = (status, code)
    activation = asking(subscription, ItemIn(pod=PODS[0]))
    work()
    activation.refresh_from_db()
    assert (activation.state, activation.code, activation.work_state) == ("refused", code, "done")
    assert activation.detail == f"It is {code}."


def test_a_provider_that_is_down_is_tried_again(subscription: Subscription, grid: GridDouble, clock: Clock) -> None:
    grid.refusals["/activations"] = (503, "unavailable")
    activation = asking(subscription, ItemIn(pod=PODS[0]))
    for _ in range(3):
        work()
        clock.ahead += timedelta(seconds=1)
    grid.refusals.clear()
    work()
    activation.refresh_from_db()
    assert activation.remote_id


def test_evidence_the_provider_does_not_read_refuses_its_item_only(
    subscription: Subscription, grid: GridDouble
) -> None:
    grid.refusals["/evidence"] = (401, "bad_signature")
    evidence = ItemIn(pod=PODS[0], assurance="customer_signed", evidence="a.b.c")
    grid.refusals["/evidence"] = (422, "evidence_unreadable")
    activation = asking(subscription, evidence, ItemIn(pod=PODS[1]))
    work()
    (sent,) = grid.paths("/activations")
    assert [item["pod"] for item in json.loads(sent.content)["items"]] == [PODS[1]]
    assert activation.items.get(pod=PODS[0]).code == "evidence_unreadable"


def test_what_is_asked_is_checked_before(subscription: Subscription) -> None:
    with pytest.raises(EvidenceIncomplete) as refused:
        asking(subscription, ItemIn(pod=PODS[0]), ItemIn(pod=PODS[1], evidence="a.b.c"))
    assert refused.value.field == "/items/1"
    Subscription.objects.update(state="drafted")
    with pytest.raises(SubscriptionNotActive):
        asking(subscription, ItemIn(pod=PODS[0]))


def test_a_refresh_adds_and_removes(activation: Activation, grid: GridDouble) -> None:
    refresh(activation, RefreshIn(add=(ItemIn(pod="IT999E00000003"),), remove=(PODS[0],)))
    grid.answers = [
        {"pod": PODS[0], "state": "ended"},
        accepted(PODS[1], PSEUDONYMS[1]),
        accepted("IT999E00000003", "44444444-4444-5444-8444-444444444444"),
    ]
    work()
    (sent,) = grid.paths("/items")
    assert json.loads(sent.content)["remove"] == [PODS[0]]
    assert list(activation.items.values_list("state", flat=True)) == ["ended", "accepted", "accepted"]
    assert statements("activation.refreshed")[0]["counts"] == {"added": 1, "removed": 1}


def test_a_refused_refresh_leaves_the_rest(activation: Activation, grid: GridDouble) -> None:
    grid.refusals["/items"] = (409, "activation_ended")
    refresh(activation, RefreshIn(add=(ItemIn(pod="IT999E00000003"),)))
    work()
    assert Refreshing.objects.get().code == "activation_ended"
    assert list(activation.items.values_list("state", flat=True)) == ["accepted", "accepted", "refused"]
    with pytest.raises(NothingToRefresh):
        refresh(activation, RefreshIn())


def test_quitting_ends_what_runs(activation: Activation) -> None:
    end_of(activation.subscription_id)
    activation.refresh_from_db()
    assert (activation.state, activation.code) == ("ended", "subscription_quit")


def test_data_is_requested_and_said(activation: Activation, grid: GridDouble) -> None:
    asked = request_data(activation, DataRequestIn(activation=activation.pk, period=PERIOD, granularity="PT15M"))
    work()
    asked.refresh_from_db()
    assert asked.state == "taken"
    (said,) = statements("data.requested")
    assert said["subject"] == asked.delivery_id
    assert json.loads(grid.paths("/data-requests")[0].content)["format"] == "parquet"


def test_how_parts_shall_be_packed_is_passed_on(activation: Activation, grid: GridDouble) -> None:
    body = DataRequestIn(activation=activation.pk, period=PERIOD, granularity="PT15M", compression="zstd")
    request_data(activation, body)
    work()
    assert json.loads(grid.paths("/data-requests")[0].content)["compression"] == "zstd"


def test_a_refused_data_request_keeps_the_code(activation: Activation, grid: GridDouble) -> None:
    grid.refusals["/data-requests"] = (422, "group_too_small")
    body = DataRequestIn(activation=activation.pk, period=PERIOD, granularity="PT15M", group=True)
    request_data(activation, body)
    work()
    asked = DataAsked.objects.get()
    assert (asked.state, asked.code, asked.detail) == ("refused", "group_too_small", "It is group_too_small.")
    assert statements("data.requested") == []


def test_an_activation_that_was_not_sent_has_no_data(subscription: Subscription) -> None:
    activation = asking(subscription, ItemIn(pod=PODS[0]))
    with pytest.raises(NotSent):
        request_data(activation, DataRequestIn(activation=activation.pk, period=PERIOD, granularity="PT15M"))
