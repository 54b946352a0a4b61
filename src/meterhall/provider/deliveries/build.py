"""Building a version of a delivery: curves into files, a signed manifest around them.

Files are written first, whole or not at all, under names of this attempt; then one transaction makes them a version,
unless meanwhile something ended or another attempt was faster. What a crash leaves is swept with the next version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import transaction

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import commitment
from meterhall.domain.protocol.deliveries import (
    MANIFEST_TYP,
    DataRequest,
    ForecastAnswer,
    GroupOf,
    Manifest,
    NotForecast,
    Part,
)
from meterhall.domain.protocol.events import DeliveryReady
from meterhall.domain.protocol.keys import sign
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.granularity import parse_granularity
from meterhall.lake import CursorExpired
from meterhall.provider.activations.models import ActivationItem
from meterhall.provider.activations.service import frame_of
from meterhall.provider.consents.epoch import epoch, hold_epoch
from meterhall.provider.deliveries.areas import Answer, answer, check_stretches, note_answer, told_stretches
from meterhall.provider.deliveries.curves import pods_a_part
from meterhall.provider.deliveries.drawing import (
    Drawing,
    Drawn,
    draw_curves,
    draw_forecasts,
    draw_group,
    draw_sum,
    folder,
)
from meterhall.provider.deliveries.entitled import (
    Entitled,
    accepted_in_pieces,
    accepted_items,
    content_holds,
    entitled,
)
from meterhall.provider.deliveries.forecasts import told_by
from meterhall.provider.deliveries.groups import (
    check_sum,
    minimum_group,
    note_sum,
)
from meterhall.provider.deliveries.models import Delivery, DeliveryPart, DeliveryVersion, PartContent, PushJob
from meterhall.provider.deliveries.service import NothingAccepted, live_parts
from meterhall.provider.metering.civil import day_after
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake
from meterhall.provider.metering.serving import lines_of, serving, shown_days
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import notify, state
from meterhall.web.platform import platform
from meterhall.web.sets import pieces
from meterhall.web.work.engine import NotYet


@dataclass(frozen=True, slots=True)
class Plan:
    """What the next version consists of: parts that stay, parts that go and why, files that are new."""

    kept: list[DeliveryPart]
    gone: dict[int, str]
    drawn: list[Drawn]
    lake_cursor: str
    epoch: int
    absent: Sequence[NotForecast] = ()
    answer: Answer | None = None


def build(delivery: Delivery) -> None:
    """Build and publish the delivery's next version, unless nothing about it is new. Safe to repeat."""
    request = DataRequest.model_validate(delivery.request)
    if request.over is not None:
        _build_over(delivery, request, request.over)
        return
    if not (delivery.version or delivery.is_forecast or request.group):
        _build_curves(delivery, request)
        return
    seen = epoch()
    cursor = lake().changes(None, series_ids=[])[1]
    may = entitled(frame_of(delivery.activation), _candidates(delivery, request), request.period)
    if not may and not delivery.version:
        raise NothingAccepted
    kept, gone = _sort_out(delivery, may)
    if delivery.version and not gone:
        Delivery.objects.filter(pk=delivery.pk).update(lake_cursor=cursor)
        return
    inside = contents_by_part(delivery)
    having = {content.item_id for part in kept for content in inside.get(part.pk, [])}
    fresh = [one for one in may.values() if one.item.pk not in having]
    drawn = _drawn(delivery, request, fresh)
    _publish(delivery, request, Plan(kept, gone, drawn.files, cursor, seen, drawn.absent))


def _drawn(delivery: Delivery, request: DataRequest, fresh: list[Entitled]) -> Drawing:
    if request.group:
        return draw_sum(delivery, request, fresh)
    if delivery.is_forecast:
        return draw_forecasts(delivery, request, fresh)
    return draw_curves(delivery, request, fresh, pods_a_part(request, len(fresh)))


