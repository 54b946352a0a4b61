"""The command line as a stranger meets it: what can't be done is said in one sentence, and nothing half made stays."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from meterhall.cli import app, main
from meterhall.web.config import BadSetting, load_config
from meterhall.web.home import BadSecret, Home, HomeExists, NoAuthority, create_ca
from meterhall.web.serve import NoCertificate, PortTaken, Supervisor, check_listeners

GRID = {"role": "provider", "name": "Grid"}


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command prints on standard error before it ends with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(lambda: app(list(words)))
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--ca", "nowhere"], "no_authority: There is no authority in nowhere; `meterhall ca init nowhere` makes one."),
        (["--trust", "nowhere.pem"], "no_authority: nowhere.pem is no file of certificates (PEM)."),
        (["--country", "Belgium"], "bad_setting: Setting country: "),
        (["--b2b-port", "99999"], "bad_setting: Setting b2b_port: "),
        (["--portal-port", "8443"], "bad_setting: Settings: b2b_port and portal_port are the same."),
        (["--marketplace", "hall.example"], "bad_setting: Setting marketplace_url: "),
        (["--set", "zone=Europe/Nowhere"], "bad_setting: Setting zone: Europe/Nowhere is no time zone."),
        (["--set", "worker_thread=1"], "bad_setting: There is no setting worker_thread. Is worker_threads meant?"),
        (["--set", "accent"], "bad_setting_argument: "),
        (["--set", "accent=null"], "bad_setting: Setting accent: "),
        (["--set", "engine=spark://cluster:7077"], "bad_setting: Setting engine: "),
        (["--set", "engine=sc://cluster:15002/lake"], "bad_setting: Setting engine: "),
        (["--set", "engine_lake=/mnt/lake"], "bad_setting: Setting engine_lake: "),
        (["--invite", "Sam Signer"], "bad_invitation: "),
    ],
)
def test_init_says_what_it_cannot_use_and_leaves_nothing(
    options: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = said(capsys, "provider", "init", "--home", "grid", "--name", "Grid", *options)
    assert printed.startswith(sentence)
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["ca", "init", "file/authority"], "unusable_file: file/authority: Not a directory.\n"),
        (["provider", "init", "--home", "file", "--name", "G"], "unusable_file: file/keys: Not a directory.\n"),
        (["demo", "--json", "nowhere/out.json"], "unusable_file: nowhere/out.json: No such file or directory.\n"),
        (["marketplace", "check", "--home", "nowhere"], "no_home: There is no platform in nowhere; "),
        (
            ["provider", "enrol", "--home", "grid", "--legal-id", "ABC:1", "--activity", "dso"],
            "bad_legal_id_argument: ",
        ),
        (["marketplace", "admit", "--home", "hall"], "nobody_named: "),
    ],
)
def test_a_command_that_cannot_be_done_ends_in_one_sentence(
    words: list[str], fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert said(capsys, *words).startswith(fault)


@pytest.mark.parametrize("options", [["--part", "web"], ["--activity", "dog"]])
def test_words_are_chosen_from_a_list(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command = ["serve"] if options[0] == "--part" else ["enrol", "--legal-id", "GLN:9520000000318"]
    assert "is not one of" in said(capsys, "provider", *command, "--home", "grid", *options)


def run(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, as Django is loaded once in each."""
    command = [sys.executable, "-m", "meterhall.cli", "provider", *words, "--home", str(home)]
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("METERHALL_", "DATABASE_URL"))}
    return subprocess.run(command, env=outside | environment, capture_output=True, text=True, check=False)


