"""What a reading is, and how each format says its value, quality, direction, unit and length: from their codes."""

from __future__ import annotations

from typing import Final, get_args

from docs.dictionary_classes import table
from docs.dictionary_words import FORMATS_SAID, GRANULARITIES, QUALITIES

from meterhall.domain.protocol.base import GranularityName
from meterhall.domain.readings import Direction, Quality
from meterhall.formats import FORMATS
from meterhall.formats.cim import codes as cim
from meterhall.formats.espi import codes as espi


def readings() -> str:
    """The chapter of the page."""
    parts = (
        ("## Readings", LEAD, READING_DIAGRAM, table(("what", "meaning"), READING)),
        ("### Formats", table(("`format`", "media type", "extension", "what it is"), _formats())),
        ("### Granularities and resolutions", table(SLOT_HEAD, _granularities()), SLOTS),
        ("### Directions", table(DIRECTION_HEAD, _directions())),
        ("### Units", table(("where", "unit"), _units())),
        ("### Qualities", CODES, table(QUALITY_HEAD, _qualities()), LOST),
    )
    return "\n".join(f"{one.rstrip()}\n" for part in parts for one in part)


LEAD: Final = (
    "What the parts of a delivery and the change feed hold. Between the formats nothing is lost but what the tables "
    "say. Columns and elements of each: [formats](../protocol/data.md#formats)."
)
SLOT_HEAD: Final = ("`granularity`", "a slot is", "ESPI `intervalLength`", "slots begin")
SLOTS: Final = (
    "A slot holds its start and not its end. The resolution of a meter may be any time that divides a day, as `PT5M` "
    "or `PT10M`; a granularity is a whole multiple of it. CIM's `Period.resolution` is the same text as `granularity`. "
    f"ESPI's `timeAttribute` is {espi.DAILY} with civil days, {espi.WEEKLY} with civil weeks, "
    f"{espi.MONTHLY} with civil months, else "
    f"{espi.NOT_APPLICABLE}."
)
DIRECTION_HEAD: Final = (
    "value", "meaning", "ESPI `flowDirection`", "CIM `flowDirection.direction`", "CIM `businessType`",
)  # fmt: skip
CODES: Final = (
    "The code of a value is that of ESPI 4.0, `QualityOfReading`, in every format but CIM, which has codes of its own. "
    "A slot without a value has no quality."
)
QUALITY_HEAD: Final = ("code", "name", "meaning", "ESPI", "CSV, JSON lines, Parquet, Arrow", "CIM", "CIM is read as")
LOST: Final = (
    f"ESPI leaves `ReadingQuality` out where it is the default of the `ReadingType`, {int(espi.DEFAULT_QUALITY)}; that "
    f"is read too where neither is there, and {int(Quality.OTHER)} where ESPI has a code that is none of these. "
    f"Where CIM's code alone would be read as another quality, the `Period` says it in words: `reason.code` "
    f"{cim.COMPLEMENTARY} and `reason.text` “{cim.SPOKEN}9”, here of 9. Whoever reads those words loses nothing. CIM's "
    f"{cim.NOT_AVAILABLE}, not available, is a slot without a value; a point without a code is read as "
    f"{int(cim.QUALITY_READ[''])}."
)

READING_DIAGRAM: Final = """```mermaid
classDiagram
    direction LR
    class UsagePoint {
        pseudonym: pseudonym
    }
    class LoadCurve {
        direction: code
        resolution: duration
        start: instant
        available_at: instant
    }
    class Reading {
        start: instant
        value: decimal, Wh [0..1]
        quality: code [0..1]
    }
    UsagePoint "1" *-- "1..*" LoadCurve : curves
    LoadCurve "1" *-- "1..*" Reading : slots
```
"""

READING: Final[list[tuple[str, ...]]] = [
    ("usage point", "the pseudonym of an activation's answer; of a group that of a measure. Never a POD"),
    ("direction", "`import`, `export` or `net`, seen from the customer"),
    ("resolution", "how long each slot of the curve is: the `granularity` asked for"),
    ("start", "when the slot begins, included; it ends where the next begins"),
    ("value", "energy of the slot in watt-hours, an exact decimal. Zero is a value; missing is missing, never 0"),
    ("quality", "how good the value is; see [qualities](#qualities)"),
    ("`available_at`", "when the youngest value of the curve became known to the provider"),
]  # fmt: skip


def _formats() -> list[tuple[str, ...]]:
    return [
        (f"`{name}`", f"`{one.media_type}`", f"`{one.extension}`", FORMATS_SAID[name]) for name, one in FORMATS.items()
    ]


def _granularities() -> list[tuple[str, ...]]:
    return [(f"`{name}`", *GRANULARITIES[name]) for name in get_args(GranularityName)]


def _directions() -> list[tuple[str, ...]]:
    said = {
        Direction.IMPORT: "taken from the grid",
        Direction.EXPORT: "fed into the grid",
        Direction.NET: "import less export, so that it may be negative; no request names it",
    }
    return [
        (f"`{one.value}`", said[one], str(espi.FLOW[one]), cim.FLOW[one], cim.BUSINESS[one]
         + (": production is positive, the other way round" if one is Direction.NET else ""))
        for one in Direction
    ]  # fmt: skip


def _units() -> list[tuple[str, ...]]:
    return [
        ("`ChangedValues`, `jsonl`", "Wh: `values[i]` × 10^`scale`"),
        ("`csv`, `jsonl_rows`", "Wh, in `energy_wh`"),
        ("`parquet`, `arrow`", "Wh: `mantissa` × 10^`scale`"),
        ("`espi`", f"`uom` {espi.WATT_HOURS} (Wh) × 10^`powerOfTenMultiplier`, `kind` {espi.ENERGY} (energy), "
         f"`accumulationBehaviour` {espi.DELTA} (delta), `commodity` {espi.ELECTRICITY} (electricity)"),
        ("`cim`, `cim_json`", "`energy_Measurement_Unit.name` `KWH`, `product` "
         f"{cim.ACTIVE_ENERGY} (active energy); read are {', '.join(f'`{one}`' for one in cim.UNITS)}"),
    ]  # fmt: skip


def _qualities() -> list[tuple[str, ...]]:
    rows = []
    for one in Quality:
        code = cim.QUALITY_WRITTEN[one]
        back = cim.QUALITY_READ[code]
        rows.append(
            (str(int(one)), one.name.lower().replace("_", " "), QUALITIES[int(one)], str(int(one)), str(int(one)), code,
             "the same" if back is one else f"{int(back)}; in words: “{cim.SPOKEN}{int(one)}”")
        )  # fmt: skip
    return rows
