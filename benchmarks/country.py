"""Meter data of a country: as many meters as asked for, made from the packaged ones, and the same each time.

A meter's quarter hours are those of a packaged household, scaled, shifted by whole weeks so that working days stay
working days, each hour's energy spread over its quarters by noise; every fifth meter's are those of a standard load
profile (household, trade, farm), scaled, with noise. A value depends on nothing but the meter's number
and the quarter hour, so that blocks may be cut as one likes; memory is that of a block.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from meterhall.demo import meters
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.days import EPOCH_DAY
from meterhall.domain.readings.rows import DayMatrix, epoch_us
from meterhall.lake import Lake
from meterhall.lake.layout import Versions

DATA_SETS = ("opengrid_2016", "citylearn")
WEEK_H, WEEKS = 168, 17
"""The packaged hours begin on a Thursday, as 1970 did, and hold so many whole weeks."""
SLOTS = 96
PROFILES = Path(__file__).parent / "data" / "standard_profiles.csv"
KINDS, EACH = ("H25", "G25", "L25"), 5
"""Standard load profiles, and of how many meters one follows one."""
YEARLY_KWH = 1_000_000
BLOCK = 1_000_000
"""Values made at a time."""
KNOWN = datetime(2027, 1, 1, tzinfo=UTC)
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


@cache
def packaged() -> NDArray[np.float32]:
    """The packaged households' hours in Wh, shape (meters, WEEKS * WEEK_H); a missing one is their mean."""
    start = int(datetime.combine(meters.FIRST_DAY, datetime.min.time(), UTC).timestamp())
    found = []
    for name in DATA_SETS:
        rows = meters.load(name).rows
        of, at = rows["meter"].cast("string"), rows["start"].cast(pa.timestamp("s", "UTC")).cast("int64")
        for meter in meters.load(name).names:
            mine = pc.equal(of, meter)
            place = (at.filter(mine).to_numpy() - start) // 3600
            values = np.full(WEEKS * WEEK_H, np.nan, np.float32)
            inside = (place >= 0) & (place < len(values))
            values[place[inside]] = (
                rows["energy_wh"].cast("float32").filter(mine).to_numpy(zero_copy_only=False)[inside]
            )
            found.append(np.where(np.isnan(values), np.nanmean(values), values))
    return np.stack(found)


@cache
def standard() -> NDArray[np.float32]:
    """The standard load profiles in Wh of a yearly use of 3,500 kWh, shape (KINDS, months, kinds of day, slots)."""
    with PROFILES.open(encoding="utf-8", newline="") as file:
        lines = [[float(value) for value in line[3:]] for line in list(csv.reader(file))[1:]]
    return np.array(lines, np.float32).reshape(len(KINDS), 12, 3, SLOTS) * np.float32(3_500 / YEARLY_KWH * 1000)


def _by_profile(numbers: NDArray[np.int64], first: date, days: int) -> NDArray[np.float32]:
    """Wh of meters that follow a standard profile, before they are scaled."""
    dates = [first + timedelta(days=number) for number in range(days)]
    kinds = [max(one.weekday() - 4, 0) for one in dates]
    months_ = [one.month - 1 for one in dates]
    return standard()[numbers // EACH % len(KINDS)][:, months_, kinds].reshape(len(numbers), days * SLOTS)


def _noise(numbers: NDArray[np.uint64]) -> NDArray[np.float32]:
    """For each number one in [0, 1), always the same: the finaliser of SplitMix64."""
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in _MIX:
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    return (mixed >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def readings(numbers: NDArray[np.int64], first: date, days: int) -> NDArray[np.int64]:
    """Wh of each meter in each quarter hour of UTC days, shape (meters, days * 96)."""
    hours, mine = packaged(), numbers.astype(np.uint64)
    factor = 0.4 + 2 * _noise(mine << np.uint64(33))
    weeks = (_noise(mine << np.uint64(34)) * WEEKS).astype(np.int64)
    begin = (first - EPOCH_DAY).days * 24
    place = (begin + np.arange(days * 24) + WEEK_H * weeks[:, None]) % (WEEKS * WEEK_H)
    energy = np.repeat(hours[(numbers % len(hours))[:, None], place] * (factor[:, None] / 4), 4, axis=1)
    by_profile = np.flatnonzero(numbers % EACH == EACH - 1)
    energy[by_profile] = _by_profile(numbers[by_profile], first, days) * factor[by_profile, None]
    slot = (begin * 4 + np.arange(days * SLOTS)).astype(np.uint64)
    spread = 0.5 + _noise((mine[:, None] << np.uint64(32)) + slot)
    return np.rint(energy * spread).astype(np.int64)


def months(first: date, until: date) -> Iterator[tuple[date, date]]:
    """The stretch between two days by calendar months."""
    while first < until:
        following = min((first + timedelta(days=32)).replace(day=1), until)
        yield first, following
        first = following


def write_file(path: Path, pods: list[str], first: date, until: date, zone: str = "UTC") -> int:
    """A file as a meter-data system hands it in: a value a row, civil day after civil day, in each all PODs; how many
    rows.

    The n-th POD is meter n.
    """
    count, at_once = 0, max(BLOCK // SLOTS, 1)
    schema = pa.schema([("pod", pa.string()), ("start", pa.timestamp("s", "UTC")), ("energy_wh", pa.int64())])
    with pq.ParquetWriter(path, schema, compression="zstd") as out:
        for number in range((until - first).days):
            day = first + timedelta(days=number)
            begin, end = (int(midnight(ZoneInfo(zone), one).timestamp()) for one in (day, day + timedelta(days=1)))
            for at in range(0, len(pods), at_once):
                some = pods[at : at + at_once]
                starts = pa.array(np.tile(np.arange(begin, end, 900), len(some)))
                names = pa.array(some).take(pa.array(np.repeat(np.arange(len(some)), (end - begin) // 900)))
                energy = between(np.arange(at, at + len(some)), begin, end).ravel()
                out.write_table(pa.table([names, starts.cast(schema.field("start").type), energy], schema=schema))
                count += len(energy)
    return count


def between(numbers: NDArray[np.int64], begin: int, end: int) -> NDArray[np.int64]:
    """Wh of each meter in each quarter hour between two instants (seconds since 1970 UTC), shape (meters, slots)."""
    first, last = begin // 86_400, (end - 1) // 86_400
    whole = readings(numbers, EPOCH_DAY + timedelta(days=first), last - first + 1)
    return whole[:, (begin - first * 86_400) // 900 : (end - first * 86_400) // 900]


def lay(lake: Lake, meters_: int, first: date, until: date) -> None:
    """Meters 1 to `meters_`, under these ids, as days straight into an empty lake, a commit a month; then compact."""
    for number, (begin, end) in enumerate(months(first, until), 1):
        with lake._table.writing():
            lake._table.commit(_versions(meters_, begin, (end - begin).days), ("bench", number))
    lake.compact()


def _versions(meters_: int, first: date, days: int) -> Iterator[Versions]:
    at_once, day = max(BLOCK // (days * SLOTS), 1), (first - EPOCH_DAY).days
    for at in range(1, meters_ + 1, at_once):
        numbers = np.arange(at, min(at + at_once, meters_ + 1))
        count = len(numbers) * days
        made = DayMatrix(
            np.repeat(numbers, days),
            np.tile(np.arange(day, day + days, dtype=np.int32), len(numbers)),
            readings(numbers, first, days).reshape(count, SLOTS),
            np.zeros((count, SLOTS), np.uint8),
        )
        yield Versions(made, np.ones(count, np.int32), np.full(count, epoch_us(KNOWN)))