def test_only_a_provider_calculates(capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such option" in said(capsys, "marketplace", "serve", "--home", "hall", "--engine", "sc://cluster")


def test_the_engine_is_said_when_serving_and_looked_at_before_anything_starts(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "grid", GRID, None).path
    wrong = run(home, "serve", "--engine", "http://cluster")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert wrong.stderr.startswith("bad_setting: Setting engine: ")
    code = "import sys; sys.modules['pyspark'] = None; from meterhall.cli import app, main; main(app)"
    words = [sys.executable, "-c", code, "provider", "serve", "--home", str(home), "--engine", "sc://cluster:15002"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert ran.stderr.startswith("spark_missing: ")
    assert not list(home.glob("db.sqlite3*")), "nothing was begun"


def test_an_init_that_fails_late_takes_back_what_it_made(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    done = run(tmp_path, "init", "--name", "Grid", "--invite", "boss:sam@grid.example:Sam")
    assert (done.returncode, done.stderr.partition(":")[0]) == (2, "unknown_role")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
    absent = run(tmp_path / "grid", "init", "--name", "Grid", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert (absent.returncode, absent.stderr.count("\n")) == (2, 1)
    assert absent.stderr.startswith("database_unusable: ")
    assert not (tmp_path / "grid").exists()


def test_check_says_in_words_what_is_bad(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "grid", GRID, None)
    (home.path / "secret.key").write_text("garbage")
    (home.path / "db.sqlite3").touch()
    done = run(home.path, "check")
    assert done.returncode == 1
    assert f"bad  keys: {home.path}/secret.key holds no key of a home.\n" in done.stdout
    assert f"bad  certificate: {home.path}/tls/server.pem: No such file or directory.\n" in done.stdout
    assert "bad  database: its tables are not those of this version; `serve` makes them so\n" in done.stdout
    assert "bad  Market Place: The setting marketplace_url names no Market Place.\n" in done.stdout


def test_a_database_that_is_gone_is_missed_and_not_made_anew(tmp_path: Path) -> None:
    home = tmp_path / "grid"
    assert run(home, "init", "--name", "Grid").returncode == 0
    assert (home / "db.sqlite3").stat().st_mode & 0o077 == 0
    for file in home.glob("db.sqlite3*"):
        file.rename(tmp_path / file.name)
    done = run(home, "serve")
    assert (done.returncode, done.stderr) == (
        2, f"database_unusable: {home}/db.sqlite3 is missing: put it back, or restore a backup; DATABASE_URL names "
        "another database.\n",
    )  # fmt: skip
    assert "bad  database: unable to open database file" in run(home, "check").stdout
    assert not list(home.glob("db.sqlite3*"))


def test_a_name_may_hold_any_character(tmp_path: Path) -> None:
    name = 'Grid 😀 "[red]\\\x7f'
    assert Home.create(tmp_path / "grid", GRID | {"name": name}, None).config.name == name


def test_a_home_is_made_once(tmp_path: Path) -> None:
    Home.create(tmp_path / "grid", GRID, None)
    with pytest.raises(HomeExists):
        Home.create(tmp_path / "grid", GRID, None)


@pytest.mark.parametrize("missing", ["ca.pem", "ca.key"])
def test_half_an_authority_is_none(missing: str, tmp_path: Path) -> None:
    create_ca(tmp_path / "ca")
    (tmp_path / "ca" / missing).unlink()
    with pytest.raises(NoAuthority):
        Home.create(tmp_path / "grid", GRID, tmp_path / "ca")


def test_a_key_file_that_is_none_is_named(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "grid", GRID, None)
    (home.path / "secret.key").write_text("garbage")
    with pytest.raises(BadSecret, match=r"secret\.key holds no key"):
        Home(home.path).key("transport")


def test_settings_are_refused_by_name_and_never_by_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text('role = "provider"\nname =\n')
    with pytest.raises(BadSetting, match=r"config\.toml cannot be read as TOML: .*line 2"):
        load_config(tmp_path)
    file.write_text('role = "provider"\ndatabase_url = "mysql://me:hunter2@db/grid"\n')
    with pytest.raises(BadSetting, match="Setting database_url: ") as refused:
        load_config(tmp_path)
    assert "hunter2" not in str(refused.value)
    file.write_text('role = "provider"\n')
    monkeypatch.setenv("METERHALL_LOG_LEVL", "INFO")
    with pytest.raises(BadSetting, match="Is METERHALL_LOG_LEVEL meant"):
        load_config(tmp_path)
    monkeypatch.delenv("METERHALL_LOG_LEVL")
    monkeypatch.setenv("METERHALL_ACCEPTED_ASSURANCE", "customer_signed")
    with pytest.raises(BadSetting, match="accepted_assurance"):
        load_config(tmp_path)


def test_a_listener_is_not_started_on_a_port_that_is_taken_or_without_a_certificate(tmp_path: Path) -> None:
    create_ca(tmp_path / "ca")
    with socket.socket() as taken, socket.socket() as other:
        for one in (taken, other):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(("127.0.0.1", 0))
        taken.listen()
        port, free = taken.getsockname()[1], other.getsockname()[1]
        other.close()
        home = Home.create(tmp_path / "grid", GRID | {"b2b_port": port, "portal_port": free}, tmp_path / "ca")
        with pytest.raises(
            PortTaken, match=f"b2b cannot listen on 127[.]0[.]0[.]1, port {port}: Address already in use"
        ):
            Supervisor("provider", home.path).run()
        check_listeners(home.path, home.config, ("portal", "worker"))
        (home.path / "tls" / "server.key").unlink()
        with pytest.raises(NoCertificate, match=r"server\.key is missing"):
            check_listeners(home.path, home.config, ("portal",))
