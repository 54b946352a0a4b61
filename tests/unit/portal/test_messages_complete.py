"""Every text of the pages is translated into four languages, with its placeholders, and compiled as it stands."""

import io
import re
import sys
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo

sys.path.append(str(Path(__file__).resolve().parents[3] / "tools"))

import messages

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|<[^>]+>")


@pytest.fixture(scope="module")
def texts() -> list[messages.Message]:
    return messages.gather()


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_the_catalogue_has_every_text_and_no_other(language: str, texts: list[messages.Message]) -> None:
    known = {message.id for message in messages.read(language) if message.id}
    assert known == set(texts)


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_text_is_translated_with_its_placeholders(language: str) -> None:
    for message in messages.read(language):
        if not message.id:
            continue
        given = message.string if isinstance(message.string, tuple) else (message.string,)
        asked = message.id if isinstance(message.id, tuple) else (message.id,)
        assert all(given), f"{language}: {message.id!r} is not translated"
        wanted = {frozenset(PLACEHOLDER.findall(text)) for text in asked}
        for text in given:
            assert frozenset(PLACEHOLDER.findall(text)) in wanted, f"{language}: {text!r}"


def _plain(text: object) -> object:
    """Plural forms come as a list or a tuple."""
    return tuple(text) if isinstance(text, list) else text


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_the_compiled_catalogue_is_current(language: str) -> None:
    file = messages.catalogue_of(language).with_suffix(".mo")
    compiled = {_plain(one.id): _plain(one.string) for one in read_mo(io.BytesIO(file.read_bytes())) if one.id}
    written = {_plain(one.id): _plain(one.string) for one in messages.read(language) if one.id}
    assert compiled == written


def test_texts_of_templates_and_code_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        '{% load i18n %}{% translate "One" %}{% translate "T&wo" as x %}'
        "{% blocktranslate count n=n %}{{ n }} day{% plural %}{{ n }} days{% endblocktranslate %}"
    )
    code = tmp_path / "code.py"
    code.write_text('_("Three %(n)s")\nngettext("a", "b", n)\ngettext(variable)\nother("no")\n')
    assert list(messages.in_template(page)) == ["One", "T&wo", ("%(n)s day", "%(n)s days")]
    assert list(messages.in_code(code)) == ["Three %(n)s", ("a", "b")]
