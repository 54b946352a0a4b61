"""Drawing the files of a delivery: curves of readings, of sums or of forecasts, encoded, written, described as parts.

A file is written whole or not at all, under a name of this attempt; what a crash leaves `build` sweeps.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from meterhall.domain.privacy import GroupTooSmall
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest, ForecastMade, GroupAnswer, NotForecast, Part
from meterhall.domain.readings import Curve
from meterhall.domain.readings.civil import midnight
from meterhall.formats import FORMATS, PartHeader
from meterhall.formats.base import Block
from meterhall.formats.packing import SUFFIXES, packed
from meterhall.provider.deliveries.curves import (
    PODS_A_PART,
    curves_by_item,
    pods_at_once,
    with_series,
)
from meterhall.provider.deliveries.entitled import Entitled, Member
from meterhall.provider.deliveries.forecasts import forecast_all, forecast_each, told_by, with_history
from meterhall.provider.deliveries.groups import (
    GroupGranularity,
    answered,
    check_granularity,
    check_sum,
    curve_names,
    minimum_group,
    names_of,
)
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.sums import told_over
from meterhall.web.home import write_private
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.platform import platform


@dataclass(frozen=True, slots=True)
class Drawn:
    """A file as written, in no version yet."""

    part: Part
    path: str
    members: Sequence[Member]
    group: GroupAnswer | None = None
    row: int = 0
    """Its primary key, once it is laid down."""


@dataclass(slots=True)
class Drawing:
    """The new files of a version, and of what there is no forecast."""

    files: list[Drawn] = field(default_factory=list)
    absent: list[NotForecast] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What went into an encoder, and how long the file is that comes out."""

    readings: int = 0
    missing: int = 0
    pseudonyms: set[str] = field(default_factory=set)
    size: int = 0
    _hashed: Any = field(default_factory=hashlib.sha256)

    def counted(self, curves: Iterator[Curve]) -> Iterator[Curve]:
        """The same curves, counted on the way."""
        for curve in curves:
            there = int(curve.present.sum())
            self.readings += there
            self.missing += len(curve) - there
            self.pseudonyms.add(curve.series.usage_point)
            yield curve

    def weighed(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The same blocks, measured on the way."""
        for block in blocks:
            self.size += memoryview(block).nbytes
            self._hashed.update(block)
            yield block

    @property
    def digest(self) -> str:
        """Of all blocks."""
        return f"sha-256:{self._hashed.hexdigest()}"


def draw_curves(delivery: Delivery, request: DataRequest, members: Iterable[Entitled], most: int) -> Iterator[Drawn]:
    """A curve for each member and direction, at most so many members a file.

    Members are taken as they come, as many as may be read at once, and not held.
    """
    number, left = _next_number(delivery), iter(members)
    while batch := list(islice(left, pods_at_once(request, most))):
        curves = curves_by_item(request, batch)
        for at in range(0, len(batch), most):
            some = batch[at : at + most]
            theirs = (curve for one in some for curve in curves.get(one.item.pk, []))
            yield _write(delivery, request, number, some, theirs)
            number += 1


def draw_forecasts(delivery: Delivery, request: DataRequest, members: list[Entitled]) -> Drawing:
    """The same of forecasts: from readings as known when it was asked for, so that a later version has the same."""
    number, drawing = _next_number(delivery), Drawing()
    for at in range(0, len(members), PODS_A_PART):
        some, made = forecast_each(request, members[at : at + PODS_A_PART], delivery.created_at)
        drawing.absent += made.absent
        if some:
            place = number + len(drawing.files)
            drawing.files.append(_write(delivery, request, place, some, iter(made.curves), made.said))
    return drawing


def _next_number(delivery: Delivery) -> int:
    newest = delivery.parts.order_by("-number").values_list("number", flat=True).first()
    return (newest or 0) + 1


def draw_sum(delivery: Delivery, request: DataRequest, allowed: list[Entitled]) -> Drawing:
    """The sum over the members; a later version whose sum would give somebody away has none."""
    members, asked = with_series(request, allowed), told_by(request, delivery.is_forecast)
    try:
        check_sum((one.member for one in members), asked, minimum_group(delivery.activation))
    except GroupTooSmall:
        if not delivery.version:
            raise
        return Drawing()
    names = names_of(delivery, request)
    past = with_history(request, members) if delivery.is_forecast else members
    curves, told = told_over(asked, past, names, delivery.created_at if delivery.is_forecast else None)
    withheld = any(one.withheld for one in told)
    points = {one.point.pk for one in members}
    try:
        check_granularity(answered(asked.period, request.directions), points, request.granularity, withheld)
    except GroupGranularity:
        if not delivery.version:
            raise
        return Drawing()
    drawing = draw_group(delivery, request, members, curves, ZoneInfo(members[0].point.zone))
    group = GroupAnswer(curves=curve_names(names), months=told)
    return Drawing([replace(one, group=group) for one in drawing.files], drawing.absent)


def draw_group(
    delivery: Delivery, request: DataRequest, members: Sequence[Entitled], curves: list[Curve], zone: ZoneInfo
) -> Drawing:
    """The file of a group's measures, or of their forecasts; none where nothing could be forecast."""
    number = _next_number(delivery)
    if not delivery.is_forecast:
        return Drawing([_write(delivery, request, number, members, iter(curves))])
    made = forecast_all(curves, request, zone, delivery.created_at)
    files = [_write(delivery, request, number, members, iter(made.curves), made.said)] if made.curves else []
    return Drawing(files, made.absent)


def _write(
    delivery: Delivery,
    request: DataRequest,
    number: int,
    members: Sequence[Entitled],
    curves: Iterator[Curve],
    forecasts: Sequence[ForecastMade] | None = None,
) -> Drawn:
    form, tally = FORMATS[request.format], Tally()
    blocks = packed(form.encode(tally.counted(curves), _header(delivery, number, members)), request.compression)
    extension = form.extension + SUFFIXES[request.compression]
    relative = f"{delivery.delivery_id}/{number}-{secrets.token_hex(4)}.{extension}"
    path = folder() / relative
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, tally.weighed(blocks))
    part = Part(
        number=number,
        media_type=form.media_type,
        extension=extension,
        compression=request.compression,
        size_bytes=tally.size,
        digest=tally.digest,
        pseudonyms=tuple(sorted(tally.pseudonyms)),
        readings=tally.readings,
        missing=tally.missing,
        forecasts=None if forecasts is None else tuple(forecasts),
    )
    return Drawn(part, relative, [one.member for one in members])


