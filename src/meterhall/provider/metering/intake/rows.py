"""Tables made blocks of rows: long, a value a row, or wide, a column a slot of the civil day, or a day of the month."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from meterhall.domain.readings.curves import DAY_S, MISSING, Direction, Quality
from meterhall.domain.readings.granularity import Granularity
from meterhall.domain.readings.local_clock import civil_edges
from meterhall.domain.readings.rules import Rule
from meterhall.provider.metering.intake.amounts import amounts
from meterhall.provider.metering.intake.batches import PLACE, Batches, guarded
from meterhall.provider.metering.intake.blocks import MOST_TEXT, MOST_TOLD, BadReadingsFile, Block
from meterhall.provider.metering.intake.civil import civil_times, containing, nth
from meterhall.provider.metering.intake.profile import Profile
from meterhall.provider.metering.intake.tables import TABLES
from meterhall.provider.metering.intake.times import all_alike, days, times

KNOWN = np.isin(np.arange(256), [int(code) for code in Quality])


def read_table(path: Path, form: str, profile: Profile, grain: Granularity) -> Iterator[Block]:
    """The file's rows, block by block. Raises `BadReadingsFile` naming the column at fault."""
    return guarded(lambda: _blocks(path, form, profile, grain))


def _blocks(path: Path, form: str, profile: Profile, grain: Granularity) -> Iterator[Block]:
    table = TABLES[form](path, profile, grain)
    reader = _Rows(profile, grain, table)
    for batch in table.batches:
        if len(batch):
            yield from reader.blocks(batch)
    yield from reader.leftover()


