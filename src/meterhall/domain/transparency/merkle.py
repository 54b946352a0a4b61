"""RFC 6962 (section 2.1) Merkle trees over hashes kept in 256-wide tiles: roots, proofs and their verification."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from meterhall.domain.transparency.errors import BadProof, OutsideTree

HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
EMPTY_ROOT = hashlib.sha256(b"").digest()

Hashes = Callable[[int, int, int], Sequence[bytes]]
"""`(level, first, until)`: the hashes of that tile level from index `first` up to `until`, excluded.

Level 0 holds the leaves; a hash of level n is the root of a full tile of level n - 1.
"""


def entry_of(salt: bytes, statement: str) -> bytes:
    """The log entry that hides a signed statement: SHA-256(salt || JWS), 32 bytes."""
    return hashlib.sha256(salt + statement.encode()).digest()


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes of one level."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def root(hashes: Hashes, size: int) -> bytes:
    """The Merkle tree hash of the first `size` leaves."""
    return _subtree(hashes, 0, size) if size else EMPTY_ROOT


def _subtree(hashes: Hashes, first: int, until: int) -> bytes:
    width = until - first
    if width & (width - 1) == 0:
        height = width.bit_length() - 1
        level = height // TILE_HEIGHT
        scale = TILE_HEIGHT * level
        return fold(hashes(level, first >> scale, until >> scale))
    middle = first + _split(width)
    return node_hash(_subtree(hashes, first, middle), _subtree(hashes, middle, until))


def _split(width: int) -> int:
    """The largest power of two below `width`, which is at least 2."""
    return 1 << ((width - 1).bit_length() - 1)


def inclusion_proof(hashes: Hashes, index: int, size: int) -> list[bytes]:
    """The audit path of a leaf, its sibling first (RFC 6962, 2.1.1). Raises `OutsideTree`."""
    if not 0 <= index < size:
        raise OutsideTree(f"The tree of {size} entries has no entry {index}.")
    path: list[bytes] = []
    first, until = 0, size
    while until - first > 1:
        middle = first + _split(until - first)
        if index < middle:
            path.append(_subtree(hashes, middle, until))
            until = middle
        else:
            path.append(_subtree(hashes, first, middle))
            first = middle
    return path[::-1]


def consistency_proof(hashes: Hashes, first: int, second: int) -> list[bytes]:
    """That the tree of `first` leaves is the beginning of the one of `second` (RFC 6962, 2.1.2). Raises `OutsideTree`.

    Nothing needs proving from the empty tree, or from a tree to itself.
    """
    if not 0 <= first <= second:
        raise OutsideTree("A consistency proof leads from a tree to a larger one.")
    if first in (0, second):
        return []
    path: list[bytes] = []
    low, high = 0, second
    while first < high:
        middle = low + _split(high - low)
        if first <= middle:
            path.append(_subtree(hashes, middle, high))
            high = middle
        else:
            path.append(_subtree(hashes, low, middle))
            low = middle
    if low:
        path.append(_subtree(hashes, low, high))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root_hash: bytes) -> None:
    """That the leaf stands at `index` of the tree (RFC 9162, 2.1.3.2). Raises `BadProof`."""
    if not 0 <= index < size:
        raise BadProof(f"The tree of {size} entries has no entry {index}.")
    at, last, reached = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise BadProof("The inclusion path is too long.")
        if at & 1 or at == last:
            reached = node_hash(step, reached)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            reached = node_hash(reached, step)
        at, last = at >> 1, last >> 1
    if last or reached != root_hash:
        raise BadProof("The inclusion path does not lead to the root.")


def verify_consistency(first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes) -> None:
    """That the first tree is the beginning of the second (RFC 9162, 2.1.4.2). Raises `BadProof`."""
    if not 0 <= first <= second:
        raise BadProof("A tree is never the beginning of a smaller one.")
    if first in (0, second):
        if path or (first_root != second_root if first == second else first_root != EMPTY_ROOT):
            raise BadProof("Trees of one size have one root, and the empty tree has its own.")
        return
    steps = list(path)
    if first & (first - 1) == 0:
        steps.insert(0, first_root)
    if not steps:
        raise BadProof("The consistency path is empty.")
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    older = newer = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise BadProof("The consistency path is too long.")
        if at & 1 or at == last:
            older, newer = node_hash(step, older), node_hash(step, newer)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            newer = node_hash(newer, step)
        at, last = at >> 1, last >> 1
    if last or older != first_root or newer != second_root:
        raise BadProof("The log's trees are not consistent.")
