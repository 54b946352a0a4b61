"""What the kit computes: accents that can be read, files no spreadsheet runs, periods that hold."""

from __future__ import annotations

import importlib
import re
from datetime import UTC, date, datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from django.test import RequestFactory
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from meterhall.web.portal.accent import DARK_PAPER, WHITE, _parse, contrast, stylesheet
from meterhall.web.portal.periods import Period
from meterhall.web.portal.tables import Column, csv_response, plain_table
from meterhall.web.portal.templatetags.portal import duration, show
from meterhall.web.portal.values import TONES, Badge, Link, Quantity, state_badge
from meterhall.web.portal.words import STATE

ROME = ZoneInfo("Europe/Rome")


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_any_accent_can_be_read_on_light_and_on_dark(colour):
    light, dark = re.findall(r"#[0-9a-f]{6}", stylesheet("#{:02x}{:02x}{:02x}".format(*colour)))
    assert contrast(_parse(light), WHITE) >= 4.5
    assert contrast(_parse(dark), DARK_PAPER) >= 4.5


@pytest.mark.parametrize(
    ("value", "written"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("-1+2", "'-1+2"), (-5, "-5"), (None, ""), (Quantity(2.5, "kWh"), "2.5"),
     (Badge("ok"), "ok"),
     ([date(2026, 1, 1), Link("x", "/")], "2026-01-01, x"),
     (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00")],
)  # fmt: skip
def test_a_cell_of_a_file_is_never_a_formula(value, written):
    content = csv_response("x", [value], [Column("Head", lambda row: row)]).content.decode()
    assert content.split("\r\n")[1].strip('"') == written


def test_text_is_escaped_wherever_it_is_shown():
    assert show("<b>") == "<b>"  # a plain str: the template's own escaping is still to come
    for value in (Link("<b>", '"><i>'), Badge("<b>"), Quantity(1, "<b>"), ["<b>", "x"]):
        assert "<b>" not in str(show(value))
        assert '"><i>' not in str(show(value))


def test_a_list_shows_its_parts_as_each_would_be_shown():
    shown = str(show([date(2016, 9, 1), Link("x", "/x"), "<b>"]))
    assert '<time datetime="2016-09-01">' in shown
    assert ', <a href="/x">x</a>, &lt;b&gt;' in shown


def test_numbers_go_right_only_where_all_are_numbers():
    shown = plain_table("t", ["a", "b"], [[1, "x"], [2, 3]])
    assert [head.numeric for head in shown.headings] == [True, False]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(86_400, "1 day"), (172_800, "2 days"), (3600, "1 hour"), (5400, "90 minutes"), (61, "61 seconds")],
)
def test_a_length_of_time_in_its_largest_whole_unit(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    "query",
    [
        "", "from=x&to=y", "from=2026-03-02&to=2026-03-01", "from=2000-01-01&to=2026-01-01",
        "from=0001-01-01&to=0001-01-02", "from=9999-12-01&to=9999-12-02",
    ],
)  # fmt: skip
def test_a_period_that_makes_no_sense_is_the_usual_one(query):
    period = Period.of(RequestFactory().get(f"/?{query}"), ROME, date(2026, 3, 31), days=7)
    assert (period.first, period.until) == (date(2026, 3, 25), date(2026, 4, 1))


def test_a_period_steps_by_its_length_and_keeps_the_rest_of_the_address():
    period = Period.of(RequestFactory().get("/?pod=7&from=2026-03-29&to=2026-03-30"), ROME, date(2026, 3, 31))
    assert (period.start, period.end) == (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))
    hrefs = [link.href for link in period.links()]
    assert hrefs[0] == "?pod=7&from=2026-03-28&to=2026-03-29"
    assert hrefs[1] == ""
    assert hrefs[-1] == "?pod=7&from=2026-03-30&to=2026-03-31"


def test_every_state_of_the_protocol_has_a_word() -> None:
    found: set[str] = set()
    for name in ("activations", "agreements", "consents", "deliveries", "offers", "players"):
        module = importlib.import_module(f"meterhall.domain.protocol.{name}")
        for model in vars(module).values():
            if isinstance(model, type) and issubclass(model, BaseModel):
                fields = [field for key, field in model.model_fields.items() if key in {"state", "status", "outcome"}]
                found |= {value for field in fields for value in get_args(field.annotation) if isinstance(value, str)}
    assert {"published", "requester_signed", "received"} <= found
    assert found - set(STATE) == set()
    assert set(TONES) - set(STATE) == set()


def test_a_badge_speaks_the_readers_language() -> None:
    with override("de"):
        assert str(state_badge("published").text) == "veröffentlicht"
    assert state_badge("nobody_knows").text == "nobody knows"
