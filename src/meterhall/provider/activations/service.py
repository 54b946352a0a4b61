"""Commands about activations: request, refresh, answer, end. What a POD is answered is decided in `decide`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, QuerySet

from meterhall.domain.consent import Refused
from meterhall.domain.errors import Gone, InvalidInput, NotFound
from meterhall.domain.market import check_period
from meterhall.domain.protocol.activations import REFUSALS, Activated, ActivationRequest, Refresh
from meterhall.domain.protocol.activations import ActivationItem as ItemIn
from meterhall.domain.protocol.base import Acknowledgement
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.events import ActivationAnswered
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.protocol.statements import StatementType
from meterhall.provider.activations.decide import Accepted, Decision, Frame, Pending, gather
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.consents.epoch import advance_epoch, hold_epoch
from meterhall.provider.consents.models import Consent
from meterhall.provider.contracts.models import SandboxAccess
from meterhall.provider.contracts.service import (
    SANDBOX_SUBSCRIPTION,
    NoContract,
    check_not_suspended,
    contract_in_force,
)
from meterhall.provider.points.service import pod_key
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import Recorded, notify, state
from meterhall.web.platform import platform
from meterhall.web.sets import pieces, write_back
from meterhall.web.work.models import WorkState

ANSWER = [
    "state", "code", "detail", "point", "consent_item", "pseudonym", "first", "until", "stretches", "access_until",
    "answered_at",
]  # fmt: skip
"""What an answer writes on an item."""


class ScopeExceedsOffer(InvalidInput):
    code = "scope_exceeds_offer"
    title = "The contract's offer does not cover the data asked for."


class PeriodMissing(InvalidInput):
    code = "period_missing"
    title = "An activation of historical data names its reading period."


class ScheduleNotOffered(InvalidInput):
    code = "schedule_not_offered"
    title = "The contract or the activation's scope does not have what the schedule asks for."


class UnknownActivation(NotFound):
    code = "unknown_activation"
    title = "There is no such activation, or it is not the caller's."


class ActivationEnded(Gone):
    code = "activation_ended"
    title = "The activation has ended."


@dataclass(frozen=True, slots=True)
class Counts:
    accepted: int
    refused: int
    pending: int


def frame_of(activation: Activation) -> Frame:
    """What holds for all items, now. Raises `NoContract` and `ActivationEnded`."""
    scope = DataScope.model_validate(activation.scope)
    if activation.is_sandbox:
        access = _sandbox_access(activation.requester)
        frame = Frame(activation.requester, SANDBOX_SUBSCRIPTION, scope, access.until, (), None)
    else:
        contract = contract_in_force(activation.subscription_id, activation.requester)
        own = platform().config.accepted_assurance
        assurances = tuple(one for one in own if one in contract.offer.accepted_assurance)
        until = contract.access_until
        frame = Frame(activation.requester, activation.subscription_id, scope, until, assurances, contract)
    if activation.state == "ended":
        raise ActivationEnded
    return frame


def _sandbox_access(requester: str) -> SandboxAccess:
    check_not_suspended(requester)
    access = (
        SandboxAccess.objects.filter(access_number=requester, until__gt=platform().now()).order_by("-until").first()
    )
    if access is None:
        raise NoContract("The sandbox is open to a certifier during its run only.")
    return access


def request_activation(request: ActivationRequest, requester: str, *, is_sandbox: bool) -> Activated:
    """Take a list of PODs (step 6); the worker answers.

    Raises `NoContract`, `ScopeExceedsOffer`, `PeriodMissing`, `PeriodEmpty`, `ScheduleNotOffered`.
    """
    _check(request, requester, is_sandbox=is_sandbox)
    now = platform().now()
    with transaction.atomic():
        activation = Activation.objects.create(
            activation_id=new_id("act"),
            requester=requester,
            subscription_id=request.subscription_id,
            scope=request.scope.document(),
            schedule=request.schedule.document() if request.schedule else None,
            is_sandbox=is_sandbox,
            created_at=now,
            due_at=now,
        )
        _add_items(activation, request.items, 0)
        said = acknowledge(activation, "activation.acknowledged", {"items": len(request.items)})
    return Activated(
        activation_id=activation.activation_id,
        accepted_items=len(request.items),
        acknowledgement=Acknowledgement(statement=said.jws),
    )


def _check(request: ActivationRequest, requester: str, *, is_sandbox: bool) -> None:
    scope, schedule = request.scope, request.schedule
    if scope.timing == "historical" and scope.period is None:
        raise PeriodMissing(field="/scope/period")
    check_period(scope.period, field="/scope/period")
    if schedule is not None and schedule.granularity not in scope.granularities:
        raise ScheduleNotOffered(field="/schedule/granularity")
    if schedule is not None and scope.kind == "aggregate":
        raise ScheduleNotOffered("A schedule delivers individual curves.", field="/schedule")
    if schedule is not None and schedule.every != "P1D" and scope.timing == "forecast":
        raise ScheduleNotOffered("A forecast is made for a day: every day.", field="/schedule/every")
    if is_sandbox:
        _sandbox_access(requester)
        return
    contract = contract_in_force(request.subscription_id, requester)
    if not scope.within(contract.offer.scope):
        raise ScopeExceedsOffer(field="/scope")
    if schedule is not None and schedule.format not in contract.offer.formats:
        raise ScheduleNotOffered(field="/schedule/format")
    if schedule is not None and schedule.transmission not in contract.offer.transmission:
        raise ScheduleNotOffered(field="/schedule/transmission")
    if schedule is not None and schedule.transmission == "push" and contract.repository is None:
        raise ScheduleNotOffered("The contract names no repository to push to.", field="/schedule/transmission")


def _add_items(activation: Activation, items: tuple[ItemIn, ...], first: int) -> None:
    country = platform().config.country
    ActivationItem.objects.bulk_create(
        ActivationItem(
            activation=activation,
            position=first + index,
            pod=item.pod,
            key=pod_key(item.pod, country),
            proof=item.proof,
        )
        for index, item in enumerate(items)
    )


def acknowledge(activation: Activation, kind: StatementType, counts: dict[str, int]) -> Recorded:
    """A statement to the Market Place about this activation; counts only."""
    return state(
        kind,
        transaction_id=activation.subscription_id,
        subject=activation.activation_id,
        parties=(my_access_number(), activation.requester),
        counts=counts,
    )


def find(activation_id: str, requester: str) -> Activation:
    """The caller's activation. Raises `UnknownActivation`."""
    found = Activation.objects.filter(activation_id=activation_id, requester=requester).first()
    if found is None:
        raise UnknownActivation
    return found


