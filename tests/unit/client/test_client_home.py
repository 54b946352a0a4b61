"""A client's home, its memory and its lists of points: private, durable, and no POD on the way out."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from meterhall.client.activations import Cursor
from meterhall.client.enrolling import BadLegalId, legal_id_of
from meterhall.client.home import (
    BadClient,
    ClientExists,
    ClientHome,
    NoClient,
    ShortPassphrase,
    SignerKey,
    WrongPassphrase,
    folder_of,
)
from meterhall.client.localising import question
from meterhall.client.memory import Memory
from meterhall.client.pods import NoPodColumn, UnusableTable, examined, lines_of
from meterhall.client.proofs import NoProof, Prover, SignedByCustomer
from meterhall.domain.pods import demonstration_pod
from meterhall.domain.protocol.keys import SigningKey
from meterhall.domain.protocol.offers import DataScope

CARD: dict[str, object] = {
    "organisation": "My Company", "country": "BE", "marketplace": "https://hall.example",
    "address": "https://my-company.example", "contact": "me", "environment": "regulated",
    "marketplace_number": "MH0000000008", "marketplace_keys": [SigningKey.generate().public.jwk()],
}  # fmt: skip
PASSPHRASE = "correct horse"
PODS = [demonstration_pod("ES", number).value for number in range(1, 4)]


def test_a_home_is_private_and_its_contract_key_is_sealed(tmp_path: Path):
    home = ClientHome.create(tmp_path / "c", CARD, PASSPHRASE)
    for file in [home.path / "client.json", *home.path.glob("keys/*")]:
        assert file.stat().st_mode & 0o077 == 0
    assert b"ENCRYPTED" in (home.path / "keys" / "contract.pem").read_bytes()
    opened = SignerKey.open(home, "Stella", PASSPHRASE)
    assert opened.key.public.jwk() == home.card.contract_key.document()
    assert set(opened.signer.amr) >= {"swk", "mfa"}
    with pytest.raises(WrongPassphrase):
        SignerKey.open(home, "Stella", "wrong horse")
    with pytest.raises(ClientExists):
        ClientHome.create(home.path, CARD, PASSPHRASE)


def test_a_transport_key_may_be_sealed_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("METERHALL_KEY_PASSPHRASE", "a word")
    home = ClientHome.create(tmp_path / "c", CARD, PASSPHRASE)
    kid = home.transport_key.kid
    monkeypatch.delenv("METERHALL_KEY_PASSPHRASE")
    with pytest.raises(WrongPassphrase):
        _ = home.transport_key
    monkeypatch.setenv("METERHALL_KEY_PASSPHRASE", "a word")
    assert home.transport_key.kid == kid


@pytest.mark.parametrize(
    ("card", "passphrase", "fault"),
    [
        (CARD | {"country": "Belgium"}, PASSPHRASE, BadClient),
        (CARD | {"address": "my-company"}, PASSPHRASE, BadClient),
        (CARD, "short", ShortPassphrase),
    ],
)
def test_a_home_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, card: dict[str, object], passphrase: str, fault: type[Exception]
):
    with pytest.raises(fault):
        ClientHome.create(tmp_path / "c", card, passphrase)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NoClient):
        _ = ClientHome(tmp_path / "c").card


def test_a_name_is_a_folder_among_the_homes_and_a_path_is_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("METERHALL_CLIENTS", "/somewhere")
    assert folder_of("mine") == Path("/somewhere/mine")
    assert folder_of("./mine") == Path("mine")
    assert folder_of(Path("mine")) == Path("mine")


def test_memory_keeps_over_a_restart_and_is_private(tmp_path: Path):
    memory = Memory(tmp_path / "m.sqlite3")
    memory.put("cursor", "b", Cursor(since="1"))
    memory.put("cursor", "a", Cursor(since="2"))
    memory.put("cursor", "a", Cursor(since="3"))
    again = Memory(tmp_path / "m.sqlite3")
    assert [(name, kept.since) for name, kept in again.all("cursor", Cursor)] == [("a", "3"), ("b", "1")]
    again.forget("cursor", "a")
    assert memory.get("cursor", "a", Cursor) is None
    assert (tmp_path / "m.sqlite3").stat().st_mode & 0o077 == 0


def test_lists_of_every_kind_read_alike(tmp_path: Path):
    file = tmp_path / "customers.csv"
    file.write_text("﻿Reference;POD;Country\n1;" + PODS[0] + ";ES\n2;  " + PODS[1].lower() + " ;\n", "utf-8")
    frame = pl.DataFrame({"POD": PODS[:2], "country": ["ES", None], "Reference": [1, 2]})
    for source in (file, str(file), frame, frame.to_dict(as_series=False)["POD"]):
        assert [one.value for one in examined(lines_of(source))] == PODS[:2]
    assert lines_of(file)[0].beside == {"reference": "1"}
    assert lines_of(frame)[1].country is None
    assert PODS[0] not in repr(lines_of(file))


def test_a_table_without_pods_is_refused(tmp_path: Path):
    with pytest.raises(NoPodColumn):
        lines_of(pl.DataFrame({"cups": PODS}))
    with pytest.raises(UnusableTable):
        lines_of(tmp_path / "nowhere.csv")


def test_a_question_holds_the_operator_part_and_never_the_pod():
    lines = lines_of(
        pl.DataFrame({"pod": [PODS[0], "", "nonsense"], "country": ["ES", "FR", "ES"], "postcode": ["", "75001", ""]})
    )
    first, second, third = [question(one) for one in examined(lines)]
    assert first is not None
    assert second is not None
    assert (first.scheme, first.operator_part, first.pod) == ("ES", "9999", None)
    assert (second.country, second.postcode, second.pod) == ("FR", "75001", None)
    assert third is None


def test_every_point_has_a_proof_or_none_is_sent():
    scope = DataScope(granularities=("PT1H",))
    listed = examined(lines_of(PODS))
    written = PODS[0][:2] + " " + PODS[0][2:].lower()
    proof = SignedByCustomer({written: "a.b.c", PODS[1]: "d.e.f"})
    prover = Prover.of(proof, "MH0000000008", SigningKey.generate(), scope)
    prover.check(listed[:2])
    assert prover.word(PODS[0]) is None
    assert prover.evidence(PODS[0]).jws == "a.b.c"
    with pytest.raises(NoProof, match="Line 3"):
        prover.check(listed)


def test_a_legal_id_names_its_kind():
    assert legal_id_of("gln:9520000007775").kind == "GLN"
    with pytest.raises(BadLegalId):
        legal_id_of("9520000007775")
