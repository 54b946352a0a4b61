"""Files of whole curves, read by `formats`: ESPI and CIM, in XML or JSON. A usage point's name is a POD, and each curve
says itself how long its slots are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from meterhall.domain.errors import TooLarge
from meterhall.domain.readings.amounts import Unit
from meterhall.domain.readings.civil_curves import CivilCurve, Curve
from meterhall.domain.readings.curves import MISSING
from meterhall.domain.readings.granularity import CIVIL_WEEK, Granularity
from meterhall.domain.readings.rules import Rule
from meterhall.formats import FORMATS, DecodeError, espi
from meterhall.provider.metering.intake.blocks import MOST_TOLD, BadReadingsFile, Block
from meterhall.provider.metering.intake.profile import Profile

OF_CURVES: Final = ("espi", "cim", "cim_json")
MOST_BYTES: Final = 256 * 1024 * 1024


class DocumentTooLarge(TooLarge):
    code = "document_too_large"
    title = "A file of ESPI or CIM is read as a whole and is at most 256 MiB; cut it, or send a table."


def read_curves(path: Path, form: str, profile: Profile, grain: Granularity) -> Iterator[Block]:
    """The values of each curve; `grain` is that of a register's readings, which do not say it.

    Raises `BadReadingsFile` and `DocumentTooLarge`.
    """
    if path.stat().st_size > MOST_BYTES:
        raise DocumentTooLarge(field="/file")
    try:
        content = path.read_bytes()
        found = espi.decode_apart(content) if form == "espi" else espi.Apart([], FORMATS[form].decode(content), [], [])
    except DecodeError as fault:
        raise BadReadingsFile(f"{fault.detail} ({fault.field})", field=fault.field) from fault
    seen = 0
    for curves, registers in ((found.deltas, False), (found.unsaid, None)):
        for curve in curves:
            there = np.flatnonzero(curve.present)
            if len(there):
                block = replace(_block(curve, there, seen, profile), registers=registers)
                yield _aside(block, Rule.RESOLUTION, str(CIVIL_WEEK)) if block.grain == CIVIL_WEEK else block
                seen += len(there)
    for loose in (*found.registers, *found.others):
        if len(loose.values):
            yield _loose(loose, seen, profile, grain)
            seen += len(loose.values)


def _loose(loose: espi.Loose, seen: int, profile: Profile, grain: Granularity) -> Block:
    """A register's readings at their instants; or weeks and readings of something else, kept as a text only."""
    count, ends = len(loose.values), profile.label == "end"
    block = Block(
        points=[(profile.pod or loose.usage_point, str(loose.direction))],
        which=np.zeros(count, np.int64),
        rows=np.arange(seen, seen + count, dtype=np.int64),
        starts=loose.ends - grain.period_s * ends,
        again_s=np.zeros(count, np.int64),
        stated=loose.values,
        places=-loose.scale,
        unit=Unit.WH,
        quality=loose.quality,
        rules=np.zeros(count, np.uint8),
        are_ends=grain.civil and ends,
        registers=True,
    )
    if loose.reason:
        block.starts = loose.starts.copy()
        return _aside(block, Rule.RESOLUTION if loose.reason == str(CIVIL_WEEK) else Rule.NOT_ENERGY, loose.reason)
    return block


def _aside(block: Block, rule: Rule, reason: str) -> Block:
    """The block as one whose rows all break a rule; they are kept as a text only."""
    told = zip(block.rows[:MOST_TOLD].tolist(), block.stated[:MOST_TOLD].tolist(), strict=True)
    return replace(
        block,
        points=[(pod, "") for pod, _ in block.points],  # no series is made for it
        rules=np.full(len(block), rule, np.uint8),
        texts={row: f"value={value}e{-block.places}; {reason}" for row, value in told},
        stated=np.full(len(block), MISSING, np.int64),
        ends=None, are_ends=False, registers=False, grain=None,
    )  # fmt: skip


def _block(curve: Curve, there: np.ndarray, seen: int, profile: Profile) -> Block:
    count = len(there)
    grain = curve.series.granularity if isinstance(curve, CivilCurve) else Granularity(curve.series.resolution_s)
    return Block(
        points=[(profile.pod or curve.series.usage_point, str(curve.series.direction))],
        which=np.zeros(count, np.int64),
        rows=np.arange(seen, seen + count, dtype=np.int64),
        starts=np.asarray(curve.starts[there], np.int64),
        again_s=np.zeros(count, np.int64),
        stated=curve.mantissas[there],
        places=-curve.series.scale,
        unit=Unit.WH,
        quality=curve.quality[there],
        rules=np.zeros(count, np.uint8),
        ends=np.asarray(curve.edges[1:][there], np.int64) if grain.civil else None,
        grain=grain,
    )
