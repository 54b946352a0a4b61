"""What happens around running platforms: a Market Place that is down for a while or for days, a certificate that ran
out, a key replaced midway, a wrong clock, a full disk, a lake that cannot be written, a database that goes away and
returns. Each is seen, named, and over when its cause is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meterhall.demo.launch import COMMAND
from meterhall.demo.office import Office, Refused
from tests.e2e.town import KEYS, UNTIL, quarters, readings, settle, wait_for
from tests.faults.journey import Journey, dead, figures, rows, waiting
from tests.faults.town import FaultyStreets, faulty
from tests.postgres import postgres


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """A settled town with a contract and an activation."""
    with ExitStack() as held:
        patch = held.enter_context(pytest.MonkeyPatch.context())
        if "METERHALL_TEST_DATABASE_URL" not in os.environ:
            patch.setenv("METERHALL_TEST_DATABASE_URL", held.enter_context(postgres()))
        streets = held.enter_context(faulty(tmp_path_factory.mktemp("troubles")))
        settle(streets)
        made = Journey(streets)
        made.find()
        made.subscribe()
        made.activate()
        yield made


def streets_of(journey: Journey) -> FaultyStreets:
    assert isinstance(journey.streets, FaultyStreets)
    return journey.streets


def command(journey: Journey, key: str, *words: str) -> tuple[int, str]:
    """`meterhall <role> …` at a platform; its exit code and what it says."""
    streets = streets_of(journey)
    done = subprocess.run(
        [*COMMAND, streets[key].role, words[0], "--home", str(streets[key].home), *words[1:]],
        env=streets.town._environment(key), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def retrying(journey: Journey, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = streets_of(journey).office(key).all("/dead-letters", state="retrying")
    return found


def test_the_market_places_key_is_replaced(journey: Journey) -> None:
    """Attestations, countersignatures and events under the new key are taken by players that knew the old one."""
    streets = streets_of(journey)
    shown = streets["marketplace"].b2b + "/.well-known/meterhall"
    [before] = streets.http.get(shown).json()["keys"]
    code, said = command(journey, "marketplace", "rotate-keys")
    assert code == 0, said
    assert len(streets.http.get(shown).json()["keys"]) == 2
    code, said = command(journey, "marketplace", "rotate-keys", "--now")
    assert code == 0, said
    [after] = streets.http.get(shown).json()["keys"]
    assert after != before
    asked = len(journey.deliveries)
    journey.subscribe()
    journey.activate()
    journey.ask("jsonl", "pull")
    assert len(journey.deliveries) == asked + 1
    journey.collected(1)
    code, said = command(journey, "grid", "check")
    assert "bad  transparency log" not in said


def test_a_market_place_that_is_down_is_waited_for(journey: Journey) -> None:
    streets = streets_of(journey)
    streets.pause("marketplace")
    journey.ask("parquet", "pull")
    delivery = journey.deliveries[-1]
    wait_for("the receipt", lambda: _received(journey, delivery))
    failing = wait_for("statements that wait", lambda: retrying(journey, "esco"))
    assert all("cannot be reached" in one["error"] for one in failing)
    assert figures(streets, "grid", "meterhall_work_retrying")["web_messaging.outbox"]
    code, said = command(journey, "grid", "check")
    assert code == 1
    assert "being tried again" in said
    streets.go_on("marketplace")
    journey.collected(1)


def ask_for(journey: Journey, first: str, until: str) -> int:
    """Ask for hourly curves of these days; the request's number."""
    body = {"activation": journey.activation, "period": {"from": first, "until": until}, "granularity": "PT1H"}
    return int(journey.office.post("/data-requests", body)["id"])


def _received(journey: Journey, delivery: str) -> bool:
    found = {one["delivery_id"]: one for one in journey.office.all("/deliveries")}
    return bool(found.get(delivery, {}).get("receipted_at"))


def test_a_key_replaced_midway_loses_nothing(journey: Journey) -> None:
    streets = streets_of(journey)
    before = journey.grid.get("/enrolment")["player"]["keys"]["transport"]
    streets.pause("esco")
    journey_asks = journey.grid.all("/deliveries")
    assert len(before) == 1
    code, said = command(journey, "grid", "rotate-keys")
    assert code == 0, said
    assert len(journey.grid.get("/enrolment")["player"]["keys"]["transport"]) == 2
    code, said = command(journey, "grid", "rotate-keys", "--now")
    assert code == 0, said
    streets.go_on("esco")
    after = journey.grid.get("/enrolment")["player"]["keys"]["transport"]
    assert len(after) == 1
    assert after != before
    journey.ask("csv", "push")
    assert len(journey.grid.all("/deliveries")) == len(journey_asks) + 1
    journey.collected(1)
    code, said = command(journey, "esco", "rotate-keys", "--now")
    assert code == 0, said
    journey.ask("jsonl", "pull")
    journey.collected(1)


