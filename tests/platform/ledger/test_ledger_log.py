"""The log as anyone sees it: tiles, checkpoints, consistency, witnesses; and proof files that hold offline."""

from __future__ import annotations

import hashlib
import json

import httpx
import pytest
from typer.testing import CliRunner

from meterhall.cli import app
from meterhall.client.b2b import RemoteRefusal
from meterhall.domain.protocol.log import ConsistencyProof, LogCosignature, ProofFile
from meterhall.domain.protocol.players import Discovery
from meterhall.domain.transparency.checkpoints import Checkpoint, hash_from, open_checkpoint, witness_name
from meterhall.domain.transparency.merkle import entry_of, leaf_hash, root, verify_consistency
from meterhall.domain.transparency.notes import COSIGNATURE, Note, VerifierKey, cosign
from meterhall.domain.transparency.proofs import verify_proof_file
from meterhall.domain.transparency.tiles import Tile
from meterhall.marketplace.ledger.models import LogEntry, LogHead, PublishedCheckpoint, TileHash, WitnessCosignature
from meterhall.marketplace.ledger.service import post_statement
from meterhall.marketplace.ledger.tree import LogBroken, append_entry, locked_head, log_key, publish
from meterhall.web.membership.models import LogFinding, SeenCheckpoint, Standing
from meterhall.web.membership.tasks import witness
from meterhall.web.membership.witness import LogForked, look_at_log
from meterhall.web.messaging.models import Identity
from meterhall.web.messaging.peers import remember_marketplace, remember_player
from tests.platform.ledger.conftest import BASE, Market, Party


def grow(entries: int) -> None:
    """Append that many entries, as fast as the rows allow."""
    for _ in range(entries):
        head = locked_head()
        append_entry(head, hashlib.sha256(str(head.size).encode()).digest())


def get(market: Market, path: str) -> httpx.Response:
    return market.http.get(BASE + path)


def checkpoint_of(market: Market):
    return open_checkpoint(Note.parse(get(market, "/checkpoint").text), log_key())


def test_consistent_over_many_appends(market: Market):
    seen = []
    for step in (0, 1, 2, 61, 200, 256, 7, 300):
        grow(step)
        publish()
        seen.append(checkpoint_of(market))
    assert [one.size for one in seen] == [0, 1, 3, 64, 264, 520, 527, 827]
    for older in seen:
        for newer in seen:
            if older.size <= newer.size:
                answer = get(market, f"/v1/log/consistency?first={older.size}&second={newer.size}")
                path = [hash_from(step) for step in ConsistencyProof.model_validate_json(answer.content).path]
                verify_consistency(older.size, newer.size, path, older.root, newer.root)