def _build_curves(delivery: Delivery, request: DataRequest) -> None:
    """The first version of single curves, of however many items: never more of them in memory than are read at once."""
    seen, frame = epoch(), frame_of(delivery.activation)
    cursor = lake().changes(None, series_ids=[])[1]
    pods = len(request.pseudonyms) or delivery.activation.items.filter(state="accepted").count()
    items = accepted_in_pieces(delivery.activation, request)
    may = (one for some in items for one in entitled(frame, some, request.period).values())
    drawn = draw_curves(delivery, request, may, pods_a_part(request, pods))
    if not drawn.files:
        raise NothingAccepted
    _publish(delivery, request, Plan([], {}, drawn.files, cursor, seen))


def _build_over(delivery: Delivery, request: DataRequest, over: GroupOf) -> None:
    """The one version of a group of our own points. It is not corrected: what changed would be one member's change."""
    if delivery.version:
        return
    seen = epoch()
    frame_of(delivery.activation)
    cursor = lake().changes(None, series_ids=[])[1]
    told, known_at = told_by(request, delivery.is_forecast), delivery.created_at if delivery.is_forecast else None
    minimum = minimum_group(delivery.activation)
    stretches = told_stretches(told, over, minimum, forecast=delivery.is_forecast)
    check_stretches(stretches, told, minimum)
    found = answer(delivery, told, over, stretches, minimum, known_at)
    drawn = draw_group(delivery, request, [], found.curves, ZoneInfo(platform().config.zone))
    _publish(delivery, request, Plan([], {}, drawn.files, cursor, seen, drawn.absent, found))


def _candidates(delivery: Delivery, request: DataRequest) -> list[ActivationItem]:
    """At first what the request speaks of; a later version is never of more than an earlier one."""
    if not delivery.version:
        return accepted_items(delivery.activation, request)
    once = ActivationItem.objects.filter(contents__part__delivery=delivery).distinct()
    return list(once.select_related("point", "consent_item").order_by("position"))


def _sort_out(delivery: Delivery, may: dict[int, Entitled]) -> tuple[list[DeliveryPart], dict[int, str]]:
    """The parts of the newest version that stay: all in them still allowed, no value in them changed; and why the
    others go."""
    changed = changed_points(delivery)
    kept, gone = [], {part.pk: part.replaced_reason for part in _withheld(delivery)}
    inside = contents_by_part(delivery)
    for part in live_parts(delivery):
        contents = inside.get(part.pk, [])
        if not all(content_holds(content, may) for content in contents):
            gone[part.pk] = "revocation"
        elif any(content.item.point_id in changed for content in contents):
            gone[part.pk] = "correction"
        else:
            kept.append(part)
    return kept, gone


def contents_by_part(delivery: Delivery) -> dict[int, list[PartContent]]:
    """What is in the parts of the newest version, by the part's primary key."""
    found: dict[int, list[PartContent]] = {}
    contents = PartContent.objects.filter(part__delivery=delivery, part__replaced_reason="").select_related("item")
    for content in contents:
        found.setdefault(content.part_id, []).append(content)
    return found


def _withheld(delivery: Delivery) -> list[DeliveryPart]:
    """Parts taken away since the newest version was published."""
    newest = delivery.versions.order_by("-version").first()
    if newest is None:
        return []
    listed = [part["number"] for part in newest.manifest["parts"]]
    return list(delivery.parts.filter(number__in=listed).exclude(replaced_reason=""))


def changed_points(delivery: Delivery) -> set[int]:
    """The points in the newest version of which something changed that is in it: another holder's days are not.

    A forecast stays what it was: nothing in it was a reading.
    """
    if not delivery.version or delivery.is_forecast:
        return set()
    try:
        changes, _ = lake().changes(delivery.lake_cursor or None)
    except CursorExpired:
        return {one.point for one in _held(delivery)}
    changed = {number for number, _ in changes}
    points = {
        one for some in pieces(changed) for one in Series.objects.filter(pk__in=some).values_list("point", flat=True)
    }
    if not points:
        return set()
    contents: dict[int, list[_Held]] = {}
    for one in _held(delivery):
        if one.point in points:
            contents.setdefault(one.point, []).append(one)
    return _told_otherwise(DataRequest.model_validate(delivery.request), contents, changes)


