"""The SQL of the lake, each calculation described once, as text in the dialect of an engine. Nothing runs here.

Every query of days reads the files of a snapshot and one of the tables `wanted(series_id)` and `keys(series_id, day)`.
A calculation is one aggregate a slot (`sum("values"[i])`) over whole lists: unnesting is many times slower, and wrong
on engines that pair lists up. Rows come in no order.
"""

# ruff: noqa: S608  (names and numbers below are this module's own; what a caller says travels as a parameter)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine writes what the two write differently.

    `parameter`, `value` and `total` are formats: of a parameter's name, of the n-th value of a day (from 0; null where
    the day has fewer) as a number that may be added up, and of the sum of a term in whole numbers that does not wrap.
    `some` is that of how many values there are from the n-th to the m-th, from 1; empty where it has to be added up.
    """

    files: str
    wanted: str
    keys: str
    semi_join: str
    parameter: str
    microseconds: str
    values: str
    value: str
    total: str
    some: str = ""

    def named(self, name: str) -> str:
        """The parameter of this name."""
        return self.parameter.format(name)

    def slot(self, place: int) -> str:
        """The value of the day's n-th slot, from 0."""
        return self.value.format(place, place + 1)


DUCKDB: Final = Dialect(
    files="read_parquet($files, hive_partitioning = false)",
    wanted="wanted",
    keys="keys",
    semi_join="semi join",
    parameter="${}",
    microseconds="epoch_us",
    values='"values"',
    value='"values"[{1}]',
    total="sum({})::bigint",
    some='list_count("values"[{}:{}])',
)
SPARK: Final = Dialect(
    files="{files}",
    wanted="{wanted}",
    keys="{keys}",
    semi_join="left semi join",
    parameter=":{}",
    microseconds="unix_micros",
    values="`values`",
    value="cast(get(`values`, {0}) as decimal(38, 0))",
    total="sum({})",
)
"""Spark's, as Apache Spark and Sail understand it. A sum of bigint wraps on Sail without a word, so decimals are added;
`get` is null beyond a list's end, where `[…]` is an error, and half as fast again."""


_DEEP: Final = 64
"""Terms of one group of a sum."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The `with` clause that ends in `latest`: the newest version of each wanted day.

    Only the few corrected days are looked up; where no file has any (`corrected` false) not even those. `keyed` takes
    exactly the days of `keys`, else those of the series of `wanted`. `known` keeps what was known at `known_us`.
    """

    corrected: bool
    keyed: bool = False
    known: bool = False

    def sql(self, dialect: Dialect) -> str:
        """The clause."""
        of = dialect.named
        known = f" and {dialect.microseconds}(r.available_at) <= {of('known_us')}" if self.known else ""
        chosen = f"""with chosen as (
  select r.* from {dialect.files} r {_join(dialect, keyed=self.keyed)}
  where r.day between {of("first_day")} and {of("last_day")}
    and r.series_id between {of("lowest")} and {of("highest")}{known}
)"""
        return chosen + (_NEWEST if self.corrected else ", latest as (select * from chosen)")


_NEWEST: Final = """,
corrected as (select series_id, day, max(version) as newest from chosen where version > 1 group by series_id, day),
latest as (
  select c.* from chosen c left join corrected n on c.series_id = n.series_id and c.day = n.day
  where n.newest is null or c.version = n.newest
)"""


def days(dialect: Dialect, newest: Newest) -> str:
    """The newest version of each wanted day."""
    known = f"{dialect.microseconds}(available_at) as available_us"
    return f"{newest.sql(dialect)} select series_id, day, version, {known}, {dialect.values}, quality from latest"


def versions(dialect: Dialect, newest: Newest) -> str:
    """The newest version number of each wanted day."""
    return f"{newest.sql(dialect)} select series_id, day, version from latest"


def slot_sums(dialect: Dialect, newest: Newest, *, per_slot: int, slots: Sequence[int], largest: bool = False) -> str:
    """Per UTC day, the sum (`s0`, `s1`, …) and exact count (`c0`, …) over the group for each of these coarser slots,
    and if asked the largest member (`m0`, …) and when the youngest became known.

    Slot n holds the stored slots from n × `per_slot` on. A member counts in it only with all its parts there: null plus
    anything is null.
    """
    terms = [" + ".join(dialect.slot(slot * per_slot + part) for part in range(per_slot)) for slot in slots]
    sums = ", ".join(f"{dialect.total.format(term)} as s{n}" for n, term in enumerate(terms))
    counts = ", ".join(f"count({term}) as c{n}" for n, term in enumerate(terms))
    youngest = f", max({dialect.microseconds}(available_at)) as known_us"
    most = "".join(f", max({term}) as m{n}" for n, term in enumerate(terms)) + youngest if largest else ""
    return f"{newest.sql(dialect)} select day, {sums}, {counts}{most} from latest group by day"


def members(dialect: Dialect, newest: Newest) -> str:
    """How many of the wanted series have a day."""
    return f"{newest.sql(dialect)} select count(distinct series_id) as members from latest"


def lacking(dialect: Dialect, newest: Newest, *, slots: int, begin: int, end: int, one_day: bool) -> str:
    """The wanted series with fewer than `expected` values, and how many each has (`there`), from slot `begin` of the
    first day to slot `end`, excluded, of the last; a day has `slots`.
    """
    if one_day:
        there = _there(dialect, begin, end)
    else:
        of = dialect.named
        first, whole, last = (_there(dialect, *cut) for cut in ((begin, slots), (0, slots), (0, end)))
        there = f"""case when day = {of("first_day")} then {first} when day = {of("last_day")} then {last}
    else {whole} end"""
    return f"""{newest.sql(dialect)}, counted as (
  select series_id, sum({there}) as there from latest group by series_id
)
select w.series_id, cast(coalesce(c.there, 0) as bigint) as there
from {dialect.wanted} w left join counted c on w.series_id = c.series_id
where coalesce(c.there, 0) < {dialect.named("expected")}"""


def _there(dialect: Dialect, begin: int, end: int) -> str:
    """How many of these slots of a day have a value; in groups, since engines bound how deep a sum may go."""
    if begin >= end:
        return "0"
    if dialect.some:
        return dialect.some.format(begin + 1, end)
    terms = [f"cast({dialect.slot(slot)} is not null as integer)" for slot in range(begin, end)]
    groups = [" + ".join(terms[place : place + _DEEP]) for place in range(0, len(terms), _DEEP)]
    return "(" + " + ".join(f"({group})" for group in groups) + ")"


def changes(dialect: Dialect, *, wanted: bool) -> str:
    """The distinct series and days that came after commit `since`, up to `until`; of wanted series only if asked."""
    join = f" {_join(dialect, keyed=False)}" if wanted else ""
    return f"""select distinct r.series_id, r.day from {dialect.files} r{join}
where r.sequence > {dialect.named("since")} and r.sequence <= {dialect.named("until")}"""


def rows(dialect: Dialect) -> str:
    """How many rows the engine sees in the files."""
    return f"select count(*) as seen from {dialect.files} r"


def _join(dialect: Dialect, *, keyed: bool) -> str:
    if keyed:
        return f"{dialect.semi_join} {dialect.keys} k on r.series_id = k.series_id and r.day = k.day"
    return f"{dialect.semi_join} {dialect.wanted} w on r.series_id = w.series_id"
