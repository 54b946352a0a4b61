"""The tree over the log's rows: appending, tiles, checkpoints, cosignatures and proofs. What is said is elsewhere."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import Count

from meterhall.domain.errors import NotFound, Unavailable
from meterhall.domain.protocol.keys import SigningKey
from meterhall.domain.protocol.log import ConsistencyProof
from meterhall.domain.transparency.checkpoints import Checkpoint, to_base64, witness_name
from meterhall.domain.transparency.errors import BadNote, OutsideTree
from meterhall.domain.transparency.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    fold,
    inclusion_proof,
    leaf_hash,
    root,
)
from meterhall.domain.transparency.notes import (
    COSIGNATURE,
    MOST_SIGNATURES,
    SIGNATURE,
    Note,
    Signature,
    VerifierKey,
    check,
)
from meterhall.domain.transparency.tiles import Tile, bundle, completed, parse_path
from meterhall.marketplace.ledger.models import LogEntry, LogHead, PublishedCheckpoint, TileHash, WitnessCosignature
from meterhall.web.messaging.peers import transport_keys
from meterhall.web.platform import platform

log = structlog.get_logger(__name__)
CLOCK_SKEW = timedelta(minutes=5)


class UnknownTile(NotFound):
    code = "unknown_tile"
    title = "The log has no such tile, or not that much of it yet."


class UnknownCheckpoint(NotFound):
    code = "unknown_checkpoint"
    title = "The log has published no checkpoint of this size."


class LogBroken(Unavailable):
    code = "log_inconsistent"
    title = "The log's rows do not go on from its last checkpoint; it signs nothing until that is repaired."


def origin() -> str:
    """The log's name: where it is served, without the scheme."""
    return platform().base_url.removeprefix("https://")


def signing_key() -> SigningKey:
    """The log's own key; it signs checkpoints and nothing else."""
    return SigningKey.from_bytes(platform().home.derived_key("transparency log"))


def log_key() -> VerifierKey:
    """The key by which anyone checks the log's checkpoints."""
    return VerifierKey.of(origin(), SIGNATURE, signing_key().public)


def locked_head() -> LogHead:
    """The head, locked until the caller's transaction ends: numbers are given out one transaction at a time."""
    LogHead.objects.get_or_create(pk=1)
    return LogHead.objects.select_for_update().get(pk=1)


def append_entry(head: LogHead, entry: bytes) -> LogEntry:
    """Put an entry behind the last one; `head` is the locked head."""
    row = LogEntry.objects.create(seq=head.size, entry=entry, leaf=leaf_hash(entry))
    head.size += 1
    head.save(update_fields=["size"])
    for tile in completed(head.size):
        level = tile.level or 0
        hashes_of = hashes(level, tile.first, tile.until)
        TileHash.objects.create(level=level + 1, index=tile.index, hash=fold(hashes_of))
    return row


def size() -> int:
    """How many entries the log has."""
    found = LogHead.objects.values_list("size", flat=True).first()
    return int(found or 0)


def hashes(level: int, first: int, until: int) -> list[bytes]:
    """The hashes of a tile level from `first` up to `until`, excluded. Raises `OutsideTree` where some are missing."""
    if level == 0:
        leaves = LogEntry.objects.filter(seq__gte=first, seq__lt=until).order_by("seq")
        found = [bytes(one) for one in leaves.values_list("leaf", flat=True)]
    else:
        roots = TileHash.objects.filter(level=level, index__gte=first, index__lt=until).order_by("index")
        found = [bytes(one) for one in roots.values_list("hash", flat=True)]
    if len(found) != until - first:
        raise OutsideTree
    return found


def tile(path: str) -> bytes:
    """The content of a tile or entry bundle by its path below `/tile/`. Raises `BadTilePath`, `UnknownTile`."""
    wanted: Tile = parse_path(path)
    if wanted.level is not None:
        try:
            return b"".join(hashes(wanted.level, wanted.first, wanted.until))
        except OutsideTree:
            raise UnknownTile from None
    rows = LogEntry.objects.filter(seq__gte=wanted.first, seq__lt=wanted.until).order_by("seq")
    entries = [bytes(one) for one in rows.values_list("entry", flat=True)]
    if len(entries) != wanted.width:
        raise UnknownTile
    return bundle(entries)


