"""Sums over groups: who may be in one, and that no sum, held against others, gives a single member away."""

from __future__ import annotations

from collections.abc import Iterable

from meterhall.domain.privacy import GroupTooSmall, check_difference, check_group
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.provider.activations.models import Activation
from meterhall.provider.contracts.service import contract_in_force
from meterhall.provider.deliveries.entitled import Entitled
from meterhall.provider.deliveries.models import Delivery, GroupAnswered, PartContent
from meterhall.provider.sets import pieces
from meterhall.web.platform import platform


def minimum_group(activation: Activation) -> int:
    """The fewest PODs a sum may stand for: the offer's, never below the provider's own."""
    own = platform().config.minimum_group
    if activation.is_sandbox:
        return own
    offer = contract_in_force(activation.subscription_id, activation.requester).offer
    return max(own, offer.minimum_group or own)


def check_sum(members: Iterable[Entitled], request: DataRequest, minimum: int) -> None:
    """Refuse, with `GroupTooSmall`, a sum that gives a member away: alone, or held against what was given before.

    Sums count whoever had them, since two requesters may collude; so do curves of single members.
    """
    known = list(members)
    points = {one.point.pk for one in known}
    check_group(len(points), minimum, field="/group")
    overlapping = GroupAnswered.objects.filter(first__lt=request.period.until, until__gt=request.period.first)
    earlier = [
        {str(point) for point in one.points} for one in overlapping if set(one.directions) & set(request.directions)
    ]
    check_difference({str(point) for point in points}, earlier, minimum, field="/group")
    hidden = {one.point.pk for one in known if not one.is_individual}
    if hidden:
        left = points - _seen_alone(points, request)
        if left & hidden and len(left) < minimum:
            raise GroupTooSmall("Too few of its members are not known one by one.", field="/group")


def _seen_alone(points: set[int], request: DataRequest) -> set[int]:
    """The points whose own curve has been delivered for days of the period."""
    seen: set[int] = set()
    for some in pieces(points):
        contents = PartContent.objects.filter(
            item__point__in=some, first__lt=request.period.until, until__gt=request.period.first
        ).exclude(part__delivery__request__group=True)
        seen.update(contents.values_list("item__point", flat=True))
    return seen


def note_sum(delivery: Delivery, request: DataRequest, points: set[int]) -> None:
    """Remember that the sum over these points is given away; for good, also when a later version is over fewer."""
    period = Period(first=delivery.first, until=delivery.until)
    known = GroupAnswered.objects.filter(delivery=delivery)
    if all(set(one.points) != points for one in known):
        GroupAnswered.objects.create(
            delivery=delivery,
            first=period.first,
            until=period.until,
            directions=list(request.directions),
            points=sorted(points),
        )
