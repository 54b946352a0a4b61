"""Building a version of a delivery: curves out of the lake into files, a signed manifest around them.

Files are written first, whole or not at all; then one transaction makes them a version. A crash in between leaves files
that the next attempt writes again under the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

import numpy as np
from django.db import transaction

from meterhall.domain.consent import Refused
from meterhall.domain.privacy import check_difference, check_group
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import commitment, digest
from meterhall.domain.protocol.deliveries import MANIFEST_TYP, DataRequest, Manifest, Part
from meterhall.domain.protocol.events import DeliveryReady
from meterhall.domain.protocol.keys import sign
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import CivilCurve, CivilSeries, Curve, Direction, GroupCurve, LoadCurve, Quality
from meterhall.domain.readings import Series as CurveSeries
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.granularity import Granularity, parse_granularity
from meterhall.domain.readings.groups import sum_curves
from meterhall.domain.readings.resampling import resample
from meterhall.formats import FORMATS, PartHeader
from meterhall.provider.activations.models import ActivationItem
from meterhall.provider.activations.service import frame_of
from meterhall.provider.consents.service import covering, epoch
from meterhall.provider.deliveries.models import Delivery, DeliveryPart, DeliveryVersion, GroupAnswered, PushJob
from meterhall.provider.deliveries.service import accepted_items, live_parts, minimum_group
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, series_of_points, spec
from meterhall.web.home import write_private
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import notify, state
from meterhall.web.platform import platform
from meterhall.web.work.engine import NotYet

PODS_A_PART = 50


@dataclass(slots=True)
class Drawn:
    """A file as written, not yet part of a version."""

    part: Part
    path: str
    items: list[ActivationItem]


@dataclass(slots=True)
class Tally:
    """What passed through an encoder."""

    readings: int = 0
    missing: int = 0
    pseudonyms: set[str] = field(default_factory=set)

    def counted(self, curves: Iterator[Curve]) -> Iterator[Curve]:
        """The same curves, counted on the way."""
        for curve in curves:
            there = int(curve.present.sum())
            self.readings += there
            self.missing += len(curve) - there
            self.pseudonyms.add(curve.series.usage_point)
            yield curve


def build(delivery: Delivery) -> None:
    """Build and publish the delivery's next version. Safe to repeat."""
    request = DataRequest.model_validate(delivery.request)
    seen = epoch()
    allowed = allowed_items(delivery, request)
    kept = kept_parts(delivery, allowed)
    cursor = lake().changes(None, series_ids=[])[1]
    having = {item.pk for part in kept for item in part.items.all()}
    fresh = [item for item in allowed if item.pk not in having]
    drawn = _draw_group(delivery, request, allowed) if request.group else _draw(delivery, request, fresh)
    _publish(delivery, request, kept, drawn, cursor, seen)


def allowed_items(delivery: Delivery, request: DataRequest) -> list[ActivationItem]:
    """The items whose consent holds now for what is asked."""
    frame = frame_of(delivery.activation)
    items = accepted_items(delivery.activation, request)
    if frame.is_sandbox:
        return items
    return [item for item in items if may_have(item, frame.scope)]


def may_have(item: ActivationItem, scope: DataScope) -> bool:
    """Whether the consent the item was accepted under still holds."""
    if item.point is None or item.consent_item is None:
        return False
    activation = item.activation
    found = covering(activation.requester, activation.subscription_id, item.point, scope, item.consent_item.consent)
    return not isinstance(found, Refused)


def kept_parts(delivery: Delivery, allowed: list[ActivationItem]) -> list[DeliveryPart]:
    """The parts of the newest version that stay: every POD in them still allowed, no value in them changed."""
    if delivery.version == 0 or DataRequest.model_validate(delivery.request).group:
        return []
    may = {item.pk for item in allowed}
    changed = _changed_points(delivery)
    return [
        part
        for part in live_parts(delivery).prefetch_related("items")
        if all(item.pk in may and item.point_id not in changed for item in part.items.all())
    ]


def _changed_points(delivery: Delivery) -> set[int]:
    series = {one.pk: one.point_id for one in Series.objects.filter(point__activationitem__parts__delivery=delivery)}
    changes, _ = lake().changes(delivery.lake_cursor or None, series_ids=list(series))
    return {series[number] for number, _ in changes}


