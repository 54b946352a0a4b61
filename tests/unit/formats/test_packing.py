import gzip
import sys
import zlib
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.formats.curves_for_formats import HEADER, load_curve

from meterhall.domain.protocol.base import Compression
from meterhall.formats import FORMATS, Block, DecodeError
from meterhall.formats.packing import UnpackedTooLarge, packed, unpacked

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

both = pytest.mark.parametrize("how", ["gzip", "zstd"])
MOST = 1_000_000


def pack(content: bytes, how: Compression) -> bytes:
    return b"".join(packed([content], how))


@both
@given(blocks=st.lists(st.binary(max_size=5000)))
def test_what_was_packed_in_blocks_comes_back_whole(how: Compression, blocks: list[bytes]) -> None:
    assert unpacked(b"".join(packed(map(memoryview, blocks), how)), how, MOST) == b"".join(blocks)


@pytest.mark.parametrize("form", list(FORMATS))
@both
def test_a_file_of_every_format_comes_back(form: str, how: Compression) -> None:
    curve = load_curve(list(range(500)), point="p")
    plain = b"".join(FORMATS[form].encode([curve], HEADER))
    content = b"".join(packed(FORMATS[form].encode([curve], HEADER), how))
    assert unpacked(content, how, MOST) == plain
    assert form == "parquet" or len(content) < len(plain)


def test_any_tool_reads_it() -> None:
    assert gzip.decompress(pack(b"reading" * 99, "gzip")) == b"reading" * 99
    assert zstd.decompress(pack(b"reading" * 99, "zstd")) == b"reading" * 99


def test_what_other_tools_wrote_is_read() -> None:
    assert unpacked(gzip.compress(b"reading"), "gzip", MOST) == b"reading"
    assert unpacked(zstd.compress(b"reading", 19), "zstd", MOST) == b"reading"


def test_not_packed_is_left_as_it_is() -> None:
    assert pack(b"plain", "none") == b"plain"
    assert unpacked(b"plain", "none", MOST) == b"plain"


@both
def test_the_same_file_is_packed_to_the_same_bytes(how: Compression) -> None:
    assert pack(b"again" * 99, how) == pack(b"again" * 99, how)


@both
def test_blocks_are_packed_as_they_come(how: Compression) -> None:
    asked: list[int] = []

    def blocks() -> Iterator[Block]:
        for number in range(64):
            asked.append(number)
            yield Random(number).randbytes(65_536)

    next(packed(blocks(), how))
    assert len(asked) < 8


@both
def test_exactly_the_limit_is_read_and_one_more_is_not(how: Compression) -> None:
    content = pack(bytes(1000), how)
    assert len(unpacked(content, how, 1000)) == 1000
    with pytest.raises(UnpackedTooLarge) as fault:
        unpacked(content, how, 999)
    assert (fault.value.code, fault.value.status) == ("unpacked_too_large", 413)


@both
def test_a_bomb_is_not_unpacked(how: Compression) -> None:
    bomb = b"".join(packed((bytes(1_000_000) for _ in range(200)), how))
    assert len(bomb) < 400_000
    with pytest.raises(UnpackedTooLarge):
        unpacked(bomb, how, MOST)


@both
@given(data=st.data())
def test_cut_short_is_refused_wherever(how: Compression, data: st.DataObject) -> None:
    content = pack(bytes(range(256)) * 8, how)
    with pytest.raises(DecodeError):
        unpacked(content[: data.draw(st.integers(0, len(content) - 1))], how, MOST)


@both
@pytest.mark.parametrize("after", [b"\0", b"more"])
def test_something_after_the_end_is_refused(how: Compression, after: bytes) -> None:
    content = pack(b"reading", how)
    for more in (after, content):
        with pytest.raises(DecodeError, match="goes on after its end"):
            unpacked(content + more, how, MOST)


@both
def test_what_is_not_packed_so_is_refused(how: Compression) -> None:
    other = {"gzip": "zstd", "zstd": "gzip"}[how]
    for content in (b"usage_point,start\n", zlib.compress(b"reading"), pack(b"reading", other)):  # type: ignore[arg-type]
        with pytest.raises(DecodeError, match=f"not packed by {how}"):
            unpacked(content, how, MOST)


def test_the_checksum_of_gzip_is_checked() -> None:
    content = bytearray(pack(b"reading" * 50, "gzip"))
    content[-6] ^= 1
    with pytest.raises(DecodeError):
        unpacked(bytes(content), "gzip", MOST)
