"""Checking a part against its manifest before anything of it is stored or shown. Fetching is in `downloads`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal

import numpy as np

from meterhall.client.downloads import digest_of
from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import Manifest, Part
from meterhall.domain.readings import CivilCurve, Curve, Granularity, Rule, parse_granularity
from meterhall.domain.readings.rows import MANTISSA_MAX
from meterhall.formats import FORMATS
from meterhall.formats.packing import unpacked

RejectionCode = Literal["digest_mismatch", "format_invalid", "incomplete", "unreadable"]
MOST_BYTES = 1024 * 1024 * 1024
"""The largest part, unpacked, that is read."""
Foreign = Callable[[Iterable[str]], Iterable[str]]
"""Of these pseudonyms those that are not of the activation."""
ZONE_SLACK = timedelta(hours=14)
"""A civil day begins and ends at most this far from the UTC day of the same date."""


class Rejected(Exception):
    """A part is not what its manifest says; the delivery is answered with a rejection of this code."""

    def __init__(self, code: RejectionCode, detail: str) -> None:
        super().__init__(detail)
        self.code: RejectionCode = code
        self.detail = detail


def check_bytes(path: Path, part: Part) -> None:
    """Size and digest."""
    if path.stat().st_size != part.size_bytes or digest_of(path) != part.digest:
        raise Rejected("digest_mismatch", f"Part {part.number} is not the file of the manifest's digest.")


def decode(path: Path, part: Part, manifest: Manifest) -> list[Curve]:
    """The curves in a part. Raises `Rejected` as unreadable."""
    try:
        content = path.read_bytes()
        return list(FORMATS[manifest.format].decode(unpacked(content, part.compression, MOST_BYTES)))
    except (MeterhallError, ValueError, KeyError) as fault:
        reason = fault.detail if isinstance(fault, MeterhallError) else type(fault).__name__
        raise Rejected("unreadable", f"Part {part.number} cannot be read as {manifest.format}: {reason}") from fault


def check_content(curves: list[Curve], part: Part, manifest: Manifest, foreign: Foreign) -> None:
    """Counts, usage points, granularity and period against the manifest; each value against the rules of storing."""
    _check_points(curves, part, manifest, foreign)
    readings = sum(int(curve.present.sum()) for curve in curves)
    missing = sum(len(curve) for curve in curves) - readings
    if readings != part.readings or missing > part.missing:
        raise Rejected(
            "incomplete",
            f"Part {part.number} holds {readings} readings and {missing} gaps; announced are {part.readings} and "
            f"{part.missing}.",
        )
    granularity = parse_granularity(manifest.granularity)
    for curve in curves:
        _check_slots(curve, part, manifest, granularity)
        _check_values(curve, part)
    _check_repeats(curves, part)


def _check_points(curves: list[Curve], part: Part, manifest: Manifest, foreign: Foreign) -> None:
    found = {curve.series.usage_point for curve in curves}
    if not found <= set(part.pseudonyms):
        raise Rejected("format_invalid", f"Part {part.number} holds a usage point the manifest does not name.")
    if manifest.group_size is None and any(foreign(found)):
        raise Rejected("format_invalid", f"Part {part.number} holds a usage point that was not activated.")


def granularity_of(curve: Curve) -> Granularity:
    """In which slots a curve comes."""
    return curve.series.granularity if isinstance(curve, CivilCurve) else Granularity(curve.series.resolution_s)


def _check_slots(curve: Curve, part: Part, manifest: Manifest, granularity: Granularity) -> None:
    if granularity_of(curve) != granularity:
        raise Rejected("format_invalid", f"Part {part.number} is not in the manifest's granularity.")
    if not is_within(curve, manifest.period, granularity):
        raise Rejected("format_invalid", f"Part {part.number} holds readings outside the manifest's period.")


def is_within(curve: Curve, period: Period, granularity: Granularity) -> bool:
    """Whether a curve lies on the civil days of a period, whatever its zone is."""
    slack = max(timedelta(days=granularity.most_days), ZONE_SLACK)
    first, until = _midnight(period.first), _midnight(period.until)
    return not len(curve) or (curve.start >= first - slack and curve.end <= until + slack)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _check_values(curve: Curve, part: Part) -> None:
    values = curve.mantissas[curve.present]
    least, most = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if curve.series.direction != "net" and least < 0:
        raise Rejected("format_invalid", f"Part {part.number}: {Rule.NEGATIVE.sentence} ({Rule.NEGATIVE.id})")
    if max(-least, most) > MANTISSA_MAX:
        raise Rejected("format_invalid", f"Part {part.number}: {Rule.UNIT.sentence} ({Rule.UNIT.id})")


def _check_repeats(curves: list[Curve], part: Part) -> None:
    """No slot of a series comes twice."""
    series: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        series.setdefault((curve.series.usage_point, curve.series.direction), []).append(curve)
    for several in series.values():
        if len(several) == 1:
            continue
        slots = np.concatenate([curve.starts[curve.present] for curve in several])
        if len(np.unique(slots)) < len(slots):
            raise Rejected("format_invalid", f"Part {part.number} gives a slot twice.")
