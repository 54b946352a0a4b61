"""A line that says a scale beyond any is set aside at once: the number is not written out first."""

from __future__ import annotations

import time
from pathlib import Path

from meterhall.domain.readings.granularity import Granularity
from meterhall.domain.readings.rules import Rule
from meterhall.provider.metering.intake import profile_of, read_blocks

LINE = '{"pod": "P", "start": "2026-03-01T00:00:00Z", "resolution": "PT1H", "values": [1], "scale": 1e400000}\n'


def test_a_scale_beyond_any_is_not_written_out(tmp_path: Path) -> None:
    (tmp_path / "j").write_text(LINE)
    begun = time.process_time()
    [block] = read_blocks(tmp_path / "j", profile_of({}), Granularity(3600))
    assert block.rules.tolist() == [Rule.SCHEMA]
    assert time.process_time() - begun < 1
