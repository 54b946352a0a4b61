"""`meterhall client`, before it has reached anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.client.test_client_home import CARD, PASSPHRASE

from meterhall.cli import app, main
from meterhall.client.home import ClientHome


def test_it_gives_up_when_its_patience_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ClientHome.create(tmp_path / "mine", {**CARD, "marketplace": "https://localhost:1"}, PASSPHRASE)
    with pytest.raises(SystemExit) as ended:
        main(lambda: app(["client", "--patience", "0", "search", "--client", str(home.path)]))
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("remote_unreachable: ")
