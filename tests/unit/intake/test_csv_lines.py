"""A quote in a CSV file hides no row, wherever the file is cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.intake.test_files import Row, read

from meterhall.provider.metering.intake import BadReadingsFile, csv_pieces

SIZES = (1 << 23, *range(40, 400, 7))


def found(path: Path, notes: list[str], size: int, monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    monkeypatch.setattr(csv_pieces, "PIECE_BYTES", size)
    rows = "".join(f"P,2026-03-01T{hour:02d}:00:00Z,{hour},{note}\n" for hour, note in enumerate(notes))
    path.write_text("pod,start,energy_wh,note\n" + rows)
    return read(path)


@pytest.mark.parametrize("note", ['"two\nlines"', '"a ""b""\n"', '5" pipe', '"a"b', '"ok"', '""'])
def test_no_row_is_lost_to_a_quote_wherever_the_file_is_cut(
    tmp_path: Path, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = [note if hour % 3 else '5" pipe' if note == '"two\nlines"' else "x" for hour in range(20)]
    for size in SIZES:
        rows = found(tmp_path / "f", notes, size, monkeypatch)
        assert [(row[3], row[4]) for row in rows] == [(f"{hour} Wh", "") for hour in range(20)]


@pytest.mark.parametrize("other", ["ok", '"ok"'])
def test_a_quote_that_is_not_closed_is_told_with_its_line(
    tmp_path: Path, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = ['"24.1.: new meter' if hour == 7 else other for hour in range(20)]
    for size in SIZES:
        with pytest.raises(BadReadingsFile, match="line 9 is not closed"):
            found(tmp_path / "f", notes, size, monkeypatch)