def test_the_whole_tree_from_tiles_alone(market: Market):
    """A stranger with nothing but the public files finds the root that was signed."""
    grow(600)
    publish()
    checkpoint = checkpoint_of(market)

    def hashes(level: int, first: int, until: int) -> list[bytes]:
        index = first // 256
        full = min(256, (checkpoint.size >> (8 * level)) - index * 256)
        found = get(market, "/tile/" + Tile(level, index, full).path)
        assert found.headers["Content-Type"] == "application/octet-stream"
        assert "immutable" in found.headers["Cache-Control"]
        content = found.content
        return [content[at : at + 32] for at in range(0, len(content), 32)][first % 256 : first % 256 + until - first]

    assert root(hashes, checkpoint.size) == checkpoint.root
    entries = get(market, "/tile/entries/002.p/88").content
    leaves = [leaf_hash(entries[at + 2 : at + 34]) for at in range(0, len(entries), 34)]
    assert leaves == hashes(0, 512, 600)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("0/000.p/4", 404, "unknown_tile"),
        ("1/000", 404, "unknown_tile"),
        ("entries/000", 404, "unknown_tile"),
        ("0/x999/x999/x999/x999/999", 404, "unknown_tile"),
        ("0/1", 422, "bad_tile_path"),
        ("0/000.p/256", 422, "bad_tile_path"),
    ],
)
def test_no_such_tile(market: Market, path: str, status: int, code: str):
    grow(3)
    answer = get(market, f"/tile/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "query", ["first=2&second=1", "first=-1&second=1", "first=0&second=4", f"first=0&second={2**70}"]
)
def test_no_such_growth(market: Market, query: str):
    grow(3)
    answer = get(market, f"/v1/log/consistency?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "outside_tree")


def test_a_size_has_one_checkpoint(market: Market):
    grow(2)
    assert publish() == publish()
    assert get(market, "/checkpoint").text == get(market, "/checkpoint").text
    assert PublishedCheckpoint.objects.count() == 1


def test_changed_rows_are_never_signed(market: Market):
    grow(5)
    publish()
    LogEntry.objects.filter(seq=2).update(leaf=bytes(32))
    grow(1)
    with pytest.raises(LogBroken):
        publish()


def test_discovery_names_the_log(market: Market):
    found = Discovery.model_validate_json(get(market, "/.well-known/meterhall").content)
    assert VerifierKey.parse(found.log_key or "") == log_key()
    assert found.witness_key is None


# Proof files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def proof(market: Market) -> ProofFile:
    grow(20)
    seq = market.say(market.requester, "data.requested", market.provider).seq
    grow(20)
    publish()
    client = market.provider.client(market.http)
    cosign_as(market, market.stranger)
    return client.call("GET", f"/v1/log/entries/{seq}/proof", None, ProofFile)


def cosign_as(market: Market, party: Party) -> VerifierKey:
    note = Note.parse(get(market, "/checkpoint").text)
    size = int(note.text.split("\n")[1])
    name = witness_name(log_key().name, party.number)
    line = cosign(note.text, name, party.key, market.clock()).line
    party.client(market.http).call("POST", "/v1/log/cosignatures", LogCosignature(size=size, line=line), None)
    return VerifierKey.of(name, COSIGNATURE, party.key.public)


def test_a_proof_file_verifies_offline(market: Market, proof: ProofFile):
    witness_key = VerifierKey.of(
        witness_name(log_key().name, market.stranger.number), COSIGNATURE, market.stranger.key.public
    )
    proven = verify_proof_file(proof, [log_key(), witness_key], least_witnesses=1)
    assert (proven.seq, proven.tree_size, proven.statement.by) == (20, 41, market.requester.number)
    assert proven.signed_by == market.requester.key.kid


def test_a_proof_file_is_for_the_parties(market: Market):
    seq = market.say(market.requester, "data.requested", market.provider).seq
    for number in (seq, seq + 1, 2**70):
        with pytest.raises(RemoteRefusal) as caught:
            market.stranger.client(market.http).call("GET", f"/v1/log/entries/{number}/proof", None, ProofFile)
        assert caught.value.remote_code == "unknown_entry"


def test_the_command_line_verifies(market: Market, proof: ProofFile, tmp_path):
    file, keys = tmp_path / "proof.json", tmp_path / "keys.txt"
    file.write_text(json.dumps(proof.document()))
    keys.write_text(f"# the Market Place's log\n{log_key()}\n")
    run = CliRunner().invoke
    good = run(app, ["verify", str(file), "--log-key", str(log_key())])
    assert good.exit_code == 0, good.output
    assert "data.requested" in good.output
    as_json = json.loads(run(app, ["verify", str(file), "--keys", str(keys), "--json"]).output)
    assert (as_json["seq"], as_json["statement"]["by"]) == (20, market.requester.number)
    assert run(app, ["verify", str(file)]).exception.code == "no_log_key"
    assert run(app, ["verify", str(file), "--keys", str(keys), "--witnesses", "1"]).exception.code == "not_witnessed"
    file.write_text(json.dumps(proof.document() | {"seq": 21}))
    assert run(app, ["verify", str(file), "--keys", str(keys)]).exception.code == "bad_proof"
    file.write_text("{}")
    assert run(app, ["verify", str(file), "--keys", str(keys)]).exception.code == "unreadable_file"


# Witnesses -----------------------------------------------------------------------------------------------------------


def test_cosignatures_are_the_callers_own(market: Market):
    grow(3)
    publish()
    cosign_as(market, market.stranger)
    cosign_as(market, market.stranger)
    assert WitnessCosignature.objects.count() == 1
    note = Note.parse(get(market, "/checkpoint").text)
    theirs = note.signatures[1].line
    client = market.provider.client(market.http)
    for body, code in (
        (LogCosignature(size=3, line=theirs), "bad_note"),
        (LogCosignature(size=2, line=theirs), "unknown_checkpoint"),
        (LogCosignature(size=3, line="no line"), "bad_note"),
    ):
        with pytest.raises(RemoteRefusal) as caught:
            client.call("POST", "/v1/log/cosignatures", body, None)
        assert caught.value.remote_code == code
    assert WitnessCosignature.objects.count() == 1


@pytest.fixture
def player(market: Market) -> Party:
    """The platform as a player that knows this Market Place: its own keys, its own number."""
    me = Party(market.provider.number, market.platform.transport_key)
    me.client(market.http)
    remember_player(me.view(), None)
    remember_marketplace(Discovery.model_validate_json(get(market, "/.well-known/meterhall").content))
    Identity.objects.update(access_number=me.number)
    Standing.objects.create(enrolment={}, idempotency_key="x")
    return me


def test_a_witness_cosigns_what_goes_on(market: Market, player: Party):
    for step in (3, 0, 300):
        grow(step)
        publish()
        assert look_at_log().size == LogHead.objects.get().size
    assert list(WitnessCosignature.objects.order_by("checkpoint").values_list("checkpoint", "witness")) == [
        (3, player.number),
        (303, player.number),
    ]
    assert not LogFinding.objects.exists()
    note = Note.parse(get(market, "/checkpoint").text)
    mine = VerifierKey.of(witness_name(log_key().name, player.number), COSIGNATURE, player.key.public)
    assert note.signed_by(mine) is not None


def test_an_empty_log_is_remembered_and_not_cosigned(market: Market, player: Party):
    look_at_log()
    assert (SeenCheckpoint.objects.get().size, WitnessCosignature.objects.count()) == (0, 0)


def rewrite(entries: int) -> None:
    """The Market Place throws its log away and makes another."""
    for model in (PublishedCheckpoint, TileHash, LogEntry, LogHead):
        model.objects.all().delete()
    for number in range(entries):
        append_entry(locked_head(), hashlib.sha256(f"another {number}".encode()).digest())
    publish()


@pytest.mark.parametrize(("entries", "kind"), [(3, "fork"), (9, "fork"), (2, "shrunk")])
def test_a_rewritten_log_is_found_out(market: Market, player: Party, entries: int, kind: str):
    grow(3)
    publish()
    look_at_log()
    before = SeenCheckpoint.objects.get().note
    rewrite(entries)
    for _ in range(2):
        with pytest.raises(LogForked):
            look_at_log()
    found = LogFinding.objects.get()
    assert (found.kind, found.before) == (kind, before)
    assert Note.parse(found.now).signed_by(log_key()) is not None
    assert SeenCheckpoint.objects.get().note == before
    assert not WitnessCosignature.objects.filter(checkpoint__size=entries).exists()


def test_a_log_under_another_key_is_found_out(market: Market, player: Party):
    grow(1)
    publish()
    look_at_log()
    other = Party("MH0000000050").key
    grow(1)
    row = publish()
    note = Checkpoint("localhost:8443", 2, bytes(row.root)).signed(other)
    PublishedCheckpoint.objects.filter(size=2).update(note=str(note))
    with pytest.raises(LogForked):
        look_at_log()
    assert LogFinding.objects.get().kind == "signature"


def test_a_cosignature_that_did_not_arrive_is_sent_again(market: Market, player: Party):
    grow(1)
    publish()
    look_at_log()
    WitnessCosignature.objects.all().delete()
    SeenCheckpoint.objects.update(cosigned=False)
    look_at_log()
    assert WitnessCosignature.objects.count() == 1


def test_the_task_leaves_the_market_place_itself_alone(market: Market, player: Party):
    grow(1)
    publish()
    witness()
    assert not SeenCheckpoint.objects.exists()


def test_the_entry_hides_the_statement(market: Market):
    posted = market.provider.says("data.acknowledged", market.requester, market.clock())
    post_statement(posted, market.provider.number)
    entry = get(market, "/tile/entries/000.p/1").content[2:]
    assert entry == entry_of(bytes.fromhex(posted.salt), posted.statement)
    assert entry == hashlib.sha256(bytes.fromhex(posted.salt) + posted.statement.encode()).digest()
