"""Sentences of the domain and of other platforms are shown in the reader's language, none of them in English."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import translation

from meterhall.client.errors import unreachable
from meterhall.domain.pods.errors import InvalidPod
from meterhall.domain.pods.localise import UNRESOLVED
from meterhall.domain.protocol.activations import REFUSALS
from meterhall.domain.readings.rules import SENTENCES
from meterhall.marketplace.certification import conformance, service
from meterhall.provider.metering import register
from meterhall.web.portal.days import day_words
from meterhall.web.portal.spoken import CHECK, spoken
from meterhall.web.portal.templatetags.portal import quantity
from meterhall.web.portal.values import Quantity
from meterhall.web.portal.words import USAGE_CLASS, word

LANGUAGES = ("de", "es", "fr", "it")
SAYING = {"require": 1, "Passed": 0, "NotConformant": 0, "_failure": 1, "patiently": 1}
"""Functions of the certifier whose argument at this place is a finding."""


def findings(file: str) -> Iterator[str]:
    """Every finding the certifier's code can write, with `7` for what differs."""
    for node in ast.walk(ast.parse(Path(file).read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in SAYING and len(node.args) > SAYING[name] and (said := _text(node.args[SAYING[name]])):
            yield f"{said} within 7 s." if name == "patiently" else said


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        text = "".join(str(one.value) if isinstance(one, ast.Constant) else "7" for one in node.values)
        return "" if text == "7 within 7 s." else text
    return ""


FOUND = sorted({*findings(conformance.__file__), *findings(service.__file__)})
PLAIN = [
    *SENTENCES.values(), *REFUSALS.values(), *UNRESOLVED.values(), *(one.title for one in InvalidPod.__subclasses__()),
    register.UNKNOWN[1], register.DIRECTION[1],
]  # fmt: skip


def test_the_findings_are_found() -> None:
    assert len(FOUND) > 40
    assert "Part 7 has another digest." in FOUND


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_stays_english(language: str) -> None:
    with translation.override(language):
        left = [text for text in (*PLAIN, *FOUND) if spoken(text) == text]
        checks = {name for name, _check in conformance.CHECKS} - set(CHECK)
        usage = word(USAGE_CLASS, "household")
    assert left == []
    assert checks == set()
    assert usage != "household"


def test_what_differs_stays_in_the_sentence() -> None:
    with translation.override("de"):
        assert spoken("Part 12 answers 404, not 206.") == "Teil 12 antwortet 404, nicht 206."
        assert spoken("No consent of the holder covers this POD. (consent_missing)").endswith("(consent_missing)")
        assert spoken("Something another platform wrote.") == "Something another platform wrote."
        assert spoken("") == ""


def test_a_platform_that_does_not_answer_is_told_in_words() -> None:
    import httpx

    for fault in (httpx.ConnectError(""), httpx.ReadTimeout(""), httpx.RemoteProtocolError("")):
        said = unreachable("https://x", fault)
        assert type(fault).__name__ not in said.detail
        assert said.members == {"cause": type(fault).__name__}
        with translation.override("fr"):
            assert spoken(said.detail).startswith("https://x est injoignable : ")


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("it", "03 settembre 2016"),
        ("es", "3 de septiembre de 2016"),
        ("fr", "3 septembre 2016"),
        ("de", "3. September 2016"),
    ],
)
def test_months_are_small_where_the_language_has_them_small(language: str, expected: str) -> None:
    with translation.override(language):
        assert day_words(date(2016, 9, 3)) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [("5e0", "5"), ("12345e0", "12.345"), ("12345e-1", "1.234,5"), ("-50e-1", "-5"), ("0e0", "0")],
)
def test_an_exact_number_is_shown_as_the_reader_writes_it(number: str, expected: str) -> None:
    with translation.override("de"):
        assert quantity(Quantity(Decimal(number), "Wh")) == f"{expected}\u202fWh"
