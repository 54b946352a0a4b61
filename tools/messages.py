"""Gather the texts of pages and code into the catalogues of the four translations, and compile them: `make messages`.

A text that is gone leaves the catalogue; a new one comes in untranslated, which the tests refuse.
"""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "meterhall"
LOCALE = SOURCE / "locale"
LANGUAGES = ("de", "es", "fr", "it")
CALLS = {"_": 1, "gettext": 1, "gettext_lazy": 1, "gettext_noop": 1, "ngettext": 2, "ngettext_lazy": 2}
TEMPLATE_CALL = re.compile(r"\b(n?)gettext\(((?:u?'(?:[^'\\]|\\.)*'|u?\"(?:[^\"\\]|\\.)*\"|[^()])*)\)", re.DOTALL)
TEXT = re.compile(r"u?('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")", re.DOTALL)

WRITTEN = datetime(2026, 11, 25, tzinfo=UTC)
"""The head of a catalogue never changes, so that a difference shows texts only."""

Message = str | tuple[str, str]


def in_code(file: Path) -> Iterator[Message]:
    """The texts a Python file gives to gettext."""
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in CALLS:
            continue
        texts = [one.value for one in node.args[: CALLS[node.func.id]] if isinstance(one, ast.Constant)]
        if len(texts) == CALLS[node.func.id] and all(isinstance(text, str) and text for text in texts):
            yield (texts[0], texts[1]) if len(texts) == 2 else texts[0]


TABLES = {
    "domain/readings/rules.py": "SENTENCES",
    "domain/protocol/activations.py": "REFUSALS",
    "domain/pods/localise.py": "UNRESOLVED",
    "provider/metering/register.py": "UNKNOWN DIRECTION RESOLUTION",
}
"""Where sentences for people stand that know nothing of gettext; pages show them by `spoken`."""
TITLES = (
    "client/errors.py", "domain/errors.py", "domain/pods/errors.py", "lake/table.py", "marketplace/players/portal.py",
    "provider/consents/portal.py", "provider/consents/service.py", "provider/contracts/signing.py",
    "requester/activations/consents.py", "requester/activations/customer.py", "requester/activations/service.py",
    "requester/analysis/service.py", "requester/collection/service.py", "requester/customers/service.py",
    "requester/partners/portal.py", "requester/partners/service.py", "web/accounts/access.py",
    "web/accounts/factors.py", "web/accounts/forms.py", "web/accounts/portal.py", "web/accounts/service.py",
    "web/api.py", "web/membership/service.py", "web/portal/filters.py",
)  # fmt: skip
"""Where refusals stand that people meet on pages."""


def in_tables(file: Path, names: str) -> Iterator[str]:
    """The sentences of the tables of a file: values of a dictionary, or the second of a pair."""
    for node in ast.parse(file.read_text()).body:
        target = (
            node.target if isinstance(node, ast.AnnAssign) else node.targets[0] if isinstance(node, ast.Assign) else 0
        )
        if not isinstance(target, ast.Name) or target.id not in names.split():
            continue
        value = node.value  # type: ignore[union-attr]
        found = value.values if isinstance(value, ast.Dict) else value.elts[1:] if isinstance(value, ast.Tuple) else []
        yield from (one.value for one in found if isinstance(one, ast.Constant))


def titles(file: Path) -> Iterator[str]:
    """The sentences of the errors of a file."""
    for node in ast.walk(ast.parse(file.read_text())):
        for one in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(one, ast.Assign | ast.AnnAssign) and isinstance(one.value, ast.Constant):
                target = one.target if isinstance(one, ast.AnnAssign) else one.targets[0]
                if isinstance(target, ast.Name) and target.id == "title":
                    yield str(one.value.value)


def in_template(file: Path) -> Iterator[Message]:
    """The texts of a template's translate and blocktranslate tags, as Django itself reads them."""
    from django.utils.translation.template import templatize

    for plural, arguments in TEMPLATE_CALL.findall(templatize(file.read_text(), origin=str(file))):
        texts = [ast.literal_eval(text) for text in TEXT.findall(arguments)]
        if plural and len(texts) >= 2:
            yield texts[0], texts[1]
        elif texts and texts[0]:
            yield texts[0]


def gather() -> list[Message]:
    """Every text there is to translate, in the order of the files."""
    found: dict[Message, None] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        found.update(dict.fromkeys(in_code(file)))
    for name, tables in TABLES.items():
        found.update(dict.fromkeys(in_tables(SOURCE / name, tables)))
    for name in TITLES:
        found.update(dict.fromkeys(titles(SOURCE / name)))
    for file in sorted(SOURCE.rglob("*.html")):
        found.update(dict.fromkeys(in_template(file)))
    plural = {message[0] for message in found if isinstance(message, tuple)}
    return [message for message in found if isinstance(message, tuple) or message not in plural]


def catalogue_of(language: str) -> Path:
    """A language's catalogue."""
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def read(language: str) -> Catalog:
    """The catalogue as it is; an empty one where there is none."""
    file = catalogue_of(language)
    if not file.exists():
        return Catalog(locale=language)
    return read_po(io.BytesIO(file.read_bytes()), locale=language)


def renewed(language: str, messages: list[Message]) -> Catalog:
    """The catalogue with exactly these texts, translations kept."""
    before = read(language)
    after = Catalog(
        locale=language, fuzzy=False, project="Meterhall", version="1", header_comment=f"# Meterhall, {language}.",
        creation_date=WRITTEN, revision_date=WRITTEN, last_translator="Meterhall", language_team="Meterhall",
        msgid_bugs_address="Meterhall",
    )  # fmt: skip
    for message in messages:
        key = message if isinstance(message, str) else message[0]
        known = before.get(key)
        flags = ["python-format"] if re.search(r"%\(\w+\)", key) else []
        after.add(message, known.string if known else None, flags=flags)
    return after


def compiled(catalogue: Catalog) -> bytes:
    """The catalogue as gettext reads it."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def main() -> None:
    import django
    from django.conf import settings

    settings.configure(USE_I18N=True)
    django.setup()
    messages = gather()
    for language in LANGUAGES:
        file = catalogue_of(language)
        file.parent.mkdir(parents=True, exist_ok=True)
        catalogue = renewed(language, messages)
        with file.open("wb") as out:
            write_po(out, catalogue, width=0, omit_header=False, sort_output=False, no_location=True)
        file.with_suffix(".mo").write_bytes(compiled(catalogue))
        left = sum(1 for message in catalogue if message.id and not message.string)
        sys.stdout.write(f"{language}: {len(messages)} texts, {left} to translate\n")


if __name__ == "__main__":
    main()