def test_a_certificate_that_ran_out_is_named_on_both_sides(journey: Journey) -> None:
    streets = streets_of(journey)
    pem = streets["grid"].home / "tls" / "server.pem"
    good, key = pem.read_bytes(), pem.with_name("server.key").read_bytes()
    streets.pause("grid")
    _run_out(streets.town.ca, pem.parent)
    streets.go_on("grid", ready=False)
    asked = ask_for(journey, "2025-03-02", "2025-03-03")
    named = "its certificate is not accepted, certificate has expired"
    wait_for("the refusal", lambda: any(named in one["error"] for one in retrying(journey, "esco")))
    code, said = command(journey, "grid", "check")
    assert code == 1
    assert "ran out on" in said
    streets.pause("grid")
    pem.write_bytes(good)
    pem.with_name("server.key").write_bytes(key)
    streets.go_on("grid")
    assert httpx.get(streets["grid"].portal + "/metrics", verify=streets.town.tls).text.count("certificate_seconds")
    wait_for("the delivery", lambda: journey.office.get(f"/data-requests/{asked}").get("delivery_id"))


def _run_out(authority: Path, tls: Path) -> None:
    """A certificate of the same authority that held until yesterday."""
    issuer = x509.load_pem_x509_certificate((authority / "ca.pem").read_bytes())
    signer = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now - timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(signer, hashes.SHA256())  # type: ignore[arg-type]
    )
    form = serialization.PrivateFormat.PKCS8
    (tls / "server.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tls / "server.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


def test_a_database_that_goes_away_and_returns(journey: Journey) -> None:
    streets = streets_of(journey)
    url = streets.town.environment["grid"]
    name = url.rpartition("?")[0].rpartition("/")[2]
    with psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        with httpx.Client(verify=streets.town.tls, timeout=30) as client:
            answer = client.get(streets["grid"].b2b + "/.well-known/meterhall")
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert answer.headers["Retry-After"]
            assert client.get(streets["grid"].portal + "/health/ready").status_code == 503
            assert "meterhall_database_up 0.0" in client.get(streets["grid"].portal + "/metrics").text
        log = streets["grid"].home / "serve.log"
        wait_for("the worker's word", lambda: "worker.no_database" in log.read_text(errors="replace"))
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    journey.ask("espi", "pull")
    wait_for("everything to be done", lambda: not waiting(streets, "grid"))
    journey.collected(1)


def test_a_clock_ten_minutes_ahead_is_named(journey: Journey) -> None:
    streets = streets_of(journey)
    streets.shift("esco", 600)
    asked = ask_for(journey, "2025-03-03", "2025-03-04")
    named = "ahead of this clock"
    wait_for("the refusal", lambda: any(named in one["error"] for one in retrying(journey, "esco")))
    code, said = command(journey, "esco", "check")
    assert code == 1
    assert "s ahead of the Market Place's: one of the two is wrong" in said
    streets.shift("esco", 0)
    delivery = wait_for("the delivery", lambda: journey.office.get(f"/data-requests/{asked}").get("delivery_id"))
    wait_for("the receipt", lambda: _received(journey, delivery))


@pytest.fixture(scope="module")
def disks() -> Iterator[Disks]:
    """Mounting as a test may, if it may."""
    made = Disks()
    yield made
    made.close()


class Disks:
    """Small and read-only disks in place of folders."""

    def __init__(self) -> None:
        self._mounted: list[Path] = []

    def small(self, folder: Path) -> None:
        """A disk of 24 MiB with what is in the folder."""
        with tempfile.TemporaryDirectory() as aside:
            kept = Path(aside, "kept")
            shutil.copytree(folder, kept)
            self._mount(folder, "-t", "tmpfs", "-o", "size=24m", "tmpfs")
            shutil.copytree(kept, folder, dirs_exist_ok=True)

    def read_only(self, folder: Path) -> None:
        """The same folder, that cannot be written."""
        self._mount(folder, "--bind", str(folder))
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)

    def _mount(self, folder: Path, *how: str) -> None:
        done = subprocess.run(["mount", *how, str(folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a disk has to be mounted for this: {done.stderr.strip()}")
        self._mounted.append(folder)

    def give_back(self, folder: Path) -> None:
        """The folder as it was."""
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        self._mounted.remove(folder)

    def close(self) -> None:
        for folder in list(self._mounted):
            self.give_back(folder)


NEIGHBOURS = range(20, 24)
"""Households nobody has asked for."""
LATER, DAYS = quarters(UNTIL, UNTIL + timedelta(days=2)), 3
"""Two days in Madrid, which touch three in UTC."""


def test_a_lake_that_cannot_be_written_is_waited_for(journey: Journey, disks: Disks) -> None:
    streets = streets_of(journey)
    lake = streets["grid"].home / "lake"
    disks.read_only(lake)
    run = journey.grid.upload("/readings", readings(NEIGHBOURS, LATER), resolution="PT15M")["run"]
    wait_for("the refusal", lambda: any("LakeUnwritable" in one["error"] for one in retrying(journey, "grid")))
    journey.ask("jsonl", "pull")
    journey.collected(1)
    disks.give_back(lake)
    wait_for("the readings", lambda: journey.grid.get(f"/readings/{run}")["state"] == "done")
    assert journey.grid.get(f"/readings/{run}")["days_written"] == DAYS * len(NEIGHBOURS)


def test_a_full_disk_is_named_and_nothing_half_done_is_left(journey: Journey, disks: Disks) -> None:
    streets = streets_of(journey)
    home = streets["grid"].home
    streets.pause("grid")
    for name in ("lake", "files"):
        disks.small(home / name)
    streets.go_on("grid")
    for name in ("files", "lake"):
        fill(home / name / "ballast")
    grid = Office(streets["grid"].portal, streets["grid"].staff_key, streets.town.tls)
    content = readings(NEIGHBOURS, LATER, more=1)
    with pytest.raises(Refused) as refused:
        grid.upload("/readings", content, resolution="PT15M")
    assert refused.value.answer_code == "storage_unavailable"
    code, said = command(journey, "grid", "check")
    assert code == 1
    assert "make room" in said
    (home / "files" / "ballast").unlink()
    run = grid.upload("/readings", content, resolution="PT15M")["run"]
    wait_for("the refusal", lambda: any("LakeUnwritable" in one["error"] for one in retrying(journey, "grid")))
    (home / "lake" / "ballast").unlink()
    wait_for("the readings", lambda: grid.get(f"/readings/{run}")["state"] == "done")
    assert grid.get(f"/readings/{run}")["days_written"] == DAYS * len(NEIGHBOURS)
    journey.ask("csv", "pull")
    journey.collected(1)


def fill(ballast: Path) -> None:
    """Take all the room there is."""
    with ballast.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(64 * 1024))
    with ballast.open("ab", buffering=0) as out, suppress(OSError):
        while True:
            out.write(b"0")


def test_a_market_place_that_is_down_for_days_finds_everything_when_it_is_back(journey: Journey) -> None:
    streets = streets_of(journey)
    streets.pause("marketplace")
    for day in range(1, 6):
        for key in KEYS:
            streets.shift(key, day * 86_400)
        journey.ask("parquet", "pull")
        delivery = journey.deliveries[-1]
        wait_for(f"the receipt of day {day}", lambda name=delivery: _received(journey, name))
    assert figures(streets, "esco", "meterhall_work_retrying")["web_messaging.outbox"]
    for key in ("grid", "esco"):
        assert dead(streets, key) == {}
    streets.go_on("marketplace")
    journey.collected(1)


def test_in_the_end_both_sides_say_the_same(journey: Journey) -> None:
    streets = streets_of(journey)
    for key in ("marketplace", "grid", "esco"):
        wait_for(f"{key} to be done", lambda key=key: not waiting(streets, key))
        assert json.loads(command(journey, key, "letters", "--json")[1]) == []
    mine = f"transaction_id = '{journey.subscription}'"
    told = "SELECT COUNT(*) FROM mp_ledger_keptstatement WHERE type = '{}' AND {}"
    sent = rows(streets, "marketplace", told.format("delivery.published", mine))
    received = rows(streets, "marketplace", told.format("delivery.received", mine))
    assert sent == received == rows(streets, "marketplace", "SELECT COUNT(*) FROM mp_ledger_match WHERE matched")
