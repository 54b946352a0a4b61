"""What a provider answers at once is taken only where it is what was asked for, and never without a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import httpx
import numpy as np
import pytest

from meterhall.client import live
from meterhall.client.b2b import PublicClient
from meterhall.client.errors import RemoteRefusal
from meterhall.client.line import Line
from meterhall.client.live import LiveUnreadable, look
from meterhall.client.patience import Pace
from meterhall.domain.protocol.base import Compression, Period
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.domain.readings import Direction, LoadCurve, Series
from meterhall.formats import FORMATS, PartHeader
from meterhall.formats.packing import UnpackedTooLarge, packed

NAME, OTHER = "0" * 35 + "1", "0" * 35 + "2"
CURVE = LoadCurve(
    Series(NAME, 3600, Direction("import"), 0), datetime(2026, 3, 1, 23, tzinfo=UTC), np.arange(24),
    np.zeros(24, np.uint8), datetime(2026, 3, 5, tzinfo=UTC),
)  # fmt: skip
ASKED = DataRequest(
    activation_id="act_" + "0" * 24, period=Period(first=date(2026, 3, 2), until=date(2026, 3, 3)),
    granularity="PT1H", format="csv", pseudonyms=(NAME,),
)  # fmt: skip


def line(answer: Callable[[httpx.Request], httpx.Response]) -> Line:
    http = httpx.Client(transport=httpx.MockTransport(answer))
    return Line(PublicClient("https://grid.example", http=http), Pace(patience_s=0))


def told(curve: LoadCurve, how: Compression = "none") -> httpx.Response:
    content = b"".join(packed(FORMATS["csv"].encode([curve], PartHeader("dlv_1")), how))
    return httpx.Response(
        200, headers={"Content-Encoding": how} if how != "none" else {}, stream=httpx.ByteStream(content)
    )


@pytest.mark.parametrize("how", ["none", "gzip", "zstd"])
def test_it_comes_packed_or_not(how: Compression) -> None:
    [curve] = look(line(lambda request: told(CURVE, how)), "/v1/activations/x", ASKED, {NAME})
    assert curve.mantissas.tolist() == CURVE.mantissas.tolist()


OTHERS = {
    "point": replace(CURVE, series=replace(CURVE.series, usage_point=OTHER)),
    "direction": replace(CURVE, series=replace(CURVE.series, direction=Direction("export"))),
    "granularity": replace(CURVE, series=replace(CURVE.series, resolution_s=1800)),
    "days": replace(CURVE, start=CURVE.start - timedelta(days=400)),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_than_asked_for_is_not_shown(what: str) -> None:
    with pytest.raises(LiveUnreadable):
        look(line(lambda request: told(OTHERS[what])), "/v1/activations/x", ASKED, {NAME, OTHER})


@pytest.mark.parametrize("how", ["none", "gzip", "zstd"])
def test_no_more_is_taken_than_is_read(how: Compression, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_BYTES", 100)
    with pytest.raises(UnpackedTooLarge):
        look(line(lambda request: told(CURVE, how)), "/v1/activations/x", ASKED, {NAME})


def test_a_packing_nobody_asked_for_is_not_read() -> None:
    strange = httpx.Response(200, headers={"Content-Encoding": "br"}, stream=httpx.ByteStream(b"x"))
    with pytest.raises(LiveUnreadable):
        look(line(lambda request: strange), "/v1/activations/x", ASKED, {NAME})


def test_a_refusal_is_passed_on() -> None:
    problem = {
        "code": "nothing_accepted",
        "title": "No POD.",
        "detail": "No POD.",
        "status": 409,
        "type": "about:blank",
    }
    with pytest.raises(RemoteRefusal) as fault:
        look(line(lambda request: httpx.Response(409, json=problem)), "/v1/activations/x", ASKED, {NAME})
    assert fault.value.remote_code == "nothing_accepted"
