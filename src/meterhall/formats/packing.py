"""Packing a file whole, whatever its format: gzip (RFC 1952) and zstd (RFC 8878). Usable on its own.

A packed file is one gzip member or one zstd frame, without a dictionary. Reading needs no extra; writing gzip takes
`isal`, of the extra `platform`.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from meterhall.domain.errors import TooLarge
from meterhall.domain.protocol.base import Compression
from meterhall.formats.base import Block, DecodeError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SUFFIXES: Final[Mapping[Compression, str]] = {"none": "", "gzip": ".gz", "zstd": ".zst"}
"""What a packed file's name ends with, after the extension of its format."""
_GZIP: Final = 31
"""With a gzip header and trailer around it, and the largest window there is."""
_GZIP_LEVEL: Final = 2
_ZSTD_LEVEL: Final = 1
"""The last levels before the cost in time becomes a multiple: files of load curves hardly become smaller above them."""


class UnpackedTooLarge(TooLarge):
    code = "unpacked_too_large"
    title = "The file is larger, unpacked, than is read."


def packed(blocks: Iterable[Block], how: Compression) -> Iterator[Block]:
    """The file in blocks as they come from an encoder, packed; holds one block at a time. `none` leaves them be."""
    if how == "none":
        yield from blocks
        return
    packing = _packing(how)
    for block in blocks:
        if out := packing.compress(block):
            yield out
    yield packing.flush()


def unpacked(content: bytes, how: Compression, most: int) -> bytes:
    """The file that was packed. Makes at most `most` bytes and one more, whatever the content claims.

    Raises `DecodeError` where it is not what `how` says, is cut short or goes on after its end, and
    `UnpackedTooLarge`.
    """
    if how == "none":
        return content
    unpacking: Any = zstd.ZstdDecompressor() if how == "zstd" else zlib.decompressobj(wbits=_GZIP)
    try:
        plain: bytes = unpacking.decompress(content, most + 1)
    except (zlib.error, zstd.ZstdError) as fault:
        raise DecodeError(f"The file is not packed by {how}, or broken.", field="/") from fault
    if len(plain) > most:
        raise UnpackedTooLarge(f"The file is larger than {most} bytes, unpacked.")
    if not unpacking.eof:
        raise DecodeError(f"The {how} file is cut short.", field="/")
    if unpacking.unused_data:
        raise DecodeError(f"The {how} file goes on after its end.", field="/")
    return plain


def _packing(how: Compression) -> Any:
    if how == "zstd":
        return zstd.ZstdCompressor(level=_ZSTD_LEVEL)
    from isal import isal_zlib

    return isal_zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP)