def _locked(activation_id: str, requester: str) -> Activation:
    """The caller's activation, not to be answered or changed by anyone else until the transaction is over.

    Whoever locks the epoch and an activation locks the epoch first: two orders would be a deadlock.
    """
    find(activation_id, requester)
    hold_epoch()
    return Activation.objects.select_for_update().get(pk=activation_id)


def refresh(activation_id: str, requester: str, change: Refresh) -> Activated:
    """Add PODs to, and remove PODs from, a running activation; a POD is compared as its scheme writes it."""
    with transaction.atomic():
        activation = _locked(activation_id, requester)
        frame_of(activation)
        count = _remove(activation, change.remove)
        last = activation.items.order_by("-position").values_list("position", flat=True).first()
        _add_items(activation, change.add, 0 if last is None else last + 1)
        wake([activation.pk])
        said = acknowledge(
            activation, "activation.refreshed.acknowledged", {"added": len(change.add), "removed": count}
        )
    return Activated(
        activation_id=activation_id,
        accepted_items=len(change.add),
        acknowledgement=Acknowledgement(statement=said.jws),
    )


def _remove(activation: Activation, pods: tuple[str, ...]) -> int:
    """End the items of these PODs, in the caller's transaction; how many."""
    country, count = platform().config.country, 0
    for some in pieces(pods):
        keys = {key for pod in some if (key := pod_key(pod, country))}
        count += _end_items(activation.items.filter(key__in=keys), "item_removed")
        count += _end_items(activation.items.filter(key="", pod__in=some), "item_removed")
    if count:
        advance_epoch()
    return count


def _end_items(items: QuerySet[ActivationItem], code: str) -> int:
    ended: int = items.exclude(state="ended").update(
        state="ended", code=code, detail=REFUSALS[code], answered_at=platform().now()
    )
    return ended


def end(activation_id: str, requester: str) -> Activation:
    """The requester needs the activation no longer: nothing moves under it from now on. Again is the same."""
    with transaction.atomic():
        activation = _locked(activation_id, requester)
        if activation.state != "ended":
            removed = end_in_place(activation, "activation_ended")
            acknowledge(activation, "activation.refreshed.acknowledged", {"added": 0, "removed": removed})
    return activation


def end_in_place(activation: Activation, code: str) -> int:
    """End an activation and its items with a code, in the caller's transaction; how many items."""
    count = _end_items(activation.items.filter(state__in=["accepted", "pending"]), code)
    activation.state, activation.ended_at = "ended", platform().now()
    activation.save(update_fields=["state", "ended_at"])
    advance_epoch()
    return count


