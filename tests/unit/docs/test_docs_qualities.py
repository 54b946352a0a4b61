"""The protocol's page of formats says of qualities what the code does, and so what the data dictionary says."""

from __future__ import annotations

import re

from tests.unit.docs.pages import ROOT

from meterhall.domain.readings import Quality
from meterhall.formats.cim import codes as cim
from meterhall.formats.espi import codes as espi

PAGE = (ROOT / "docs" / "protocol" / "data.md").read_text()
ROW = re.compile(r"^\| ([\d, and]+) \| (A\d\d) [a-z ]+ \| is read as (\d+) \|$", re.M)


def test_the_table_of_the_page_is_the_mapping_of_the_code() -> None:
    rows = [(list(map(int, re.findall(r"\d+", ours))), code, int(read)) for ours, code, read in ROW.findall(PAGE)]
    written = {Quality(one): code for ours, code, _ in rows for one in ours}
    assert written == cim.QUALITY_WRITTEN
    assert sum(len(ours) for ours, _, _ in rows) == len(Quality), "each quality stands once"
    assert {code: Quality(read) for _, code, read in rows} == {
        code: quality for code, quality in cim.QUALITY_READ.items() if code in set(cim.QUALITY_WRITTEN.values())
    }
    for ours, code, read in rows:
        assert ours[0] == read, f"{code} is read as the first of its row; the others have words"
        assert [one for one in ours if cim.SPOKEN_FOR[one] != cim.UNSPOKEN] == ours[1:]


def test_what_the_page_says_beside_the_table_is_so() -> None:
    assert f'`reason.code` {cim.COMPLEMENTARY} and `reason.text` "{cim.SPOKEN}9"' in PAGE
    assert f"{cim.NOT_AVAILABLE}, not available, is read as {int(cim.QUALITY_READ[cim.NOT_AVAILABLE])}," in PAGE
    assert f"it has quality {cim.NOT_AVAILABLE} and no quantity" in PAGE
    assert f"says nothing of its quality is read as {int(cim.QUALITY_READ[''])}" in PAGE
    assert cim.QUALITY_READ[""] == espi.DEFAULT_QUALITY
