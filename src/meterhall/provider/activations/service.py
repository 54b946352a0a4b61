"""Commands about activations: request, refresh, answer, end."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from meterhall.domain.consent import Refused
from meterhall.domain.errors import Conflict, InvalidInput, NotFound
from meterhall.domain.protocol.activations import (
    REFUSALS,
    Activated,
    ActivationRequest,
    ActivationView,
    ItemAnswer,
    Refresh,
)
from meterhall.domain.protocol.activations import ActivationItem as ItemIn
from meterhall.domain.protocol.base import Acknowledgement, Period
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.events import ActivationAnswered
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.protocol.statements import StatementType
from meterhall.provider.activations.decide import Accepted, Decision, Frame, decide
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.contracts.models import SandboxAccess
from meterhall.provider.contracts.service import SANDBOX_SUBSCRIPTION, NoContract, contract_in_force
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import Recorded, notify, state
from meterhall.web.platform import platform
from meterhall.web.work.models import WorkState


class ScopeExceedsOffer(InvalidInput):
    code = "scope_exceeds_offer"
    title = "The contract's offer does not cover the data asked for."


class PeriodMissing(InvalidInput):
    code = "period_missing"
    title = "An activation of historical data names its reading period."


class UnknownActivation(NotFound):
    code = "unknown_activation"
    title = "There is no such activation, or it is not the caller's."


class ActivationEnded(Conflict):
    code = "activation_ended"
    title = "The activation has ended."


@dataclass(frozen=True, slots=True)
class Counts:
    accepted: int
    refused: int
    pending: int


def frame_of(activation: Activation) -> Frame:
    """What holds for all items: the contract in force and the scope. Raises `NoContract`."""
    scope = DataScope.model_validate(activation.scope)
    if activation.is_sandbox:
        access = _sandbox_access(activation.requester)
        return Frame(activation.requester, SANDBOX_SUBSCRIPTION, scope, access.until, True)
    contract = contract_in_force(activation.subscription_id, activation.requester)
    return Frame(activation.requester, activation.subscription_id, scope, contract.access_until, False)


def _sandbox_access(requester: str) -> SandboxAccess:
    access = (
        SandboxAccess.objects.filter(access_number=requester, until__gt=platform().now()).order_by("-until").first()
    )
    if access is None:
        raise NoContract("The sandbox is open to a certifier during its run only.")
    return access


def request_activation(request: ActivationRequest, requester: str, *, is_sandbox: bool) -> Activated:
    """Take a list of PODs (step 6); the worker answers. Raises `NoContract`, `ScopeExceedsOffer`, `PeriodMissing`."""
    if request.scope.timing == "historical" and request.scope.period is None:
        raise PeriodMissing(field="/scope/period")
    if is_sandbox:
        _sandbox_access(requester)
    else:
        contract = contract_in_force(request.subscription_id, requester)
        if not request.scope.within(contract.offer.scope):
            raise ScopeExceedsOffer(field="/scope")
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


def _add_items(activation: Activation, items: tuple[ItemIn, ...], first: int) -> None:
    ActivationItem.objects.bulk_create(
        ActivationItem(activation=activation, position=first + index, pod=item.pod, proof=item.proof)
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


def refresh(activation_id: str, requester: str, change: Refresh) -> Activated:
    """Add PODs to, and remove PODs from, a running activation."""
    activation = find(activation_id, requester)
    if activation.state == "ended":
        raise ActivationEnded
    frame_of(activation)
    with transaction.atomic():
        removed = activation.items.filter(pod__in=change.remove).exclude(state="ended")
        count = removed.update(state="ended", code="", answered_at=platform().now())
        first = activation.items.count()
        _add_items(activation, change.add, first)
        wake(activation)
        said = acknowledge(
            activation, "activation.refreshed.acknowledged", {"added": len(change.add), "removed": count}
        )
    return Activated(
        activation_id=activation_id,
        accepted_items=len(change.add),
        acknowledgement=Acknowledgement(statement=said.jws),
    )


def wake(activation: Activation) -> None:
    """Have the worker look at the pending items again."""
    Activation.objects.filter(pk=activation.pk).update(
        work_state=WorkState.PENDING, due_at=platform().now(), leased_until=None, attempts=0, state="requested"
    )


def answer(activation: Activation) -> Counts:
    """Decide every pending item (step 7), tell the requester, and the Market Place the counts. Safe to repeat."""
    frame = frame_of(activation)
    seen: set[str] = set()
    with transaction.atomic():
        for item in activation.items.all():
            if item.state == "pending":
                _write(item, _decide(item, frame, seen))
            if item.state != "ended":
                seen.add(item.pod)
        counts = count(activation)
        activation.state = "answered"
        activation.work_state = WorkState.DONE
        activation.save(update_fields=["state", "work_state"])
        _tell(activation, counts)
    return counts


def _decide(item: ActivationItem, frame: Frame, seen: set[str]) -> Decision:
    return Refused("pod_duplicate") if item.pod in seen else decide(item, frame)


def _write(item: ActivationItem, decision: Decision) -> None:
    if isinstance(decision, Accepted):
        item.state, item.code, item.detail = "accepted", "", ""
        item.point, item.consent_item = decision.point, decision.consent_item
        item.pseudonym = decision.pseudonym
        item.first, item.until = decision.days.first, decision.days.until
        item.access_until = decision.access_until
    elif isinstance(decision, Refused):
        item.state, item.code, item.detail = "refused", decision.code, REFUSALS[decision.code]
    else:
        item.point = decision.point
        item.save(update_fields=["point"])
        return
    item.answered_at = platform().now()
    item.save()


def count(activation: Activation) -> Counts:
    """How many items stand how."""
    states = list(activation.items.values_list("state", flat=True))
    return Counts(states.count("accepted"), states.count("refused"), states.count("pending"))


def _tell(activation: Activation, counts: Counts) -> None:
    numbers = {"accepted": counts.accepted, "refused": counts.refused, "pending": counts.pending}
    acknowledge(activation, "provision.confirmed", numbers)
    told = ActivationAnswered(activation_id=activation.activation_id, **numbers)
    notify(activation.requester, "activation.answered", activation.activation_id, told)


def answers(activation: Activation) -> list[ActivationItem]:
    """The items in the order they were submitted."""
    return list(activation.items.select_related("consent_item__consent"))


def item_answer(item: ActivationItem) -> ItemAnswer:
    """The answer for one POD as its requester sees it."""
    accepted = item.state == "accepted" and item.first is not None and item.until is not None
    consent = item.consent_item.consent if item.consent_item else None
    return ItemAnswer(
        pod=item.pod,
        state=item.state,  # type: ignore[arg-type]
        code=item.code or None,
        detail=item.detail or None,
        pseudonym=item.pseudonym or None,
        consent_id=consent.consent_id if consent else None,
        assurance=consent.assurance if consent else None,
        readings=Period(first=item.first, until=item.until) if accepted else None,  # type: ignore[arg-type]
        access_until=item.access_until,
        consent_url=f"{platform().portal_url}/oauth/authorize" if item.state == "pending" else None,
    )


def view(activation: Activation) -> ActivationView:
    """The activation with its counts."""
    counts = count(activation)
    return ActivationView(
        activation_id=activation.activation_id,
        subscription_id=activation.subscription_id,
        state=activation.state,  # type: ignore[arg-type]
        scope=DataScope.model_validate(activation.scope),
        accepted=counts.accepted,
        refused=counts.refused,
        pending=counts.pending,
    )


def consent_granted(requester: str, handles: set[str]) -> None:
    """A customer consented: look again at the pending items of these points."""
    waiting = Activation.objects.filter(
        requester=requester, items__state="pending", items__point__handle__in=handles
    ).distinct()
    for activation in waiting:
        wake(activation)
