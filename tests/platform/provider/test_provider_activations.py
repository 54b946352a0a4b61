"""What a POD is answered: every code once, and what is accepted is what the holder's consent and days allow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from meterhall.domain.market import PeriodEmpty
from meterhall.domain.protocol.activations import REFUSALS, ActivationRequest, Refresh, Schedule
from meterhall.domain.protocol.activations import ActivationItem as ItemIn
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope
from meterhall.provider.activations.ends import cut_to_holders, end_with_contracts
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import (
    ActivationEnded,
    PeriodMissing,
    ScheduleNotOffered,
    ScopeExceedsOffer,
    UnknownActivation,
    answer,
    consent_denied,
    consent_granted,
    end,
    find,
    refresh,
    request_activation,
    wake_waiting,
)
from meterhall.provider.activations.views import item_answer
from meterhall.provider.consents.models import Consent
from meterhall.provider.consents.service import revoke
from meterhall.provider.contracts.models import Contract
from meterhall.provider.contracts.service import NoContract, end_contract
from meterhall.provider.metering.service import take_readings
from meterhall.provider.points.models import Point
from meterhall.provider.points.schemas import OccupancyIn, PointIn
from meterhall.provider.points.service import register_points
from meterhall.web.messaging.models import Outbox, Peer
from tests.platform.provider.conftest import HOLDER, MARCH, NEIGHBOUR, OTHER, REQUESTER, SCOPE, World, states

NOBODY = "consent:con_" + 24 * "0"


@pytest.fixture
def measured(world: World) -> list[Point]:
    points = world.points(3)
    world.readings(points, date(2026, 3, 1), date(2026, 3, 4))
    return points


def one(world: World, subscription: str, pod: str, proof: str, scope: DataScope = SCOPE) -> tuple[str, str]:
    [answer] = states(world.activate(subscription, [(pod, proof)], scope))
    return answer


def test_accepted_with_the_holders_days_and_a_pseudonym(world: World, measured: list[Point]) -> None:
    subscription = world.contract()
    consent = world.consent(measured, subscription)
    activation = world.activate(subscription, [(measured[0].pod.lower(), f"consent:{consent.pk}")])
    answer = item_answer(activation.items.get())
    assert (answer.state, answer.readings, answer.consent_id) == ("accepted", MARCH, consent.pk)
    assert answer.pod == measured[0].pod.lower(), "the POD as it was submitted"
    assert answer.pseudonym
    assert measured[0].pod not in answer.pseudonym
    assert answer.access_until == consent.items.get(point=measured[0]).access_until


def test_pseudonyms_of_two_requesters_have_nothing_in_common(world: World, measured: list[Point]) -> None:
    names = {world.activated(measured[:1], requester=who).items.get().pseudonym for who in (REQUESTER, OTHER)}
    assert len(names) == 2


@pytest.mark.parametrize("pod", ["IT999E", "XX-nonsense", "ES0021000000000001XX"])
def test_pod_invalid(world: World, pod: str) -> None:
    assert one(world, world.contract(), pod, "ask_customer") == ("refused", "pod_invalid")


@pytest.mark.parametrize("pod", ["9", " ", "IT00", "IT001E" + "7" * 55, "é" * 200])
def test_a_text_that_cannot_be_a_pod_is_refused_and_the_rest_is_answered(
    world: World, measured: list[Point], pod: str
) -> None:
    subscription = world.contract()
    proof = f"consent:{world.consent(measured, subscription).pk}"
    activation = world.activate(subscription, [(pod, "ask_customer"), (measured[0].pod, proof)])
    assert states(activation) == [("refused", "pod_invalid"), ("accepted", "")]
    assert item_answer(activation.items.first()).pod == pod
    refresh(activation.pk, REQUESTER, Refresh(remove=(pod,)))
    assert states(activation) == [("ended", "item_removed"), ("accepted", "")]


def test_pod_unknown_also_for_a_sandbox_point(world: World) -> None:
    subscription = world.contract()
    assert one(world, subscription, "IT001E12345678", "ask_customer") == ("refused", "pod_unknown")
    assert one(world, subscription, "01001234567890", "ask_customer") == ("refused", "pod_unknown"), "one of France"
    [sandbox] = world.points(1, sandbox=True)
    assert one(world, subscription, sandbox.pod, "ask_customer") == ("refused", "pod_unknown")


def test_pod_duplicate_by_the_pod_not_by_the_text(world: World, measured: list[Point]) -> None:
    subscription = world.contract()
    proof = f"consent:{world.consent(measured, subscription).pk}"
    pod = measured[0].pod
    activation = world.activate(subscription, [(pod.lower(), proof), (f" {pod[:5].lower()} {pod[5:]}", proof)])
    assert states(activation) == [("accepted", ""), ("refused", "pod_duplicate")]
    refresh(activation.pk, REQUESTER, Refresh(add=(ItemIn(pod=pod, proof=proof),)))
    world.work()
    assert states(activation)[2] == ("refused", "pod_duplicate")


def test_a_refused_pod_may_be_brought_again(world: World, measured: list[Point]) -> None:
    subscription = world.contract()
    activation = world.activate(subscription, [(measured[0].pod, NOBODY)])
    proof = f"consent:{world.consent(measured, subscription).pk}"
    refresh(activation.pk, REQUESTER, Refresh(add=(ItemIn(pod=measured[0].pod, proof=proof),)))
    world.work()
    assert states(activation) == [("refused", "consent_missing"), ("accepted", "")]


def test_consent_missing_for_none_for_a_foreign_one_and_for_another_contracts(
    world: World, measured: list[Point]
) -> None:
    subscription, other = world.contract(), world.contract(OTHER)
    pod = measured[0].pod
    assert one(world, subscription, pod, NOBODY) == ("refused", "consent_missing")
    foreign = world.consent(measured, other)
    assert one(world, subscription, pod, f"consent:{foreign.pk}") == ("refused", "consent_missing")
    elsewhere = world.consent(measured, world.contract())
    assert one(world, subscription, pod, f"consent:{elsewhere.pk}") == ("refused", "consent_missing")
    assert one(world, subscription, pod, "sandbox") == ("refused", "consent_missing")


def test_consent_revoked_expired_and_too_narrow(world: World, measured: list[Point]) -> None:
    subscription = world.contract()
    pod = measured[0].pod
    gone = world.consent(measured, subscription)
    revoke(gone.pk, HOLDER)
    assert one(world, subscription, pod, f"consent:{gone.pk}") == ("refused", "consent_revoked")
    narrow = world.consent(measured, subscription, DataScope(granularities=("P1D",), period=MARCH))
    assert one(world, subscription, pod, f"consent:{narrow.pk}") == ("refused", "consent_scope")
    short = world.consent(measured, subscription, access_until=world.clock() + timedelta(hours=1))
    world.clock.now += timedelta(hours=2)
    assert one(world, subscription, pod, f"consent:{short.pk}") == ("refused", "consent_expired")


def test_evidence_unknown(world: World, measured: list[Point]) -> None:
    proof = "evidence:sha-256:" + 64 * "0"
    assert one(world, world.contract(), measured[0].pod, proof) == ("refused", "evidence_unknown")


def test_moved_out_when_the_holder_had_not_a_day_of_the_period(world: World) -> None:
    stays = (
        OccupancyIn(holder_reference=HOLDER, first=date(2020, 1, 1), until=date(2026, 3, 1)),
        OccupancyIn(holder_reference=NEIGHBOUR, first=date(2026, 3, 1)),
    )
    points = world.points(1, occupancies=stays)
    world.readings(points, date(2026, 2, 1), date(2026, 3, 4))
    subscription = world.contract()
    proof = f"consent:{world.consent(points, subscription).pk}"
    assert one(world, subscription, points[0].pod, proof) == ("refused", "moved_out")


def test_a_holder_who_came_back_has_both_stretches_and_never_the_days_between(world: World) -> None:
    stays = (
        OccupancyIn(holder_reference=HOLDER, first=date(2020, 1, 1), until=date(2026, 3, 2)),
        OccupancyIn(holder_reference=NEIGHBOUR, first=date(2026, 3, 2), until=date(2026, 3, 3)),
        OccupancyIn(holder_reference=HOLDER, first=date(2026, 3, 3)),
    )
    points = world.points(1, occupancies=stays)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 6))
    activation = world.activated(points)
    answer = item_answer(activation.items.get())
    first, second = (
        Period(first=date(2026, 3, 1), until=date(2026, 3, 2)),
        Period(first=date(2026, 3, 3), until=MARCH.until),
    )
    assert (answer.readings, answer.stretches) == (MARCH, (first, second))
    delivery = world.deliver(activation, period=Period(first=date(2026, 3, 1), until=date(2026, 3, 4)))
    assert delivery.versions.get().manifest["parts"][0]["readings"] == 2 * 96


def test_without_a_period_only_the_holders_days(world: World) -> None:
    stays = (
        OccupancyIn(holder_reference=NEIGHBOUR, first=date(2020, 1, 1), until=date(2026, 3, 2)),
        OccupancyIn(holder_reference=HOLDER, first=date(2026, 3, 2)),
    )
    points = world.points(1, occupancies=stays)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 6))
    scope = DataScope(timing="near_real_time", granularities=("PT15M",))
    answer = item_answer(world.activated(points, scope).items.get())
    assert answer.readings is not None
    assert answer.readings.first == date(2026, 3, 2)


def test_granularity_and_period_unavailable(world: World, measured: list[Point]) -> None:
    hourly = DataScope(granularities=("PT15M",), period=Period(first=date(2025, 1, 1), until=date(2025, 2, 1)))
    subscription = world.contract()
    proof = f"consent:{world.consent(measured, subscription, hourly).pk}"
    assert one(world, subscription, measured[0].pod, proof, hourly) == ("refused", "period_unavailable")
    measured[1].series.update(resolution_s=3600)
    fine = DataScope(granularities=("PT15M",), period=MARCH)
    proof = f"consent:{world.consent(measured, subscription, fine).pk}"
    assert one(world, subscription, measured[1].pod, proof, fine) == ("refused", "granularity_unavailable")
    both = fine.model_copy(update={"directions": ("import", "export")})
    subscription = world.contract(scope=both.model_copy(update={"period": None}))
    proof = f"consent:{world.consent(measured, subscription, both).pk}"
    assert one(world, subscription, measured[0].pod, proof, both) == ("refused", "period_unavailable")


def test_a_period_over_the_whole_calendar_is_answered(world: World) -> None:
    since_ever = OccupancyIn(holder_reference=HOLDER, first=date(1, 1, 1))
    quarters, pairs = (world.points(1, first=number, occupancies=(since_ever,))[0] for number in (10, 11))
    take_readings(f"pod,start,energy_wh\n{quarters.pod},2026-03-01T00:00:00Z,1\n".encode(), "PT15M")
    take_readings(f"pod,start,energy_wh\n{pairs.pod},2026-03-01T00:00:00Z,1\n".encode(), "PT2H")
    world.work()
    always = DataScope(granularities=("P1D",), period=Period(first=date(1, 1, 1), until=date(9999, 12, 31)))
    activation = world.activated([quarters, pairs], always)
    assert states(activation) == [("accepted", ""), ("refused", "granularity_unavailable")]


def test_ask_customer_waits_and_takes_a_consent_that_is_there(world: World, measured: list[Point]) -> None:
    subscription = world.contract()
    activation = world.activate(subscription, [(measured[0].pod, "ask_customer")])
    assert states(activation) == [("pending", "")]
    assert item_answer(activation.items.get()).state == "pending"
    world.consent(measured, subscription)
    assert one(world, subscription, measured[0].pod, "ask_customer") == ("accepted", "")


def test_contract_ended_and_activation_ended(world: World, measured: list[Point]) -> None:
    activation = world.activated(measured)
    removed = Refresh(remove=(measured[0].pod.lower(),))
    refresh(activation.pk, REQUESTER, removed)
    assert states(activation)[0] == ("ended", "item_removed")
    end_contract(activation.subscription_id, "quit")
    world.follow()
    activation.refresh_from_db()
    assert (activation.state, states(activation)[1]) == ("ended", ("ended", "contract_ended"))
    with pytest.raises(NoContract):
        refresh(activation.pk, REQUESTER, removed)


def test_ended_by_its_requester_and_by_nobody_else(world: World, measured: list[Point]) -> None:
    activation = world.activated(measured)
    with pytest.raises(UnknownActivation):
        end(activation.pk, OTHER)
    assert end(activation.pk, REQUESTER).ended_at == end(activation.pk, REQUESTER).ended_at
    assert set(states(activation)) == {("ended", "activation_ended")}
    with pytest.raises(ActivationEnded):
        refresh(activation.pk, REQUESTER, Refresh())


def test_every_code_has_its_test() -> None:
    """A new code is added here together with the test that answers it."""
    elsewhere = {"consent_denied", "evidence_assurance", "evidence_holder"}
    source = __import__("pathlib").Path(__file__).read_text()
    assert {code for code in REFUSALS if f'"{code}"' not in source} <= elsewhere


def ask(subscription: str, scope: DataScope = SCOPE, schedule: Schedule | None = None) -> Activation:
    request = ActivationRequest(subscription_id=subscription, scope=scope, schedule=schedule)
    return find(request_activation(request, REQUESTER, is_sandbox=False).activation_id, REQUESTER)


def test_what_the_contract_does_not_cover_is_refused_at_once(world: World) -> None:
    subscription = world.contract()
    with pytest.raises(ScopeExceedsOffer) as fault:
        ask(subscription, SCOPE.model_copy(update={"directions": ("export",)}))
    assert (fault.value.code, fault.value.field) == ("scope_exceeds_offer", "/scope")
    with pytest.raises(PeriodMissing):
        ask(subscription, DataScope(granularities=("PT1H",)))
    with pytest.raises(PeriodEmpty):
        ask(subscription, SCOPE.model_copy(update={"period": Period(first=MARCH.until, until=MARCH.first)}))
    for schedule in (
        Schedule(format="csv", granularity="P1M"),
        Schedule(format="csv", granularity="PT1H", transmission="push"),
    ):
        with pytest.raises(ScheduleNotOffered):
            ask(subscription, schedule=schedule)
    with pytest.raises(NoContract):
        ask(world.contract(OTHER))
    world.clock.now += timedelta(days=400)
    with pytest.raises(NoContract):
        ask(subscription)


def test_the_market_place_hears_counts_and_the_requester_that_there_are_answers(
    world: World, measured: list[Point]
) -> None:
    activation = world.activated(measured)
    said = Outbox.objects.filter(subject=activation.pk).order_by("created_at").values_list("type", flat=True)
    assert set(said) == {"activation.acknowledged", "provision.confirmed", "activation.answered"}
    bodies = "".join(Outbox.objects.values_list("body", flat=True))
    assert not any(point.pod in bodies for point in measured)


def test_the_queries_do_not_grow_with_the_pods(world: World) -> None:
    def queries(count: int, first: int) -> int:
        points = world.points(count, first=first)
        world.readings(points[:1], date(2026, 3, 1), date(2026, 3, 2))
        subscription = world.contract()
        consent = world.consent(points, subscription)
        with CaptureQueriesContext(connection) as seen:
            world.activate(subscription, [(point.pod, f"consent:{consent.pk}") for point in points])
        return len(seen)

    assert queries(40, 100) - queries(4, 200) < 8, "writing goes in pieces, asking does not grow at all"


def test_a_registered_point_that_changes_hands_cuts_what_was_accepted(world: World, measured: list[Point]) -> None:
    activation = world.activated(measured[:1])
    moved = (
        OccupancyIn(holder_reference=HOLDER, first=date(2020, 1, 1), until=date(2026, 3, 3)),
        OccupancyIn(holder_reference=NEIGHBOUR, first=date(2026, 3, 3)),
    )
    register_points((PointIn(pod=measured[0].pod, zone="Europe/Rome", occupancies=moved),))
    world.follow()
    item = activation.items.get()
    assert (item.state, item.until) == ("accepted", date(2026, 3, 3))
    never = (OccupancyIn(holder_reference=NEIGHBOUR, first=date(2020, 1, 1)),)
    register_points((PointIn(pod=measured[0].pod, zone="Europe/Rome", occupancies=never),))
    world.follow()
    item.refresh_from_db()
    assert (item.state, item.code) == ("ended", "moved_out")


def test_who_is_admitted_again_gets_the_answers_that_waited(world: World, measured: list[Point]) -> None:
    subscription = world.contract()
    proof = f"consent:{world.consent(measured, subscription).pk}"
    taken = ask(subscription)
    Peer.objects.filter(pk=REQUESTER).update(status="suspended")
    ActivationItem.objects.create(
        activation=taken, position=0, pod=measured[0].pod, key=measured[0].pod, proof=proof, state="pending"
    )
    world.work()
    assert states(taken) == [("pending", "")]
    Peer.objects.filter(pk=REQUESTER).update(status="admitted")
    wake_waiting(REQUESTER)
    world.work()
    assert states(taken) == [("accepted", "")]


LOCKING: dict[str, Callable[[Activation, Consent], object]] = {
    "answer": lambda activation, consent: answer(activation.pk),
    "refresh": lambda activation, consent: refresh(activation.pk, REQUESTER, Refresh(remove=("IT999E00000000",))),
    "end": lambda activation, consent: end(activation.pk, REQUESTER),
    "end with contracts": lambda activation, consent: end_with_contracts(),
    "cut to holders": lambda activation, consent: cut_to_holders(-1),
    "granted": lambda activation, consent: consent_granted(consent),
    "denied": lambda activation, consent: consent_denied(REQUESTER, [1], [activation.subscription_id]),
}


@pytest.mark.parametrize("name", LOCKING)
def test_the_epoch_is_held_before_an_activation_is_locked_or_items_are_read_to_be_changed(
    world: World, measured: list[Point], name: str
) -> None:
    activation = world.activated(measured)
    if name == "end with contracts":
        Contract.objects.update(ended_at=world.clock())
    with CaptureQueriesContext(
        connection,
    ) as asked:
        LOCKING[name](activation, Consent.objects.get())
    begun = next(place for place, one in enumerate(asked) if one["sql"].startswith(("SAVEPOINT", "BEGIN")))
    inside = [one["sql"] for one in asked.captured_queries[begun:]]
    epoch = next(place for place, sql in enumerate(inside) if "consentepoch" in sql)
    touched = [place for place, sql in enumerate(inside) if sql.startswith("UPDATE") or "FOR UPDATE" in sql]
    assert epoch < min(touched, default=len(inside))


def test_what_was_answered_is_not_said_again_by_a_worker_killed_right_after(world: World) -> None:
    world.activated(world.points(2))
    said = Outbox.objects.count()
    Activation.objects.update(work_state="pending", leased_until=None)
    world.work()
    assert Outbox.objects.count() == said