def _draw(delivery: Delivery, request: DataRequest, items: list[ActivationItem]) -> list[Drawn]:
    first = _next_number(delivery)
    groups = [items[at : at + PODS_A_PART] for at in range(0, len(items), PODS_A_PART)]
    return [
        _write(delivery, request, first + index, some, individual_curves(request, some))
        for index, some in enumerate(groups)
    ]


def _next_number(delivery: Delivery) -> int:
    newest = delivery.parts.order_by("-number").first()
    return newest.number + 1 if newest else 1


def individual_curves(request: DataRequest, items: list[ActivationItem], *, whole: bool = False) -> Iterator[Curve]:
    """The curve of each item in each direction, in the granularity asked for, under its pseudonym.

    Each covers the days its holder may have; with `whole` all days asked for, missing where not the holder's.
    """
    for direction in request.directions:
        series = series_of_points([item.point for item in items if item.point], direction)
        for item in items:
            if item.point is not None and (one := series.get(item.point_id or 0)) is not None:
                yield _curve(one, item, request, whole)


def days_of(item: ActivationItem, period: Period) -> Period:
    """The requested days cut to the holder's."""
    first = max(period.first, item.first or period.first)
    until = min(period.until, item.until or period.until)
    return Period(first=first, until=max(first, until))


def _curve(series: Series, item: ActivationItem, request: DataRequest, whole: bool) -> Curve:
    zone = ZoneInfo(series.point.zone)
    days = days_of(item, request.period)
    start, end = midnight(zone, days.first), midnight(zone, days.until)
    known = CurveSeries(item.pseudonym, series.resolution_s, Direction(series.direction), series.scale)
    blocks = list(lake().read([spec(series)], start, end))
    curve = LoadCurve(
        known,
        start,
        np.concatenate([block.mantissas for block in blocks]) if blocks else np.empty(0, np.int64),
        np.concatenate([block.quality for block in blocks]) if blocks else np.empty(0, np.uint8),
        max((block.available_at for block in blocks if block.available_at), default=platform().now()),
    )
    if whole:
        curve = curve.stretched(midnight(zone, request.period.first), midnight(zone, request.period.until))
    wanted = parse_granularity(request.granularity)
    return curve if wanted.period_s == series.resolution_s else resample(curve, wanted, zone).curve()


def _draw_group(delivery: Delivery, request: DataRequest, items: list[ActivationItem]) -> list[Drawn]:
    members = sorted({item.point_id for item in items if item.point_id})
    check_group(len(members), minimum_group(delivery.activation))
    earlier = GroupAnswered.objects.filter(requester=delivery.requester).exclude(delivery=delivery)
    check_difference(
        {str(one) for one in members},
        [{str(one) for one in points} for points in earlier.values_list("points", flat=True)],
        minimum_group(delivery.activation),
    )
    name = str(uuid5(NAMESPACE_URL, f"urn:meterhall:group:{delivery.delivery_id}"))
    sums = (_sum(request, items, direction, name) for direction in request.directions)
    return [_write(delivery, request, _next_number(delivery), items, iter(sums))]


def _sum(request: DataRequest, items: list[ActivationItem], direction: str, name: str) -> Curve:
    single = request.model_copy(update={"directions": (direction,)})
    curves = list(individual_curves(single, items, whole=True))
    known = max(curve.available_at for curve in curves)
    return _group_curve(sum_curves(curves), name, parse_granularity(request.granularity), Direction(direction), known)


def _group_curve(
    total: GroupCurve, name: str, granularity: Granularity, direction: Direction, known: datetime
) -> Curve:
    quality = np.full(len(total.mantissas), Quality.DERIVED, np.uint8)
    if granularity.civil:
        civil = CivilSeries(name, granularity, direction, total.scale)
        return CivilCurve(civil, total.edges, total.mantissas, quality, known)
    series = CurveSeries(name, granularity.period_s, direction, total.scale)
    return LoadCurve(series, total.start, total.mantissas, quality, known)


def _write(
    delivery: Delivery, request: DataRequest, number: int, items: list[ActivationItem], curves: Iterator[Curve]
) -> Drawn:
    form, tally = FORMATS[request.format], Tally()
    header = _header(delivery, number, items)
    content = b"".join(form.encode(tally.counted(curves), header))
    relative = f"{delivery.delivery_id}/{number}.{form.extension}"
    path = folder() / relative
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, content)
    part = Part(
        number=number,
        media_type=form.media_type,
        extension=form.extension,
        size_bytes=len(content),
        digest=digest(content),
        pseudonyms=tuple(sorted(tally.pseudonyms)),
        readings=tally.readings,
        missing=tally.missing,
    )
    return Drawn(part, relative, items)


