"""Following what ended: consents, contracts, stays. The gate sees each at once; here it is written down and told."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from meterhall.domain.protocol.activations import REFUSALS
from meterhall.domain.protocol.base import Period
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import count, end_in_place, save_answers, tell
from meterhall.provider.consents.epoch import hold_epoch
from meterhall.provider.contracts.models import Contract
from meterhall.provider.points.holders import Holders
from meterhall.web.platform import platform
from meterhall.web.sets import pieces


def end_with_contracts() -> int:
    """End the activations whose contract has ended; how many."""
    over = Contract.objects.exclude(ended_at=None).values("subscription_id")
    running = Activation.objects.filter(is_sandbox=False, subscription_id__in=over).exclude(state="ended")
    names = list(running.values_list("pk", flat=True))
    for name in names:
        with transaction.atomic():
            hold_epoch()
            end_in_place(Activation.objects.select_for_update().get(pk=name), "contract_ended")
    return len(names)


def end_with_consents() -> int:
    """End the accepted items whose consent was withdrawn or has run out; how many. Their requester heard of it."""
    now = platform().now()
    accepted = ActivationItem.objects.filter(state="accepted")
    revoked = accepted.filter(consent_item__ended_at__isnull=False)
    expired = accepted.filter(consent_item__ended_at=None, consent_item__access_until__lte=now)
    return _end(revoked, "consent_revoked") + _end(expired, "consent_expired")


def _end(items: QuerySet[ActivationItem], code: str) -> int:
    ended = 0
    for some in pieces(items.values_list("pk", flat=True)):
        ended += ActivationItem.objects.filter(pk__in=some, state="accepted").update(
            state="ended", code=code, detail=REFUSALS[code], answered_at=platform().now()
        )
    return ended


def cut_to_holders(since: int) -> int:
    """Cut the accepted items of points whose holders changed after epoch `since`, and tell; how many changed.

    Nothing ends meanwhile, so that no item is written back as it was before it ended.
    """
    moved = ActivationItem.objects.filter(
        state="accepted", point__holders_epoch__gt=since, consent_item__isnull=False
    ).select_related("consent_item__consent", "activation")
    with transaction.atomic():
        hold_epoch()
        items = list(moved)
        holders = Holders(item.point_id for item in items if item.point_id)
        changed = [item for item in items if _cut(item, holders)]
        save_answers(changed)
        for some in pieces({item.activation_id for item in changed}):
            for activation in Activation.objects.filter(pk__in=some):
                tell(activation, count(activation))
    return len(changed)


def _cut(item: ActivationItem, holders: Holders) -> bool:
    """Note the days that are left to an item; whether they are others than before."""
    if item.consent_item is None or item.point_id is None:
        return False
    bound = Period.model_validate(item.activation.scope["period"]) if item.activation.scope.get("period") else None
    days = holders.held(item.point_id, item.consent_item.consent.holder_reference, bound)
    if [day.document() for day in days] == item.stretches:
        return False
    item.stretches = [day.document() for day in days]
    if days:
        item.first, item.until = days[0].first, days[-1].until
    else:
        item.state, item.code, item.detail = "ended", "moved_out", REFUSALS["moved_out"]
    item.answered_at = platform().now()
    return True