def _told_otherwise(
    request: DataRequest, contents: Mapping[int, Sequence[_Held]], changes: Iterable[tuple[int, date]]
) -> set[int]:
    """The points of which a change is in what a part tells: a series changes nothing on days it does not serve."""
    wanted = parse_granularity(request.granularity)
    of_points = (
        one for some in pieces(contents)
        for one in Series.objects.filter(point__in=some, direction__in=request.directions)
    )  # fmt: skip
    lines = {line: serving(several, wanted) for line, several in lines_of(of_points).items()}
    series = {one.pk: one for several in lines.values() for one in several}
    changed = ((series[number], day) for number, day in changes if number in series)
    touched = [(one, day) for one, day in changed if any(_has(held, one, day) for held in contents[one.point_id])]
    alone = {one.point_id for one, _ in touched if len(lines[one.point_id, one.direction]) == 1}
    zones = {point: held[0].zone for point, held in contents.items() if point not in alone}
    shown = shown_days(((one, day) for one, day in touched if one.point_id in zones), lines, zones, wanted)
    return alone | {
        series[number].point_id
        for number, days in shown.items()
        for held in contents[series[number].point_id]
        if any(held.first <= day < held.until for day in days)
    }


class _Held(NamedTuple):
    """The days of a point in a part, and the point's zone."""

    point: int
    zone: str
    first: date
    until: date


def _held(delivery: Delivery) -> Iterator[_Held]:
    """What is in the parts of the newest version."""
    contents = PartContent.objects.filter(part__delivery=delivery, part__replaced_reason="", item__point__isnull=False)
    for row in contents.values_list("item__point_id", "item__point__zone", "first", "until").iterator():
        yield _Held(*row)


def _has(held: _Held, series: Series, day: date) -> bool:
    """Whether hours of a UTC day are in a part; of a civil day or month that rests under this date, all of them."""
    if series.civil:
        return held.first <= day and day_after(series.grain, day) <= held.until
    zone, start = ZoneInfo(held.zone), datetime.combine(day, time(), UTC)
    return midnight(zone, held.first) < start + timedelta(days=1) and start < midnight(zone, held.until)


def _publish(delivery: Delivery, request: DataRequest, plan: Plan) -> None:
    before = delivery.versions.order_by("-version").first()
    manifest, told = _manifest(delivery, request, before, plan), told_by(request, delivery.is_forecast)
    with transaction.atomic():
        if hold_epoch() != plan.epoch:
            raise NotYet(0.1)
        if Delivery.objects.select_for_update().get(pk=delivery.pk).version != delivery.version:
            raise NotYet(0.1)
        if plan.answer is not None:
            check_stretches([one.stretch for one in plan.answer.stretches], told, minimum_group(delivery.activation))
            note_answer(delivery, told, plan.answer)
        elif request.group and plan.drawn:
            members = plan.drawn[0].members
            check_sum(members, told, minimum_group(delivery.activation))
            group = plan.drawn[0].group
            withheld = group is not None and any(one.withheld for one in group.months)
            note_sum(delivery, told, {one.point_id for one in members}, withheld)
        for key, reason in plan.gone.items():
            DeliveryPart.objects.filter(pk=key).update(replaced_reason=reason)
        for one in plan.drawn:
            _keep(delivery, one)
        version = _version(delivery, manifest)
        if request.transmission == "push":
            PushJob.objects.create(version=version, due_at=manifest.created_at)
        delivery.version, delivery.state, delivery.lake_cursor = manifest.version, "published", plan.lake_cursor
        delivery.save(update_fields=["version", "state", "lake_cursor"])
        _tell(delivery, manifest)
    sweep(delivery)