class _Rows:
    """Turns batches into blocks; keeps count of the rows."""

    def __init__(self, profile: Profile, grain: Granularity, table: Batches) -> None:
        self._profile, self._columns, self._grain, self._table = profile, profile.columns, grain, table
        self._resolution_s = grain.period_s
        self._seen, self._told = 0, 0
        self._slots = profile.columns.slots(table.names)
        self._needs(table.names)

    def _needs(self, names: list[str]) -> None:
        columns, wide = self._columns, bool(self._columns.values)
        if twice := [name for name in names if names.count(name) > 1]:
            raise BadReadingsFile(f"The column {twice[0][:60]} is there twice.", field="/file")
        wanted = [] if self._profile.pod else [columns.pod]
        wanted += [columns.day] if columns.day else [columns.start]
        wanted += [columns.slot] if columns.slot else []
        wanted += [] if wide else [columns.value, columns.export, columns.end]
        for name in wanted:
            if name and name not in names:
                raise BadReadingsFile(f"There is no column {name}.", field=f"/{name}")
        if wide and not self._slots:
            raise BadReadingsFile(f"There is no column like {columns.values}.", field=f"/{columns.values}")

    def blocks(self, batch: pa.RecordBatch) -> Iterator[Block]:
        rows = self._places(batch)
        if self._slots:
            yield self._wide(batch, rows)
            return
        way = self._profile.direction if self._columns.export else None
        yield self._long(batch, rows, self._columns.value, way)
        if self._columns.export:
            yield self._long(batch, rows, self._columns.export, Direction.EXPORT)

    def leftover(self) -> Iterator[Block]:
        """The lines that are no rows of the table at all."""
        broken = self._table.broken
        if broken:
            count, places = len(broken), np.array(sorted(broken), np.int64)
            zeros = all_alike(0, count)
            nothing = np.full(count, MISSING, np.int64)
            quality, rules = np.zeros(count, np.uint8), np.array([broken[row] for row in sorted(broken)], np.uint8)
            unit = self._profile.unit
            yield Block([("", "")], zeros, places, zeros, zeros, nothing, 0, unit, quality, rules)

    def _places(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Where each row of the batch stands in the file, the lines that are no rows counted as well."""
        if PLACE in batch.schema.names:
            return np.asarray(batch[PLACE].to_numpy(), np.int64)
        first = self._seen
        self._seen += len(batch)
        rows = np.arange(first, self._seen, dtype=np.int64)
        if self._table.broken:
            odd = np.array(sorted(self._table.broken), np.int64)
            rows += np.searchsorted(odd - np.arange(len(odd)), rows, "right")
        return rows

    def _long(self, batch: pa.RecordBatch, rows: NDArray[np.int64], value: str, way: Direction | None) -> Block:
        profile, rules = self._profile, np.zeros(len(batch), np.uint8)
        points, which = self._points(batch, way, rules)
        stated, places, unreadable = amounts(batch[value], profile.decimal)
        rules[unreadable] = Rule.SCHEMA
        nothing = all_alike(0, len(batch))
        starts, again_s = (nothing, nothing) if self._grain.civil else self._starts(batch, rules)
        quality = self._quality(batch, rules)
        block = Block(points, which, rows, starts, again_s, stated, places, profile.unit, quality, rules)
        if self._grain.civil:
            self._civil(block, batch)
        self._tell(block, batch, rows)
        return block

    def _wide(self, batch: pa.RecordBatch, rows: NDArray[np.int64]) -> Block:
        """Each row's slots side by side; a column past the end of a shorter day or month must be empty, and then is
        nothing."""
        profile, slots, count = self._profile, len(self._slots), len(batch)
        rules = np.zeros(count, np.uint8)
        points, which = self._points(batch, None, rules)
        quality = self._quality(batch, rules)
        civil = self._grain.civil
        day, unreadable = (
            containing(batch[self._columns.day], profile, self._grain)
            if civil
            else days(batch[self._columns.day], profile.day_format)
        )
        rules[unreadable] = Rule.SCHEMA
        texts = [batch[name] for _, name in self._slots]
        kinds = {text.type for text in texts}
        column = pa.concat_arrays(texts if len(kinds) == 1 else [text.cast(pa.string()) for text in texts])
        stated, places, odd = amounts(column, profile.decimal)
        number = np.repeat(np.array([number for number, _ in self._slots], np.int64), count)
        again = np.tile(np.arange(count), slots)
        starts, past = nth(day[again], number, self._grain) if civil else self._slot_starts(day[again], number)
        rules = np.where(odd, np.uint8(Rule.SCHEMA), rules[again])
        rules[past & (rules == 0)] = Rule.SCHEMA if civil else Rule.CLOCK_GAP
        kept = ~past | (stated != MISSING) | odd
        block = Block(
            points, which[again][kept], rows[again][kept], starts[kept], all_alike(0, int(kept.sum())),
            stated[kept], places, profile.unit, quality[again][kept], rules[kept], dated=civil,
        )  # fmt: skip
        self._tell(block, batch, rows)
        return block

    def _points(
        self, batch: pa.RecordBatch, way: Direction | None, rules: NDArray[np.uint8]
    ) -> tuple[list[tuple[str, str]], NDArray[np.int64]]:
        names, profile = batch.schema.names, self._profile
        pods, which = [profile.pod], np.zeros(len(batch), np.int64)
        if not profile.pod:
            found, which = _coded(batch[self._columns.pod])
            rules[np.array([pod is None for pod in found], np.bool_)[which]] = Rule.SCHEMA
            pods = [pod or "" for pod in found]
        ways = [str(way or profile.direction)]
        if way is None and self._columns.direction in names:
            words, said = _coded(batch[self._columns.direction])
            ways = [str(profile.directions.get(word or "", word or profile.direction)) for word in words]
            which = which * len(ways) + said
        return [(pod, word) for pod in pods for word in ways], which

    def _starts(self, batch: pa.RecordBatch, rules: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        columns, profile = self._columns, self._profile
        if columns.day:
            day, odd = days(batch[columns.day], profile.day_format)
            number, places, bad = amounts(batch[columns.slot])
            bad |= odd | (number == MISSING) | (number < 1) | (number > DAY_S * 2 // self._resolution_s)
            starts, past = self._slot_starts(day, np.where(bad, 1, number))
            rules[bad | np.full(len(bad), places > 0)] = Rule.SCHEMA
            rules[past & (rules == 0)] = Rule.CLOCK_GAP
            return starts, all_alike(0, len(starts))
        is_end = profile.label == "end"
        at, again_s, never, bad = times(batch[columns.start], profile, is_end=is_end)
        rules[bad] = Rule.SCHEMA
        rules[never & (rules == 0)] = Rule.CLOCK_GAP
        if columns.end:
            end, _, _, odd = times(batch[columns.end], profile, is_end=True)
            rules[odd] = Rule.SCHEMA
            length = end - at
            fits = (length == self._resolution_s) | (length + again_s == self._resolution_s)
            fits |= length - again_s == self._resolution_s
            rules[~fits & (rules == 0)] = Rule.RESOLUTION
        return at - self._resolution_s if is_end else at, again_s

    def _civil(self, block: Block, batch: pa.RecordBatch) -> None:
        """What the rows say of when their civil day or month begins or ends."""
        columns, profile = self._columns, self._profile
        at, form = (columns.day, profile.day_format) if columns.day else (columns.start, profile.start_format)
        block.starts, block.dated, bad = civil_times(batch[at], profile, self._grain, form)
        block.are_ends = profile.label == "end" and not columns.day
        if columns.end:
            block.ends, dated, odd = civil_times(batch[columns.end], profile, self._grain, profile.start_format)
            bad = bad | odd | (dated != block.dated)
        block.rules[bad] = Rule.SCHEMA

    def _slot_starts(
        self, day: NDArray[np.int64], number: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The start of each day's slot of that number, from 1 on, and whether the day is over by then."""
        first, after = civil_edges(day, self._profile.clock)
        starts = first + (number - 1) * self._resolution_s
        return starts, starts >= after

    def _quality(self, batch: pa.RecordBatch, rules: NDArray[np.uint8]) -> NDArray[np.uint8]:
        name, usual = self._columns.quality, int(self._profile.quality)
        if name not in batch.schema.names:
            return np.broadcast_to(np.uint8(usual), len(batch))
        codes, places, bad = amounts(batch[name])
        codes = np.where(codes == MISSING, usual, codes)
        bad = bad | (codes < 0) | (codes > 255) | np.full(len(bad), places > 0)
        known: NDArray[np.uint8] = np.where(bad, 0, codes).astype(np.uint8)
        rules[(bad | ~KNOWN[known]) & (rules == 0)] = Rule.UNKNOWN_QUALITY
        return known

    def _tell(self, block: Block, batch: pa.RecordBatch, rows: NDArray[np.int64]) -> None:
        """Keep how the rows read that break a rule already, the first of them, and without the POD."""
        for place in np.unique(block.rows[block.rules != 0])[: MOST_TOLD - self._told].tolist():
            row = int(np.searchsorted(rows, place))
            told = (name for name in batch.schema.names if name not in (PLACE, self._columns.pod))
            said = (f"{name}={_said(batch[name][row])}" for name in told)
            block.texts[place] = "; ".join(said)[:MOST_TEXT]
            self._told += 1


def _said(field: pa.Scalar) -> str:
    """A value as a file would have it."""
    try:
        value = field.as_py()
    except (ValueError, OverflowError):  # a time outside of the calendar
        value = getattr(field, "value", None)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return "" if value is None else str(value)


def _coded(column: pa.Array) -> tuple[list[str | None], NDArray[np.int64]]:
    """The distinct texts and the place of each row's; the last is None where a row has none."""
    coded = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
    texts: list[str | None] = coded.dictionary.cast(pa.string()).to_pylist()
    codes = coded.indices
    texts = [(text or "").strip() or None for text in texts]
    if codes.null_count:
        codes = pc.fill_null(codes, len(texts))
        texts.append(None)
    return texts, np.asarray(codes.to_numpy(zero_copy_only=False), np.int64)
