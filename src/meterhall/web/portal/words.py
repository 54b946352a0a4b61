"""The words of the pages for the codes that all platforms show: directions, granularities, formats, reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

Words = Mapping[str, str | Promise]
"""Code -> the word for it."""

DIRECTION: Words = {"import": gettext_lazy("consumption"), "export": gettext_lazy("feed-in")}
GRANULARITY: Words = {
    "PT5M": gettext_lazy("5 minutes"),
    "PT10M": gettext_lazy("10 minutes"),
    "PT15M": gettext_lazy("15 minutes"),
    "PT30M": gettext_lazy("30 minutes"),
    "PT1H": gettext_lazy("1 hour"),
    "P1D": gettext_lazy("1 day"),
    "P7D": gettext_lazy("1 week"),
    "P1M": gettext_lazy("1 month"),
}
FORMAT: Mapping[str, Promise] = {
    "parquet": gettext_lazy("Parquet"),
    "arrow": gettext_lazy("Arrow (IPC stream)"),
    "csv": gettext_lazy("CSV"),
    "jsonl": gettext_lazy("JSON lines, a day each"),
    "jsonl_rows": gettext_lazy("JSON lines, a reading each"),
    "espi": gettext_lazy("Green Button (ESPI)"),
    "cim": gettext_lazy("CIM (VHD 1.04, XML)"),
    "cim_json": gettext_lazy("CIM (VHD 1.04, JSON)"),
}
USAGE_CLASS: Words = {"household": gettext_lazy("household")}
"""Classes of customer: the one a point has where nobody names another; the others are the grid operator's own."""
MEASURE: Words = {
    "sum": gettext_lazy("sum"),
    "mean": gettext_lazy("mean"),
    "p10": gettext_lazy("10 % are below"),
    "p25": gettext_lazy("a quarter is below"),
    "p50": gettext_lazy("median"),
    "p75": gettext_lazy("three quarters are below"),
    "p90": gettext_lazy("90 % are below"),
}
"""What is told of a group."""
REASON: Words = {
    "requested": gettext_lazy("requested"),
    "scheduled": gettext_lazy("scheduled"),
    "correction": gettext_lazy("a correction"),
    "revocation": gettext_lazy("a consent was withdrawn"),
}
"""Why a version of a delivery was made."""
STATE: Words = {
    "active": gettext_lazy("active"),
    "accepted": gettext_lazy("accepted"),
    "admitted": gettext_lazy("admitted"),
    "announced": gettext_lazy("announced"),
    "answered": gettext_lazy("answered"),
    "applied": gettext_lazy("applied"),
    "awaited": gettext_lazy("awaited"),
    "closed": gettext_lazy("closed"),
    "countersigned": gettext_lazy("countersigned"),
    "delivered": gettext_lazy("delivered"),
    "denied": gettext_lazy("refused"),
    "done": gettext_lazy("done"),
    "draft": gettext_lazy("draft"),
    "drafted": gettext_lazy("drawn up"),
    "ended": gettext_lazy("ended"),
    "expired": gettext_lazy("expired"),
    "failed": gettext_lazy("failed"),
    "granted": gettext_lazy("granted"),
    "held": gettext_lazy("set aside"),
    "lapsed": gettext_lazy("lapsed"),
    "left": gettext_lazy("left"),
    "matched": gettext_lazy("matched"),
    "mismatched": gettext_lazy("do not match"),
    "new": gettext_lazy("new"),
    "open": gettext_lazy("open"),
    "overtaken": gettext_lazy("overtaken by a newer value"),
    "partly_revoked": gettext_lazy("withdrawn in part"),
    "passed": gettext_lazy("passed"),
    "pending": gettext_lazy("waiting"),
    "preparing": gettext_lazy("being prepared"),
    "published": gettext_lazy("published"),
    "quit": gettext_lazy("quit"),
    "received": gettext_lazy("received"),
    "refused": gettext_lazy("refused"),
    "rejected": gettext_lazy("rejected"),
    "released": gettext_lazy("released"),
    "releasing": gettext_lazy("being released"),
    "requested": gettext_lazy("requested"),
    "requester_signed": gettext_lazy("signed by the requester"),
    "revoked": gettext_lazy("withdrawn"),
    "running": gettext_lazy("running"),
    "sending": gettext_lazy("being sent"),
    "sent": gettext_lazy("sent"),
    "signed": gettext_lazy("signed"),
    "started": gettext_lazy("begun"),
    "stored": gettext_lazy("stored"),
    "stuck": gettext_lazy("stuck"),
    "superseded": gettext_lazy("superseded"),
    "suspended": gettext_lazy("suspended"),
    "taken": gettext_lazy("accepted"),
    "terminated": gettext_lazy("ended"),
    "valid": gettext_lazy("valid"),
    "waiting": gettext_lazy("waiting"),
    "withdrawn": gettext_lazy("withdrawn"),
    "working": gettext_lazy("being worked in"),
}
"""The states of everything that has one: players, offers, contracts, activations, deliveries, files, wishes."""


def word(words: Words, code: str) -> str:
    """The word for a code; the code itself where there is none."""
    return str(words.get(code, code.replace("_", " ")))


def listed(words: Words, codes: Iterable[str]) -> str:
    """The words for several codes, with commas."""
    return ", ".join(word(words, code) for code in codes)


def choices(words: Words, codes: Iterable[str]) -> list[tuple[str, str]]:
    """The choices of a form for these codes."""
    return [(code, word(words, code)) for code in codes]