def _keep(delivery: Delivery, drawn: Drawn) -> None:
    part = DeliveryPart.objects.create(
        delivery=delivery, number=drawn.part.number, path=drawn.path, document=drawn.part.document()
    )
    PartContent.objects.bulk_create(
        PartContent(part=part, item_id=one.item_id, first=days.first, until=days.until)
        for one in drawn.members
        for days in one.days
    )


def _version(delivery: Delivery, manifest: Manifest) -> DeliveryVersion:
    return DeliveryVersion.objects.create(
        delivery=delivery,
        version=manifest.version,
        manifest=manifest.document(),
        digest=manifest.fingerprint(),
        jws=sign(manifest.document(), platform().transport_key, typ=MANIFEST_TYP),
        published_at=manifest.created_at,
    )


def sweep(delivery: Delivery) -> None:
    """Remove the files that are in no part that may be had."""
    wanted = {Path(part.path).name for part in live_parts(delivery)}
    for file in (folder() / delivery.delivery_id).glob("*"):
        if file.name not in wanted:
            file.unlink(missing_ok=True)


def _manifest(delivery: Delivery, request: DataRequest, before: DeliveryVersion | None, plan: Plan) -> Manifest:
    parts = [Part.model_validate(part.document) for part in plan.kept] + [one.part for one in plan.drawn]
    had = set(_pseudonyms(Manifest.model_validate(before.manifest))) if before else set()
    have = {name for part in parts for name in part.pseudonyms}
    why = "revocation" if "revocation" in plan.gone.values() else "correction"
    return Manifest(
        delivery_id=delivery.delivery_id,
        version=delivery.version + 1,
        supersedes=before.digest if before else None,
        reason=why if before else delivery.reason,
        activation_id=delivery.activation.activation_id,
        subscription_id=delivery.activation.subscription_id,
        provider=my_access_number(),
        requester=delivery.requester,
        created_at=platform().now(),
        period=Period(first=delivery.first, until=delivery.until),
        granularity=request.granularity,
        format=request.format,
        group_size=_group_size(request, plan),
        group=plan.answer.group if plan.answer else next((one.group for one in plan.drawn), None),
        forecast=_forecast(delivery, before, plan),
        commitment_salt=delivery.salt,
        parts=tuple(sorted(parts, key=lambda part: part.number)),
        withdrawn=tuple(sorted(had - have)),
    )


def _forecast(delivery: Delivery, before: DeliveryVersion | None, plan: Plan) -> ForecastAnswer | None:
    """What is said of a forecast; what could not be forecast at first is not tried again."""
    if not delivery.is_forecast:
        return None
    said = Manifest.model_validate(before.manifest).forecast if before else None
    return said or ForecastAnswer(known_at=delivery.created_at, absent=tuple(plan.absent))


def _group_size(request: DataRequest, plan: Plan) -> int | None:
    if plan.answer is not None:
        return min(month.pods for month in plan.answer.group.months)
    return len({one.point_id for drawn in plan.drawn for one in drawn.members}) if request.group else None


def _pseudonyms(manifest: Manifest) -> Iterator[str]:
    return (name for part in manifest.parts for name in part.pseudonyms)


def _tell(delivery: Delivery, manifest: Manifest) -> None:
    state(
        "delivery.published",
        transaction_id=manifest.subscription_id,
        subject=f"{manifest.delivery_id}:{manifest.version}",
        parties=(manifest.provider, manifest.requester),
        counts={
            "readings": manifest.readings,
            "missing": sum(part.missing for part in manifest.parts),
            "parts": len(manifest.parts),
        },
        commitments={"manifest": commitment(manifest.commitment_salt, manifest.fingerprint())},
    )
    ready = DeliveryReady(
        delivery_id=manifest.delivery_id, version=manifest.version, activation_id=manifest.activation_id
    )
    notify(manifest.requester, "delivery.ready", manifest.delivery_id, ready)
