"""Sums over groups: who may be in one, and that no sum, held against others, gives a single member away."""

from __future__ import annotations

from collections.abc import Iterable, Set
from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

from django.db.models import Q

from meterhall.domain.errors import InvalidInput
from meterhall.domain.forecasting import HISTORY_DAYS
from meterhall.domain.privacy import GroupTooSmall, check_difference, check_group, check_percentile
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest, GroupCurveName, Measure
from meterhall.domain.readings.measures import PERCENTILES, rank
from meterhall.provider.activations.models import Activation
from meterhall.provider.contracts.service import contract_in_force
from meterhall.provider.deliveries.entitled import Member
from meterhall.provider.deliveries.models import NEVER_HAD, Delivery, GroupAnswered, PartContent
from meterhall.web.platform import platform
from meterhall.web.sets import pieces


def minimum_group(activation: Activation) -> int:
    """The fewest PODs a sum may stand for: the offer's, never below the provider's own."""
    own = platform().config.minimum_group
    if activation.is_sandbox:
        return own
    offer = contract_in_force(activation.subscription_id, activation.requester).offer
    return max(own, offer.minimum_group or own)


def check_sum(members: Iterable[Member], request: DataRequest, minimum: int) -> None:
    """Refuse, with `GroupTooSmall`, a sum that gives a member away: alone, or held against what was given before.

    Sums count whoever had them, since two requesters may collude; so do curves of single members.
    """
    known = list(members)
    points = {one.point_id for one in known}
    check_group(len(points), minimum, field="/group")
    check_measures(request, len(points), minimum)
    earlier = [set(one.points) for one in answered(request.period, request.directions)]
    check_difference(points, earlier, minimum, field="/group")
    hidden = {one.point_id for one in known if not one.is_individual}
    if hidden:
        left = points - seen_alone(points, request.period)
        if left & hidden and len(left) < minimum:
            raise GroupTooSmall("Too few of its members are not known one by one.", field="/group")


def check_measures(request: DataRequest, size: int, minimum: int) -> None:
    """Refuse, with `GroupTooSmall`, a percentile with too few members on either side."""
    for measure in request.measures or ():
        if measure in PERCENTILES:
            check_percentile(rank(PERCENTILES[measure], size), size, minimum, field="/measures")


def names_of(delivery: Delivery, request: DataRequest) -> dict[Measure, str]:
    """Under which name each measure stands in the files; that of the sum is the group's."""
    group = f"urn:meterhall:group:{delivery.pk}"
    return {
        one: str(uuid5(NAMESPACE_URL, group if one == "sum" else f"{group}:{one}"))
        for one in request.measures or ("sum",)
    }


def curve_names(names: dict[Measure, str]) -> tuple[GroupCurveName, ...]:
    """As the manifest says it."""
    return tuple(GroupCurveName(measure=one, pseudonym=name) for one, name in names.items())


def seen_alone(points: set[int], period: Period) -> set[int]:
    """The points whose own curve has been delivered for days of the period, or a forecast made from them: it may be
    one of them again."""
    behind = timedelta(days=HISTORY_DAYS + 1)
    readings = Q(part__delivery__is_forecast=False, first__lt=period.until, until__gt=period.first)
    forecasts = Q(part__delivery__is_forecast=True, first__lt=period.until + behind, first__gt=period.first)
    seen: set[int] = set()
    for some in pieces(points):
        had = PartContent.objects.exclude(part__replaced_reason__in=NEVER_HAD)
        contents = had.filter(readings | forecasts, item__point__in=some)
        seen.update(contents.exclude(part__delivery__request__group=True).values_list("item__point", flat=True))
    return seen


class GroupGranularity(InvalidInput):
    code = "group_granularity"
    title = "Slots of this group are withheld, and would follow from another granularity than it was given in."


def answered(period: Period, directions: Iterable[str]) -> list[GroupAnswered]:
    """What was told of groups on days of the period in one of the directions, to whomever."""
    overlapping = GroupAnswered.objects.filter(first__lt=period.until, until__gt=period.first)
    return [one for one in overlapping if set(one.directions) & set(directions)]


def check_granularity(given: Iterable[GroupAnswered], points: Set[int], granularity: str, withheld: bool) -> None:
    """Refuse, with `GroupGranularity`, to tell a group in a second granularity where slots are withheld in one."""
    for other in given:
        if (withheld or other.withheld) and other.granularity != granularity and set(other.points) == points:
            raise GroupGranularity(field="/granularity")


def note_sum(delivery: Delivery, request: DataRequest, points: set[int], withheld: bool) -> None:
    """Remember that the sum over these points is given away, of the request's days; for good, also when a later version
    is over fewer.

    Raises `GroupGranularity`.
    """
    period = request.period
    check_granularity(answered(period, request.directions), points, request.granularity, withheld)
    known = GroupAnswered.objects.filter(delivery=delivery)
    if all(set(one.points) != points or one.withheld != withheld for one in known):
        GroupAnswered.objects.create(
            delivery=delivery,
            first=period.first,
            until=period.until,
            directions=list(request.directions),
            points=sorted(points),
            granularity=request.granularity,
            withheld=withheld,
        )
