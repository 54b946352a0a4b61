"""What the machine is asked for: room on a disk that can be written, the certificate's end, the time of its clock."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

import httpx
from django.utils.translation import gettext_noop

from meterhall.client.errors import unreachable
from meterhall.web.metrics import at_scrape, gauge
from meterhall.web.platform import platform

LEAST_FREE_BYTES = 1024**3
LEAST_FREE_SHARE = 0.05
MOST_OFF = timedelta(seconds=20)
"""Proofs are refused when clocks are about a minute apart; before that somebody should know."""
SOON = timedelta(days=14)
WHY = {
    errno.ENOSPC: gettext_noop("no space is left on its disk"),
    errno.EDQUOT: gettext_noop("the quota of its disk is used up"),
    errno.EROFS: gettext_noop("its disk is read-only"),
    errno.EACCES: gettext_noop("this program may not write there"),
    errno.EPERM: gettext_noop("this program may not write there"),
    errno.ENOENT: gettext_noop("it leads to a folder that is not there"),
    errno.ENOTDIR: gettext_noop("it is not a folder"),
    errno.EIO: gettext_noop("its disk is broken"),
}

FREE = gauge("meterhall_disk_free_bytes", "Room left on the disk the home is on; of several, the one with the least.")
SIZE = gauge("meterhall_disk_bytes", "Size of that disk.")
WRITABLE = gauge("meterhall_disk_writable", "1 when every folder of the home can be written, else 0.")
CERTIFICATE = gauge(
    "meterhall_certificate_seconds", "How long the certificate of the listeners holds; negative when it ran out."
)


def certificate_ends() -> datetime:
    """When the certificate of the listeners runs out."""
    from cryptography import x509

    pem = (platform().home.path / "tls" / "server.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


class Disk(NamedTuple):
    """Bytes."""

    total: int
    free: int


def fullest() -> Disk:
    """Of the disks the home is on, the one with the least room."""
    home = platform().home.path
    usages = [shutil.disk_usage(place) for place in (home, home / "lake", home / "files") if place.exists()]
    return min((Disk(one.total, one.free) for one in usages), key=lambda one: one.free)


def unwritable() -> tuple[Path, str] | None:
    """The first folder of the home that cannot be written, and why, in words; None when all can. Each is tried."""
    home = platform().home.path
    for place in (home, home / "lake", home / "files"):
        if not os.path.lexists(place):
            continue  # made when it is first needed, in a folder that is tried here
        try:
            with tempfile.NamedTemporaryFile(dir=place, prefix=".tried-") as file:
                file.write(b"1")
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            return place, WHY.get(fault.errno or 0, fault.strerror or type(fault).__name__)
    return None


def writable() -> str:
    """That everything can be written. Raises `ValueError` naming the folder that cannot."""
    if found := unwritable():
        raise ValueError(f"cannot be written: {found[0]}: {found[1]}; nothing that comes in is kept until it can")
    return "can be written"


@at_scrape
def machine() -> None:
    disk = fullest()
    WRITABLE.set(not unwritable())
    FREE.set(disk.free)
    SIZE.set(disk.total)
    try:
        CERTIFICATE.set((certificate_ends() - platform().now()).total_seconds())
    except (OSError, ValueError):
        CERTIFICATE.set(-1)


def room() -> str:
    """How much room there is. Raises `ValueError` when it is about to run out."""
    disk = fullest()
    left = f"{disk.free / 1024**3:.1f} GiB free of {disk.total / 1024**3:.1f}"
    if disk.free < LEAST_FREE_BYTES or disk.free < disk.total * LEAST_FREE_SHARE:
        raise ValueError(f"only {left}: make room, nothing can be taken in without it")
    return left


def certificate() -> str:
    """Until when the certificate holds. Raises `ValueError` when it ran out or is about to."""
    ends, now = certificate_ends(), platform().now()
    if ends < now:
        raise ValueError(f"ran out on {ends:%Y-%m-%d}: put a new one into tls/ and start the listeners anew")
    if ends < now + SOON:
        raise ValueError(f"runs out on {ends:%Y-%m-%d}: put a new one into tls/ and start the listeners anew")
    return f"valid until {ends:%Y-%m-%d}"


def clock() -> str:
    """How far our clock is from the Market Place's. Raises `ValueError` when too far, `RemoteUnreachable`."""
    url = platform().config.marketplace_url.rstrip("/") + "/health/live"
    try:
        answer = platform().http.get(url)
    except httpx.TransportError as fault:
        raise unreachable(f"The Market Place at {url}", fault) from fault
    return compared(answer, platform().now())


def compared(answer: httpx.Response, now: datetime) -> str:
    """How far `now` is from the date of an answer, which is in whole seconds. Raises `ValueError` when too far."""
    if "Date" not in answer.headers:
        return "the Market Place does not say what time it has"
    theirs = parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    apart_s = round((now - theirs).total_seconds())
    if abs(apart_s) > MOST_OFF.total_seconds():
        side = "ahead of" if apart_s > 0 else "behind"
        raise ValueError(f"it is {abs(apart_s)} s {side} the Market Place's: one of the two is wrong, set it by NTP")
    return "within some seconds of the Market Place's"


def work() -> str:
    """What fails. Raises `ValueError` when something was laid aside."""
    from meterhall.web.work.letters import some

    dead, more = some("dead", "", 1000)
    retrying, _ = some("retrying", "", 1000)
    if dead:
        count = f"{len(dead)}{' or more' if more else ''}"
        raise ValueError(f"{count} laid aside, the first: {dead[0].id}: {dead[0].error}; see `letters` and `redeliver`")
    return f"{len(retrying)} being tried again, the first: {retrying[0].error}" if retrying else "nothing fails"