def publish() -> PublishedCheckpoint:
    """Sign the log as it stands, once a size. Raises `LogBroken` when it does not go on from the last checkpoint."""
    last = PublishedCheckpoint.objects.order_by("-size").first()  # before the size: the log may grow in between
    now_size = size()
    if last is not None and last.size == now_size:
        return last
    if last is not None and (last.size > now_size or _root(last.size) != bytes(last.root)):
        log.error("log.inconsistent", size=now_size, published=last.size)
        raise LogBroken
    checkpoint = Checkpoint(origin(), now_size, _root(now_size))
    row, _ = PublishedCheckpoint.objects.get_or_create(
        size=now_size,
        defaults={
            "root": checkpoint.root,
            "note": str(checkpoint.signed(signing_key())),
            "published_at": platform().now(),
        },
    )
    return row


def _root(tree_size: int) -> bytes:
    return root(hashes, tree_size) if tree_size else EMPTY_ROOT


def latest() -> PublishedCheckpoint:
    """The newest published checkpoint."""
    return PublishedCheckpoint.objects.order_by("-size").first() or publish()


def covering(seq: int) -> PublishedCheckpoint:
    """A checkpoint of a tree that holds the entry: among the next cosigned ones that with the most witnesses."""
    later = PublishedCheckpoint.objects.filter(size__gt=seq)
    cosigned = later.filter(cosignatures__isnull=False).annotate(witnesses=Count("cosignatures")).order_by("size")[:50]
    best = max(cosigned, key=lambda one: one.witnesses, default=None)
    return best or later.order_by("-size").first() or publish()


def cosigned_note(checkpoint: PublishedCheckpoint) -> Note:
    """The checkpoint with all its witnesses' cosignatures."""
    note = Note.parse(checkpoint.note)
    lines = checkpoint.cosignatures.order_by("witness").values_list("line", flat=True)[: MOST_SIGNATURES - 1]
    return Note(note.text, (*note.signatures, *(Signature.parse(line) for line in lines)))


def inclusion(seq: int, tree_size: int) -> tuple[str, ...]:
    """The inclusion path of an entry, base64."""
    return tuple(to_base64(step) for step in inclusion_proof(hashes, seq, tree_size))


def consistency(first: int, second: int) -> ConsistencyProof:
    """That the log of `first` entries is the beginning of that of `second`. Raises `OutsideTree`."""
    if second > size():
        raise OutsideTree("The log is not that large.", field="/second")
    path = consistency_proof(hashes, first, second)
    return ConsistencyProof(first=first, second=second, path=tuple(to_base64(step) for step in path))


def take_cosignature(witness: str, tree_size: int, line: str) -> None:
    """Keep a player's cosignature of a published checkpoint; the first one stays.

    Raises `UnknownCheckpoint`, or `BadNote` when it is not the player's or does not fit.
    """
    checkpoint = PublishedCheckpoint.objects.filter(size=tree_size).first()
    if checkpoint is None:
        raise UnknownCheckpoint(field="/size")
    _check_cosignature(checkpoint, witness, Signature.parse(line))
    with transaction.atomic():
        WitnessCosignature.objects.get_or_create(
            checkpoint=checkpoint, witness=witness, defaults={"line": line, "taken_at": platform().now()}
        )


def _check_cosignature(checkpoint: PublishedCheckpoint, witness: str, signature: Signature) -> None:
    name = witness_name(origin(), witness)
    keys = [VerifierKey.of(name, COSIGNATURE, key) for key in transport_keys(witness)]
    mine = next((key for key in keys if (key.name, key.key_id) == (signature.name, signature.key_id)), None)
    if mine is None:
        raise BadNote(f"The cosignature is not by a transport key of {witness} under the name {name}.", field="/line")
    check(Note.parse(checkpoint.note).text, signature, mine)
    if signature.at > platform().now() + CLOCK_SKEW:
        raise BadNote("The cosignature is from the future.", field="/line")