def _header(delivery: Delivery, number: int, items: list[ActivationItem]) -> PartHeader:
    zones = {item.pseudonym: item.point.zone for item in items if item.point}
    return PartHeader(
        delivery_id=delivery.delivery_id,
        part_number=number,
        provider=my_access_number(),
        provider_name=platform().config.name,
        base_url=platform().base_url,
        zones=zones,
        default_zone=platform().config.zone,
        title=f"Delivery {delivery.delivery_id}, part {number}",
        published_at=delivery.created_at,
        updated_at=platform().now(),
    )


def folder() -> Path:
    """Where the parts are."""
    return platform().home.path / "files" / "deliveries"


def _publish(
    delivery: Delivery, request: DataRequest, kept: list[DeliveryPart], drawn: list[Drawn], cursor: str, seen: int
) -> None:
    now = platform().now()
    before = delivery.versions.order_by("-version").first()
    manifest = _manifest(delivery, request, before, kept, drawn, now)
    with transaction.atomic():
        if epoch() != seen:
            raise NotYet(0.1)
        gone = live_parts(delivery).exclude(pk__in=[part.pk for part in kept])
        stale = [part.path for part in gone]
        gone.update(replaced_reason=delivery.reason)
        for one in drawn:
            row = DeliveryPart.objects.create(
                delivery=delivery, number=one.part.number, path=one.path, document=one.part.document()
            )
            row.items.set(one.items)
        jws = sign(manifest.document(), platform().transport_key, typ=MANIFEST_TYP)
        version = DeliveryVersion.objects.create(
            delivery=delivery,
            version=manifest.version,
            manifest=manifest.document(),
            digest=manifest.fingerprint(),
            jws=jws,
            published_at=now,
        )
        if request.group:
            points = sorted({item.point_id for one in drawn for item in one.items})
            GroupAnswered.objects.update_or_create(
                delivery=delivery, defaults={"requester": delivery.requester, "points": points}
            )
        if request.transmission == "push":
            PushJob.objects.create(version=version, due_at=now)
        delivery.version, delivery.state, delivery.lake_cursor = manifest.version, "published", cursor
        delivery.save(update_fields=["version", "state", "lake_cursor"])
        _tell(delivery, manifest)
    for path in stale:
        (folder() / path).unlink(missing_ok=True)


def _manifest(
    delivery: Delivery,
    request: DataRequest,
    before: DeliveryVersion | None,
    kept: list[DeliveryPart],
    drawn: list[Drawn],
    now: datetime,
) -> Manifest:
    parts = [Part.model_validate(part.document) for part in kept] + [one.part for one in drawn]
    had = set(_pseudonyms(Manifest.model_validate(before.manifest))) if before else set()
    have = {name for part in parts for name in part.pseudonyms}
    return Manifest(
        delivery_id=delivery.delivery_id,
        version=delivery.version + 1,
        supersedes=before.digest if before else None,
        reason=delivery.reason,  # type: ignore[arg-type]
        activation_id=delivery.activation.activation_id,
        subscription_id=delivery.activation.subscription_id,
        provider=my_access_number(),
        requester=delivery.requester,
        created_at=now,
        period=request.period,
        granularity=request.granularity,
        format=request.format,
        group_size=len({item.point_id for one in drawn for item in one.items}) if request.group else None,
        commitment_salt=delivery.salt,
        parts=tuple(sorted(parts, key=lambda part: part.number)),
        withdrawn=tuple(sorted(had - have)),
    )


def _pseudonyms(manifest: Manifest) -> Iterator[str]:
    return (name for part in manifest.parts for name in part.pseudonyms)


def _tell(delivery: Delivery, manifest: Manifest) -> None:
    state(
        "delivery.published",
        transaction_id=manifest.subscription_id,
        subject=f"{manifest.delivery_id}:{manifest.version}",
        parties=(manifest.provider, manifest.requester),
        counts={"readings": manifest.readings, "parts": len(manifest.parts)},
        commitments={"manifest": commitment(manifest.commitment_salt, manifest.fingerprint())},
    )
    ready = DeliveryReady(
        delivery_id=manifest.delivery_id, version=manifest.version, activation_id=manifest.activation_id
    )
    notify(manifest.requester, "delivery.ready", manifest.delivery_id, ready)
