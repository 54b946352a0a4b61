"""A live answer: curves read while the requester waits and told block by block through the gate.

Nothing is kept of it, nothing is stated and nothing receipted: what both sides have to agree on is asked for as a
delivery. The customer's access log has it like any other access.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from threading import Lock
from typing import Final
from weakref import WeakSet

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from meterhall.domain.errors import InvalidInput, TooMany
from meterhall.domain.protocol.base import Compression
from meterhall.domain.protocol.deliveries import GATE_BLOCK_BYTES, CurvesAsked, DataRequest
from meterhall.domain.readings import Curve
from meterhall.formats import FORMATS
from meterhall.formats.base import Block
from meterhall.formats.packing import packed
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import ActivationEnded, frame_of
from meterhall.provider.consents.epoch import epoch
from meterhall.provider.contracts.service import NoContract
from meterhall.provider.deliveries.access import log_live
from meterhall.provider.deliveries.curves import curves_by_item, pods_at_once
from meterhall.provider.deliveries.drawing import header_of
from meterhall.provider.deliveries.entitled import Entitled, accepted_items, entitled
from meterhall.provider.deliveries.gate import Admitted, through
from meterhall.provider.deliveries.service import (
    NothingAccepted,
    OutsideActivation,
    UnknownPseudonym,
    check_scope,
)
from meterhall.web.platform import platform
from meterhall.web.sets import pieces

MOST_PODS: Final = 10_000
AT_HAND: Final = 8
"""Blocks made before the answer begins: what goes wrong until then is refused by its code, and an answer that is no
longer is told with its length."""
SLOTS_AT_ONCE: Final = 250_000
"""Slots read at a time: an answer that is read slowly holds some MB."""
MOST_OPEN: Final = 32
"""Answers to one requester under way at a time in this process."""
OPEN: WeakSet[Live] = WeakSet()
"""The answers under way: an answer that is let go of, whichever way, is none any more."""
COUNTING: Final = Lock()
READERS: Final = ThreadPoolExecutor(4, thread_name_prefix="live")
"""The threads of this process in which bodies under way are read and written."""
PARAMETERS: Final = {"/period": "/until", "/directions": "/direction"}
"""What is said of a member of a data request is said of the parameter it came by."""
ONE_CODING: Final = re.compile(r"\s*(?:x-)?(gzip|zstd|identity|\*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?", re.I)
BY_ITSELF: Final = frozenset({"parquet"})
"""Formats that pack by themselves."""


class TooManyPods(InvalidInput):
    code = "too_many_pods"
    title = f"A live answer is of {MOST_PODS} PODs at most; ask for a delivery, or for one POD at a time."


class TooManyOpen(TooMany):
    code = "too_many_open"
    title = f"{MOST_OPEN} live answers to you are under way; read them, then ask again."


@dataclass(slots=True, eq=False)
class Live(Admitted):
    """Curves that may be told, and of which items."""

    activation: Activation
    request: DataRequest
    members: list[Entitled]

    def asked_again(self) -> datetime | None:
        try:
            frame = frame_of(Activation.objects.get(pk=self.activation.pk))
        except (NoContract, ActivationEnded):
            return None
        may = entitled(frame, self._items(), self.request.period)
        if not all(_holds(one, may.get(one.item.pk)) for one in self.members):
            return None
        return min(one.until for one in may.values())

    def _items(self) -> Iterator[ActivationItem]:
        for some in pieces(one.item.pk for one in self.members):
            yield from ActivationItem.objects.filter(pk__in=some).select_related("point", "consent_item")

    def curves(self) -> Iterator[Curve]:
        """A curve of each item, some read at a time."""
        left = iter(self.members)
        while some := list(islice(left, pods_at_once(self.request, 1, SLOTS_AT_ONCE))):
            found = curves_by_item(self.request, some)
            yield from (curve for one in some for curve in found.get(one.item.pk, ()))

    def content(self) -> Iterator[Block]:
        """The answer in its format."""
        title = f"Activation {self.activation.pk}, live"
        request, now = self.request, platform().now()
        header = header_of(self.activation.pk, title, self.activation.requester, request.period, self.members, now)
        return FORMATS[request.format].encode(self.curves(), header)


def _holds(told: Entitled, now: Entitled | None) -> bool:
    """Whether all days of an item that are told may still be had."""
    return now is not None and all(any(days.within(stretch) for stretch in now.days) for days in told.days)


def open_live(activation: Activation, asked: CurvesAsked) -> Live:
    """The curves asked for, if they may be had now.

    Raises `OutsideActivation`, `PeriodEmpty`, `PeriodTooLong`, `FormatNotOffered`, `UnknownPseudonym`, `TooManyPods`,
    `NothingAccepted`, `NoContract`, `ActivationEnded` and `TooManyOpen`.
    """
    # The epoch is read first: what ends after it is found by the first comparison.
    seen, frame, request = epoch(), frame_of(activation), asked.request(activation.pk)
    if frame.scope.kind != "individual":
        raise OutsideActivation("The activation is of sums; ask for a delivery.", field="/activation_id")
    if frame.scope.timing == "forecast":
        raise OutsideActivation("The activation is of forecasts; ask for a delivery.", field="/activation_id")
    try:
        check_scope(request, frame)
    except InvalidInput as fault:
        fault.field = PARAMETERS.get(fault.field or "", fault.field)
        raise
    if asked.pseudonym is None and activation.items.filter(state="accepted").count() > MOST_PODS:
        raise TooManyPods(field="/pseudonym")
    items = accepted_items(activation, request)
    if asked.pseudonym is not None and not items:
        raise UnknownPseudonym(field="/pseudonym")
    members = list(entitled(frame, items, request.period).values())
    if not members:
        raise NothingAccepted
    live = Live(seen, min(one.until for one in members), activation, request, members)
    _count(live)
    return live


def _count(live: Live) -> None:
    """Note that an answer is under way. Raises `TooManyOpen`."""
    with COUNTING:
        if sum(one.activation.requester == live.activation.requester for one in OPEN) >= MOST_OPEN:
            raise TooManyOpen(retry_after_s=1)
        OPEN.add(live)


def respond_live(request: HttpRequest, live: Live) -> HttpResponseBase:
    """The answer, packed as the caller's `Accept-Encoding` has it; there are no ranges."""
    form = FORMATS[live.request.format]
    coding: Compression = "none" if form.name in BY_ITSELF else coding_of(request.headers.get("Accept-Encoding", ""))
    content = packed(live.content(), coding)
    blocks = in_blocks(content, GATE_BLOCK_BYTES)
    at_hand = deque(islice(blocks, AT_HAND))
    length = sum(map(len, at_hand)) if len(at_hand) < AT_HAND else None
    log_live(live.activation, live.request, live.members)
    body = through(live, _in_turn(at_hand, blocks), {"activation": live.activation.pk}, workers=READERS)
    response = StreamingHttpResponse(body, content_type=form.media_type)
    if length is not None:
        response["Content-Length"] = str(length)
    if coding != "none":
        response["Content-Encoding"] = coding
    response["Cache-Control"] = "no-store"
    response["Vary"] = "Accept-Encoding"
    return response