def _header(delivery: Delivery, number: int, members: Sequence[Entitled]) -> PartHeader:
    title = f"Delivery {delivery.delivery_id}, part {number}"
    days = Period(first=delivery.first, until=delivery.until)
    header = header_of(delivery.delivery_id, title, delivery.requester, days, members, delivery.created_at)
    return replace(header, part_number=number)


def header_of(
    name: str, title: str, requester: str, days: Period, members: Sequence[Entitled], published_at: datetime
) -> PartHeader:
    """What a file of these members' curves says besides them; `name` is what it is called in its own addresses."""
    config, mine = platform().config, {one.point.zone for one in members}
    zones = [ZoneInfo(zone) for zone in {config.zone, *mine}]
    return PartHeader(
        delivery_id=name,
        provider=my_access_number(),
        provider_name=config.name,
        base_url=platform().base_url,
        zones={one.item.pseudonym: one.point.zone for one in members},
        default_zone=config.zone,
        title=title,
        published_at=published_at,
        updated_at=platform().now(),
        requester=requester,
        country=config.country,
        period=(
            min(midnight(zone, days.first) for zone in zones),
            max(midnight(zone, days.until) for zone in zones),
        ),
    )


def folder() -> Path:
    """Where the parts are."""
    return platform().home.path / "files" / "deliveries"
