"""Static files served by the app itself under names that carry their content's hash, so that browsers keep them."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import Storage
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control, patch_vary_headers

HASHED = re.compile(r"^(?P<stem>.+)\.(?P<hash>[0-9a-f]{12})(?P<suffix>\.[A-Za-z0-9]+)$")
FAR_S = 31_536_000


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file's content, ready to send."""

    content: bytes
    zipped: bytes
    media_type: str
    hash: str


class HashedStaticStorage(Storage):
    """Names for `{% static %}`; the files stay where the apps have them."""

    def url(self, name: str | None) -> str:
        """`/static/portal/kit.css` becomes `/static/portal/kit.<hash>.css`; a missing file is a fault of the page."""
        found = read(name or "")
        stem, dot, suffix = (name or "").rpartition(".")
        return f"{settings.STATIC_URL}{stem}.{found.hash}{dot}{suffix}"


def static_view(request: HttpRequest, name: str) -> HttpResponse:
    """A static file: kept for a year under its hashed name, checked again each time under its plain one."""
    match = HASHED.match(name)
    plain = f"{match['stem']}{match['suffix']}" if match else name
    try:
        found = read(plain)
    except FileNotFoundError:
        raise Http404 from None
    if match and match["hash"] != found.hash:
        raise Http404
    zips = "gzip" in request.headers.get("Accept-Encoding", "") and len(found.zipped) < len(found.content)
    response = HttpResponse(found.zipped if zips else found.content, content_type=found.media_type)
    if zips:
        response["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ["Accept-Encoding"])
    patch_cache_control(response, public=True, max_age=FAR_S if match else 0, immutable=bool(match))
    return response


def read(name: str) -> StaticFile:
    """A static file of an installed app. Raises FileNotFoundError."""
    try:
        place = finders.find(name)
    except SuspiciousFileOperation:
        raise FileNotFoundError(name) from None
    if not isinstance(place, str) or not Path(place).is_file():
        raise FileNotFoundError(name)
    return _read(place, Path(place).stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _read(place: str, changed_ns: int) -> StaticFile:
    content = Path(place).read_bytes()
    kind = mimetypes.guess_type(place)[0] or "application/octet-stream"
    media_type = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    return StaticFile(content, gzip.compress(content, mtime=0), media_type, hashlib.sha256(content).hexdigest()[:12])