def wake(activations: Iterable[str]) -> None:
    """Have the worker look at the pending items again."""
    for some in pieces(activations):
        Activation.objects.filter(pk__in=some).exclude(state="ended").update(
            work_state=WorkState.PENDING, due_at=platform().now(), leased_until=None, attempts=0, state="requested"
        )


def wake_waiting(requester: str) -> None:
    """A requester may have answers again: look at all that waits for one."""
    waiting = ActivationItem.objects.filter(activation__requester=requester, state="pending")
    wake(set(waiting.values_list("activation_id", flat=True)))


def answer(activation_id: str) -> Counts:
    """Decide every pending item (step 7), tell the requester, and the Market Place the counts. Safe to repeat: where
    it has been said and nothing is decided anew, nothing is said again.

    While it decides, no consent ends: whatever ends one waits, and finds the answered items.
    """
    with transaction.atomic():
        hold_epoch()
        activation = Activation.objects.select_for_update().get(pk=activation_id)
        frame = frame_of(activation)
        items = list(activation.items.filter(state__in=["pending", "accepted"]))
        taken = {item.key for item in items if item.state == "accepted"}
        waiting = [item for item in items if item.state == "pending"]
        material = gather(waiting, frame)
        for item in waiting:
            _note(item, Refused("pod_duplicate") if item.key and item.key in taken else material.decide(item))
            taken.add(item.key)
        save_answers(waiting)
        if activation.state == "answered" and all(item.state == "pending" for item in waiting):
            return count(activation)
        activation.state = "answered"
        activation.save(update_fields=["state"])
        counts = count(activation)
        acknowledge(activation, "provision.confirmed", _numbers(counts))
        tell(activation, counts)
    return counts


def save_answers(items: list[ActivationItem]) -> None:
    """Write what was noted on items, in few queries."""
    write_back(items, ANSWER)


def _note(item: ActivationItem, decision: Decision) -> None:
    if isinstance(decision, Pending):
        item.point = decision.point
        return
    item.answered_at = platform().now()
    if isinstance(decision, Refused):
        item.state, item.code, item.detail = "refused", decision.code, REFUSALS[decision.code]
        return
    item.state, item.code, item.detail = "accepted", "", ""
    item.point, item.consent_item = decision.point, decision.consent_item
    item.pseudonym, item.access_until = decision.pseudonym, decision.access_until
    note_days(item, decision)


def note_days(item: ActivationItem, accepted: Accepted) -> None:
    """Write the holder's days on an item."""
    item.first, item.until = accepted.days[0].first, accepted.days[-1].until
    item.stretches = [day.document() for day in accepted.days]


def count(activation: Activation) -> Counts:
    """How many items stand how."""
    found = dict(activation.items.order_by().values_list("state").annotate(Count("pk")))
    return Counts(found.get("accepted", 0), found.get("refused", 0), found.get("pending", 0))


def _numbers(counts: Counts) -> dict[str, int]:
    return {"accepted": counts.accepted, "refused": counts.refused, "pending": counts.pending}


def tell(activation: Activation, counts: Counts) -> None:
    """Tell the requester that there are answers."""
    told = ActivationAnswered(activation_id=activation.activation_id, **_numbers(counts))
    notify(activation.requester, "activation.answered", activation.activation_id, told)


def consent_granted(consent: Consent) -> None:
    """A customer consented: look again at what waits for this consent's points.

    An answer under way has not seen the consent, and what it leaves waiting is not to be seen yet: it is waited for.
    """
    with transaction.atomic():
        hold_epoch()
        points = consent.items.values("point")
        waiting = ActivationItem.objects.filter(
            activation__requester=consent.requester, state="pending", point__in=points
        ).values_list("activation_id", flat=True)
        wake(set(waiting))


def consent_denied(requester: str, points: Iterable[int], subscriptions: Iterable[str]) -> int:
    """A customer refused: what waits for that customer's points is refused; how many items."""
    waiting = ActivationItem.objects.filter(
        activation__requester=requester,
        activation__subscription_id__in=list(subscriptions),
        state="pending",
        point__in=list(points),
    )
    with transaction.atomic():
        hold_epoch()
        touched = set(waiting.values_list("activation_id", flat=True))
        code = "consent_denied"
        refused = waiting.update(state="refused", code=code, detail=REFUSALS[code], answered_at=platform().now())
        for activation in Activation.objects.filter(pk__in=touched):
            tell(activation, count(activation))
    return refused
