"""What a provider takes of each ESPI sample, and by which rule the rest is set aside; registers told from deltas."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from meterhall.domain.readings.curves import MISSING
from meterhall.domain.readings.granularity import Granularity, parse_granularity
from meterhall.domain.readings.rules import Rule
from meterhall.formats import FORMATS
from meterhall.formats.base import DecodeError
from meterhall.provider.metering.intake import BadReadingsFile, Block, profile_of, read_blocks

SAMPLES = Path(__file__).parents[3] / "shared" / "standards" / "espi" / "samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples in ../shared are not there")

VERDICTS: dict[str, dict[str, int] | str] = {
    "cew821_sample_greenbutton_data": {"taken": 362},
    "eddie_Batch_utilityapi": {"PT15M": 67},
    "eddie_accounting_point_retailcustomer": {},
    "gba_cmdtest_ApplicationInformation": {},
    "gba_cmdtest_Authorization": {},
    "gba_cmdtest_BatchBulk": {"PT15M": 1340},
    "gba_cmdtest_test_usage_data": {"PT15M": 1340},
    "nist_15minLP_15Days": {"PT15M": 1340},
    "real_SDGE_hourly_2011-02_2012-01_2.5MB": {"taken": 8727},
    "real_ngma_gas_2024": "/entries/2/IntervalBlock/IntervalReading/0/timePeriod",
    "real_ssm_puc_utilityapi_electric": {"taken": 300},
    "rest_PGELocalTimeParameters": {},
    "rest_PGEReadingType": {},
    "rest_PGEUsagePoint": {},
    "rest_PGEUsageSummaries": {},
    "valid_eu_cet_eur": {"taken": 71},
}
"""Handed in as hourly: rows of hours, of quarter-hours, rows set aside by each rule; or the place where a file is
refused as a whole. Those without rows have no readings in them."""


def blocks(path: Path, resolution: str = "PT1H", **settings: object) -> list[Block]:
    profile = profile_of({"pod": "P"} | settings)
    return list(read_blocks(path, profile, parse_granularity(resolution)))


def verdict(found: list[Block]) -> Counter[str]:
    of_rows = ((block.grain, rule) for block in found for rule in block.rules.tolist())
    hours = Granularity(3600)
    return Counter(
        Rule(rule).id if rule else str(grain) if grain not in (None, hours) else "taken" for grain, rule in of_rows
    )


def test_every_sample_has_a_verdict() -> None:
    assert sorted(VERDICTS) == sorted(path.stem for path in SAMPLES.glob("*.xml"))


@pytest.mark.parametrize("name", VERDICTS)
def test_a_sample_is_taken_or_set_aside_by_a_rule(name: str) -> None:
    path, expected = SAMPLES / f"{name}.xml", VERDICTS[name]
    if isinstance(expected, str):
        with pytest.raises(BadReadingsFile) as refusal:
            blocks(path)
        assert (refusal.value.code, refusal.value.field) == ("bad_readings_file", expected)
        return
    assert verdict(blocks(path)) == expected


def rewritten(tmp_path: Path, element: str, code: int) -> Path:
    """The European sample with another code in its ReadingType."""
    text = (SAMPLES / "valid_eu_cet_eur.xml").read_text("utf-8")
    head, kind, tail = re.split(r"(<ReadingType.*?</ReadingType>)", text, flags=re.S)
    changed, count = re.subn(rf"<{element}>\d+<", f"<{element}>{code}<", kind)
    assert count == 1
    path = tmp_path / "rewritten.xml"
    path.write_text(head + changed + tail, "utf-8")
    return path


@pytest.mark.parametrize(
    ("element", "code", "told"),
    [
        ("accumulationBehaviour", 2, "accumulationBehaviour 2 continuousCumulative"),
        ("accumulationBehaviour", 3, "accumulationBehaviour 3 cumulative"),
        ("accumulationBehaviour", 6, "accumulationBehaviour 6 indicating"),
        ("accumulationBehaviour", 9, "accumulationBehaviour 9 summation"),
        ("accumulationBehaviour", 12, "accumulationBehaviour 12 instantaneous"),
        ("uom", 38, "uom 38"),
        ("commodity", 7, "commodity 7"),
    ],
)
def test_what_is_no_energy_that_flowed_or_was_counted_is_set_aside_with_its_reason(
    tmp_path: Path, element: str, code: int, told: str
) -> None:
    found = blocks(rewritten(tmp_path, element, code))
    assert verdict(found) == {"V20": 71}
    texts = [text for block in found for text in block.texts.values()]
    assert len(texts) == 71
    assert all(text.endswith(f"; {told}") and text.startswith("value=") for text in texts)
    assert all((block.stated == MISSING).all() for block in found)


def test_a_bulk_quantity_is_a_register_read_when_its_time_ends(tmp_path: Path) -> None:
    deltas, registers = (
        blocks(SAMPLES / "valid_eu_cet_eur.xml"),
        blocks(rewritten(tmp_path, "accumulationBehaviour", 1)),
    )
    assert {block.registers for block in deltas} == {False}
    assert {block.registers for block in registers} == {True}
    starts = [start + 3600 for block in deltas for start in block.starts.tolist()]
    assert [start for block in registers for start in block.starts.tolist()] == starts
    assert {block.registers for block in blocks(rewritten(tmp_path, "accumulationBehaviour", 0))} == {None}


def test_when_it_became_known_may_lack_its_offset_since_nothing_here_asks(tmp_path: Path) -> None:
    text = (SAMPLES / "valid_eu_cet_eur.xml").read_text("utf-8")
    changed, count = re.subn(r"(<(updated|published)>[^<Z]*)Z(</)", r"\1\3", text)
    assert count > 1
    path = tmp_path / "offsetless.xml"
    path.write_text(changed, "utf-8")
    assert verdict(blocks(path)) == VERDICTS["valid_eu_cet_eur"]
    with pytest.raises(DecodeError):
        FORMATS["espi"].decode(changed.encode())
