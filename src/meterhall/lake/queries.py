"""The SQL of the lake, in DuckDB's dialect. Only text is made here; nothing runs.

Every query of days reads `read_parquet($files)` and one of the tables `wanted(series_id)` and `keys(series_id, day)`. A
calculation is one aggregate a slot (`sum("values"[i])`) over whole lists: unnesting is many times slower, and wrong on
engines that pair lists up.
"""

# ruff: noqa: S608  (names and numbers below are this module's own; what a caller says travels as a parameter)
from __future__ import annotations

from collections.abc import Sequence
from typing import Final

BY_SERIES: Final = "wanted w on r.series_id = w.series_id"
BY_DAY: Final = "keys k on r.series_id = k.series_id and r.day = k.day"

_CHOSEN: Final = """with chosen as (
  select r.* from read_parquet($files, hive_partitioning = false) r semi join {join}
  where r.day between $first_day::date and $last_day::date and r.series_id between $lowest and $highest{known}
)"""

_NEWEST: Final = """,
corrected as (select series_id, day, max(version) as newest from chosen where version > 1 group by series_id, day),
latest as (
  select c.* from chosen c left join corrected n on c.series_id = n.series_id and c.day = n.day
  where n.newest is null or c.version = n.newest
)"""


def latest(*, join: str, corrected: bool, known: bool = False) -> str:
    """The `with` clause that ends in `latest`: the newest version of each wanted day.

    Only the few corrected days are looked up; where no file has any (`corrected` false) not even those. `known` keeps
    what was known at `$known_us`.
    """
    chosen = _CHOSEN.format(join=join, known=" and epoch_us(r.available_at) <= $known_us" if known else "")
    return chosen + (_NEWEST if corrected else ", latest as (select * from chosen)")


def days(clause: str) -> str:
    """The newest version of each wanted day, in no order."""
    columns = 'series_id, day, version, epoch_us(available_at) as available_us, "values", quality'
    return f"{clause} select {columns} from latest"


def versions(clause: str) -> str:
    """The newest version number of each wanted day, in no order."""
    return f"{clause} select series_id, day, version from latest"


def slot_sums(clause: str, *, per_slot: int, slots: Sequence[int]) -> str:
    """Per UTC day, the sum (`s0`, `s1`, …) and exact count (`c0`, …) over the group for each of these coarser slots.

    Slot n holds the stored slots from n × `per_slot` on. A member counts in it only with all its parts there: null plus
    anything is null.
    """
    terms = [" + ".join(f'"values"[{slot * per_slot + part + 1}]' for part in range(per_slot)) for slot in slots]
    sums = ", ".join(f"sum({term})::bigint as s{n}" for n, term in enumerate(terms))
    counts = ", ".join(f"count({term}) as c{n}" for n, term in enumerate(terms))
    return f"{clause} select day, {sums}, {counts} from latest group by day"


def changes(*, wanted: bool) -> str:
    """The distinct series and days that came after commit `$since`, up to `$until`; of wanted series only if asked."""
    join = f" semi join {BY_SERIES}" if wanted else ""
    return f"""select distinct r.series_id, r.day from read_parquet($files, hive_partitioning = false) r{join}
where r.sequence > $since and r.sequence <= $until order by all"""
