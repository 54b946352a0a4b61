"""`meterhall client`, before it has reached anybody."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.unit.client.test_client_home import CARD, PASSPHRASE

from meterhall.cli import app, client_data, main
from meterhall.client.home import ClientHome
from meterhall.domain.errors import NotFound


def test_it_gives_up_when_its_patience_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ClientHome.create(tmp_path / "mine", {**CARD, "marketplace": "https://localhost:1"}, PASSPHRASE)
    with pytest.raises(SystemExit) as ended:
        main(lambda: app(["client", "--patience", "0", "search", "--client", str(home.path)]))
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("remote_unreachable: ")


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("fetch",), "load_curves"),
        (("group",), "group_curves"),
        (("forecast",), "forecasts"),
        (("forecast", "--measures", "mean"), "group_forecasts"),
    ],
)
@pytest.mark.parametrize("how", ["none", "zstd"])
def test_how_files_shall_be_packed_is_passed_on(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], asked: str, how: str
) -> None:
    seen: list[object] = []

    def ask(*args: object, compression: str, **more: object) -> None:
        seen.append(compression)
        raise NotFound

    hall = SimpleNamespace(activation=lambda name: SimpleNamespace(**{asked: ask}))
    monkeypatch.setattr(client_data, "connected", lambda client, as_json: nullcontext(hall))
    option = [] if how == "none" else ["--compression", how]
    with pytest.raises(SystemExit):
        main(lambda: app(["client", *words, "act_1", *option]))
    assert seen == [how]


def test_a_packing_nobody_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(lambda: app(["client", "fetch", "act_1", "--compression", "lz4"]))
    assert ended.value.code == 2
    assert "'--compression'" in capsys.readouterr().err
