"""A file in another encoding becomes longer as UTF-8; its quoted lines hold together all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.intake.test_files import read

LETTERS = range(0, 260, 1)


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252"])
def test_a_line_within_quotes_is_no_row_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    note = '"' + "é" * 40 + '\nP,2026-03-01T09:00:00Z,99999,x"'
    rows = "".join(f"P,2026-03-01T{hour:02d}:00:00Z,{hour},{note if hour == 5 else 'x'}\n" for hour in range(6))
    (tmp_path / "f").write_bytes(f"pod,start,energy_wh,note\n{rows}".encode(encoding))
    found = [(row[3], row[4]) for row in read(tmp_path / "f", encoding=encoding)]
    assert found == [(f"{hour} Wh", "") for hour in range(6)]


def test_no_row_is_lost_or_added_however_many_letters_become_longer(tmp_path: Path) -> None:
    wrong = []
    for letters in LETTERS:
        notes = ["é" * letters, *["Z"] * 9, '"Z\n"', "x", "x", "x", '"ok"', '"ok"']
        rows = "".join(f"P,2026-03-01T{hour:02d}:00:00Z,{hour},{note}\n" for hour, note in enumerate(notes))
        (tmp_path / "f").write_bytes(f"pod,start,energy_wh,note\n{rows}".encode("iso-8859-1"))
        found = [(row[3], row[4]) for row in read(tmp_path / "f", encoding="iso-8859-1")]
        if found != [(f"{hour} Wh", "") for hour in range(16)]:
            wrong.append((letters, len(found)))
    assert not wrong
