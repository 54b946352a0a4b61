"""Bodies of any size: read piece by piece and kept in a file, so that memory does not grow with them."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from typing import IO, Final

from django.http import HttpRequest

from meterhall.domain.errors import TooLarge

MOST_BYTES: Final = 4 * 1024**3
IN_MEMORY: Final = 1024 * 1024
PIECE: Final = 1024 * 1024


class UploadTooLarge(TooLarge):
    code = "upload_too_large"
    title = "A file handed in is at most 4 GiB; cut it."


@dataclass(frozen=True, slots=True)
class Upload:
    """A body as a file, and its SHA-256."""

    content: IO[bytes]
    digest: str


def uploaded(request: HttpRequest) -> Upload:
    """The body of a request, from its beginning; read once, however often it is asked for. Raises `UploadTooLarge`."""
    known: Upload | None = getattr(request, "_upload", None)
    if known is None:
        kept, made, size = tempfile.SpooledTemporaryFile(IN_MEMORY), hashlib.sha256(), 0  # noqa: SIM115
        while piece := request.read(PIECE):
            size += len(piece)
            if size > MOST_BYTES:
                kept.close()
                raise UploadTooLarge(field="")
            made.update(piece)
            kept.write(piece)
        known = Upload(kept, made.hexdigest())
        request._upload = known  # type: ignore[attr-defined]
    known.content.seek(0)
    return known
