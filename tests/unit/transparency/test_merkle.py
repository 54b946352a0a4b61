"""Trees against the definition of RFC 6962 written out naively, and against its published vectors."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.transparency.errors import BadProof, OutsideTree
from meterhall.domain.transparency.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    fold,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]
LARGEST = 600
MANY = [leaf_hash(number.to_bytes(2, "big")) for number in range(LARGEST)]


def naive(leaves: list[bytes]) -> bytes:
    """MTH as section 2.1 defines it."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive(leaves[:k]) + naive(leaves[k:])).digest()


def tiled(leaves: list[bytes]):
    """The leaves as a log keeps them: level 1 and above hold only roots of full tiles."""
    levels = [leaves]
    while len(levels[-1]) >= 256:
        below = levels[-1]
        levels.append([fold(below[at : at + 256]) for at in range(0, len(below) - 255, 256)])

    def hashes(level: int, first: int, until: int) -> list[bytes]:
        found = levels[level][first:until]
        assert len(found) == until - first, "only what is there may be asked for"
        return found

    return hashes


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size):
    assert root(tiled(LEAVES), size).hex() == ROOTS[size - 1]
    assert naive(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_the_empty_tree():
    assert root(tiled([]), 0) == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_published_paths():
    path = inclusion_proof(tiled(LEAVES), 0, 8)
    assert [step.hex()[:8] for step in path] == ["96a296d2", "5f083f0a", "6b47aaf2"]
    proof = consistency_proof(tiled(LEAVES), 6, 8)
    assert [step.hex()[:8] for step in proof] == ["0ebc5d34", "ca854ea1", "d37ee418"]
    assert consistency_proof(tiled(LEAVES), 1, 8)[0].hex()[:8] == "96a296d2"


sizes = st.integers(1, LARGEST)


@given(sizes, st.data())
def test_every_leaf_is_proven_and_no_other(size, data):
    index = data.draw(st.integers(0, size - 1))
    hashes, top = tiled(MANY[:size]), naive(MANY[:size])
    path = inclusion_proof(hashes, index, size)
    assert root(hashes, size) == top
    verify_inclusion(MANY[index], index, size, path, top)
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index)) if size > 1 else size
    for wrong in (
        (MANY[index - 1], index, size, path, hashlib.sha256(top).digest()),
        (hashlib.sha256(MANY[index]).digest(), index, size, path, top),
        (MANY[index], other, size, path, top),
        (MANY[index], index, size, [*path, top], top),
    ):
        with pytest.raises(BadProof):
            verify_inclusion(*wrong)


@given(st.integers(0, LARGEST), st.integers(0, LARGEST), st.data())
def test_every_growth_is_proven_and_no_rewriting(one, other, data):
    first, second = sorted((one, other))
    older = naive(MANY[:first]) if first else EMPTY_ROOT
    newer = naive(MANY[:second]) if second else EMPTY_ROOT
    path = consistency_proof(tiled(MANY[:second]), first, second)
    verify_consistency(first, second, path, older, newer)
    if not first:
        return
    changed = data.draw(st.integers(0, first - 1))
    leaves = [*MANY[:changed], hashlib.sha256(MANY[changed]).digest(), *MANY[changed + 1 : second]]
    rewritten = consistency_proof(tiled(leaves), first, second)
    with pytest.raises(BadProof):
        verify_consistency(first, second, rewritten, older, naive(leaves))
    with pytest.raises(BadProof):
        verify_consistency(first, second, [*path, older], older, newer)


def test_nothing_outside_the_tree():
    for index, size in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(OutsideTree):
            inclusion_proof(tiled(MANY), index, size)
        with pytest.raises(BadProof):
            verify_inclusion(MANY[0], index, size, [], MANY[0])
    with pytest.raises(OutsideTree):
        consistency_proof(tiled(MANY), 4, 3)
    with pytest.raises(BadProof):
        verify_consistency(4, 3, [], MANY[0], MANY[0])
    with pytest.raises(BadProof):
        verify_consistency(3, 4, [], MANY[0], MANY[0])
