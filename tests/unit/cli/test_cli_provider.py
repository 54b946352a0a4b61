"""A grid operator's engineer at a shell: points and readings in, what came of them, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.unit.cli.test_cli_refusals import run

from meterhall.domain.pods import demonstration_pod
from meterhall.domain.readings import LoadCurve, Series
from meterhall.formats import FORMATS, PartHeader

PODS = [demonstration_pod("IT", n).value for n in range(2)]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("homes") / "grid"
    assert run(home, "init", "--name", "Grid").returncode == 0
    return home


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, str], str]:
    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_points_and_readings_from_files(grid: Path, file: Callable[[str, str], str]) -> None:
    points = file("points.csv", f"pod,zone,holder_reference,from\n{PODS[0]},Europe/Rome,H-1,2020-01-01\n")
    done = run(grid, "points", "import", points)
    assert (done.returncode, done.stdout) == (0, "1 points are new, 0 were known and are as the file says.\n")
    rows = [f"{pod},2026-03-01T00:{minute:02}:00Z,100" for pod in PODS for minute in (0, 15, 30, 45)]
    readings = file("day.csv", "\n".join(["pod,start,energy_wh", *rows]))
    done = run(grid, "ingest", readings, "--resolution", "PT15M", "--json")
    assert done.returncode == 0, done.stderr
    (came,) = json.loads(done.stdout)["runs"]
    assert (came["name"], came["state"], came["rows"], came["days_written"]) == ("day.csv", "done", 8, 1)
    assert came["rules"] == [{"rule": "P1", "sentence": "No such metering point is registered.", "rows": 4}]
    assert "todo sandbox: " in (checked := run(grid, "check")).stdout
    assert "ok   metering points: 1\n" in checked.stdout
    assert "ok   readings: 1 series, the newest until 2026-03-02; " in checked.stdout
    assert "todo membership: apply at the Market Place: meterhall provider enrol" in checked.stdout
    assert "todo people: invite a signer: " in checked.stdout
    assert "todo offer: publish one: " in checked.stdout
    assert checked.returncode == 1


def test_a_file_that_is_no_readings_is_refused_in_words(grid: Path, file: Callable[[str, str], str]) -> None:
    done = run(grid, "ingest", file("odd.csv", "a,b\n1,2\n"), "--resolution", "PT15M")
    assert done.returncode == 1
    assert done.stdout.startswith("odd.csv: run ")
    assert "refused: There is no column pod." in done.stdout
    assert "odd.csv" in run(grid, "files").stdout
    for words, said in (
        (("ingest", "nowhere.csv", "--resolution", "PT15M"), "unusable_file: nowhere.csv: No such file or directory."),
        (("ingest", file("a.csv", ""), "--resolution", "P1W"), "unknown_granularity: "),
        (("points", "import", file("p.csv", "pod,zone\nIT1,Europe/Rome\n")), "pod"),
        (("offer", "publish", file("o.json", '{"title": 4}')), "bad_offer_file: "),
    ):
        done = run(grid, *words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert said in done.stderr


def test_what_was_delivered_as_cim_json_is_handed_in(grid: Path, file: Callable[[str, str], str]) -> None:
    points = file("points.csv", f"pod,zone,holder_reference,from\n{PODS[0]},Europe/Rome,H-1,2020-01-01\n")
    assert run(grid, "points", "import", points).returncode == 0
    start, known = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC)
    curve = LoadCurve(Series(PODS[0], 3600), start, np.array([250, 300]), np.array([17, 8], np.uint8), known)
    text = b"".join(FORMATS["cim_json"].encode([curve], PartHeader("dlv_1", country="IT"))).decode()
    done = run(grid, "ingest", file("hours.json", text), "--json")
    (came,) = json.loads(done.stdout)["runs"]
    assert (came["state"], came["rows"], came["quarantined"]) == ("done", 2, 0)
    done = run(grid, "ingest", file("cut.json", text[:-100]))
    assert done.returncode == 1
    assert "refused: The file is no JSON from character " in done.stdout


def test_a_described_file_and_the_rows_it_had_set_aside(grid: Path, file: Callable[[str, str], str]) -> None:
    points = file("points.csv", f"pod,zone,holder_reference,from\n{PODS[1]},Europe/Rome,H-2,2020-01-01\n")
    assert run(grid, "points", "import", points).returncode == 0
    (grid / "intake").mkdir()
    (grid / "intake" / "kilo.toml").write_text('resolution = "PT1H"\nunit = "kWh"\n[columns]\nvalue = "kWh"\n')
    rows = [f"{PODS[1]},2026-03-01T{hour:02}:00:00Z,{90 if hour == 9 else f'0.{hour + 100}'}" for hour in range(24)]
    done = run(grid, "ingest", file("hours.csv", "\n".join(["pod,start,kWh", *rows])), "--profile", "kilo", "--json")
    (came,) = json.loads(done.stdout)["runs"]
    assert (came["rows"], [rule["rule"] for rule in came["rules"]]) == (24, ["V10"])
    number = str(came["run"])
    assert "nothing_held" in run(grid, "release", number, "--rule", "V11").stderr
    assert "unknown_run" in run(grid, "release", "999", "--rule", "V10").stderr
    done = run(grid, "release", number, "--row", "10", "--reason", "Seen on site")
    assert done.stdout.startswith(f"run {number}: 1 rows released, 0 refused, 0 kept out"), done.stderr
    again = json.loads(run(grid, "release", number, "--rule", "V10", "--json").stdout)
    assert (again["released"], again["by"].split(":")[0]) == (1, "shell")
    assert "unknown_profile" in run(grid, "ingest", file("x.csv", "x"), "--profile", "none").stderr