def _in_turn(at_hand: deque[bytes], blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks at hand, none of them held any longer, and then the others."""
    while at_hand:
        yield at_hand.popleft()
    yield from blocks


def coding_of(header: str) -> Compression:
    """The packing a caller likes best of those there are (RFC 9110 section 12.5.3); `none`: as it is.

    Of what is liked alike zstd, which is smaller; as it is where nothing else is liked.
    """
    liked: dict[str, float] = {"zstd": 0.0, "gzip": 0.0, "identity": 0.0}
    for one in sorted(header.split(","), key=lambda one: "*" not in one):
        match = ONE_CODING.fullmatch(one)
        if match is not None:
            weight = float(match[2] or 1)
            liked |= {"zstd": weight, "gzip": weight} if match[1] == "*" else {match[1].lower(): weight}
    best = max(liked.values())
    if liked["zstd"] == best > 0:
        return "zstd"
    return "gzip" if liked["gzip"] == best > 0 else "none"


def in_blocks(content: Iterable[Block], size: int) -> Iterator[bytes]:
    """The same bytes in blocks of one size, the last one shorter."""
    held: list[memoryview] = []
    room = size
    for one in content:
        rest = memoryview(one).cast("B")
        while len(rest) >= room:
            held.append(rest[:room])
            yield b"".join(held)
            rest, held, room = rest[room:], [], size
        if len(rest):
            held.append(rest)
            room -= len(rest)
    if held:
        yield b"".join(held)
