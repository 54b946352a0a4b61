"""What a file of readings looks like: the settings of a call, or a TOML file that the provider keeps under a name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from meterhall.domain.errors import InvalidInput, NotFound
from meterhall.domain.readings.amounts import Unit
from meterhall.domain.readings.curves import Direction, Quality
from meterhall.domain.readings.granularity import CIVIL_WEEK, Granularity, UnknownGranularity, parse_granularity

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")


class BadProfile(InvalidInput):
    code = "bad_profile"
    title = "The profile does not describe a file of readings."


class UnknownProfile(NotFound):
    code = "unknown_profile"
    title = "There is no profile of this name in the home's folder intake/."


def _one_character(text: str) -> str:
    if len(text) != 1:
        raise ValueError("it is one character")
    return text


Character = Annotated[str, AfterValidator(_one_character)]


class Columns(BaseModel):
    """What each column is called. An empty name: the file has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pod: str = Field("pod", description="The POD.")
    start: str = Field("start", description="When the slot starts, or ends where `label` says so.")
    end: str = Field("", description="When the slot ends; must be one slot later, checked row by row.")
    day: str = Field(
        "",
        description="The civil day; with `slot` or `values`, instead of `start`. Without them of P1D and P1M; with "
        "`values` of P1D the month, of P1M the year.",
    )
    slot: str = Field("", description="Which slot of the civil day, from 1 on: hours to 25, quarter-hours to 100.")
    value: str = Field("energy_wh", description="The amount.")
    export: str = Field("", description="The amount fed in, where a row has both; `value` is then what was drawn.")
    values: str = Field(
        "",
        description="Wide files: the name of a slot's column with `{n}` for its number from 1 on, as in `H{n}`; of P1D "
        "for the day of the month, of P1M for the month of the year.",
    )
    direction: str = Field("direction", description="import, export or net, or a word of `directions`.")
    quality: str = Field("quality", description="The ESPI code of the value.")

    def slots(self, names: list[str]) -> list[tuple[int, str]]:
        """Which of a file's columns are of slots, with their number, in order."""
        if not self.values:
            return []
        before, _, after = self.values.partition("{n}")
        form = re.compile(re.escape(before) + r"0*(\d{1,3})" + re.escape(after))
        found = [(int(match[1]), name) for name in names if (match := form.fullmatch(name))]
        return sorted((number, name) for number, name in found if number)


class Profile(BaseModel):
    """A file of readings described. Without any setting it is what the documentation calls the plain shape."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resolution: str = Field(
        "",
        description="How long a slot is: PT5M, PT15M, PT1H, …, P1D, P1M; the call may say it instead, ESPI and CIM do.",
    )
    format: Literal["", "csv", "parquet", "arrow", "jsonl", "espi", "cim", "cim_json"] = Field(
        "", description="Empty: found from the content."
    )
    encoding: Literal["utf-8", "iso-8859-1", "windows-1252"] = Field("utf-8", description="Of the text.")
    delimiter: Character = Field(",", description="Between the fields of a line.")
    decimal: Literal[".", ","] = Field(".", description="Before the decimals of an amount.")
    unit: Unit = Field(
        Unit.WH,
        description="Wh, kWh or MWh of energy a slot; W, kW or MW of its mean power, in days of 23 to 25 hours too.",
    )
    scale: int = Field(
        0, ge=-9, le=9, description="A new series keeps whole multiples of 10^scale Wh: -2 for hundredths of a Wh."
    )
    label: Literal["start", "end"] = Field("start", description="Which end of the slot the time is.")
    zone: str = Field("", description="IANA zone of the times and days; empty: times state their offset, days are UTC.")
    start_format: str = Field("", description="How a time is written, as in `%d/%m/%Y %H:%M`; empty: ISO 8601.")
    day_format: str = Field("", description="How a day is written, as in `%d/%m/%Y`; empty: ISO 8601.")
    registers: bool = Field(False, description="The amounts are readings of a register that only counts up.")
    rollover: Decimal | None = Field(
        None, gt=0, description="At which amount the register starts from 0 again; not told: it never does."
    )
    pod: str = Field("", description="The POD of all rows of a file that names none.")
    direction: Direction = Field(Direction.IMPORT, description="Of rows that do not say it.")
    quality: Quality = Field(
        Quality.VALIDATED, description="Of values of a table that do not say it; those of ESPI and CIM are then 17."
    )
    directions: Mapping[str, Direction] = Field(default_factory=dict, description="The file's own words for them.")
    columns: Columns = Columns()

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            if name:
                ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{name[:40]!r} is no IANA time zone") from None
        return name

    @field_validator("resolution")
    @classmethod
    def _known_resolution(cls, name: str) -> str:
        if name:
            parse_granularity(name)
        return name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.columns.values and "{n}" not in self.columns.values:
            raise ValueError("columns.values holds {n} where the number of the slot stands")
        if (self.columns.values or self.columns.slot) and not self.columns.day:
            raise ValueError("columns.day names the column of the civil day")
        if self.resolution:
            check_fits(self, parse_granularity(self.resolution))
        if self.registers and (self.unit.is_power or self.columns.values):
            raise ValueError("a register counts energy, a reading a row")
        if self.rollover is not None and not self.registers:
            raise ValueError("only a register starts from 0 again")
        return self

    @property
    def clock(self) -> ZoneInfo | None:
        """The zone of the times in the file; None: UTC, or the offset each states."""
        return ZoneInfo(self.zone) if self.zone else None


PLAIN = Profile()


def check_fits(profile: Profile, grain: Granularity) -> None:
    """Refuse, with `BadProfile`, a description that makes no sense for slots so long; with `UnknownGranularity` weeks,
    which are made of what is handed in."""
    columns = profile.columns
    if grain == CIVIL_WEEK:
        said = "Weeks (P7D) can be asked for, not handed in: hand in their days (P1D) or finer readings."
        raise UnknownGranularity(said, field="/resolution")
    if grain.civil and columns.slot:
        raise BadProfile("A civil day or month has no slots: one value a row, or columns.values.", field="/columns")
    if columns.day and not (grain.civil or columns.values or columns.slot):
        said = "columns.slot or columns.values says which slot of the day an amount is of."
        raise BadProfile(said, field="/columns")


def profile_of(values: Mapping[str, Any]) -> Profile:
    """The profile of these settings. Raises `BadProfile` naming the setting."""
    try:
        return Profile.model_validate(values)
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        where = "/".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise BadProfile(f"{where or 'The profile'}: {said}.", field=f"/{where}") from None
    except BadProfile:
        raise
    except InvalidInput as fault:
        raise BadProfile(fault.detail, field="/resolution") from None


def load_profile(home: Path, name: str) -> Profile:
    """The profile kept in the home as `intake/<name>.toml`. Raises `UnknownProfile` and `BadProfile`."""
    file = home / "intake" / f"{name}.toml"
    if not NAME.fullmatch(name) or not file.is_file():
        raise UnknownProfile(f"There is no profile {name[:60]!r}.", field="/profile")
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except ValueError as fault:
        raise BadProfile(f"intake/{name}.toml cannot be read as TOML: {fault}.", field="/profile") from None
    return profile_of(values)
