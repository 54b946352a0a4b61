"""Nothing of a question, a reading or a consent rests at the Market Place: not in its database, its write-ahead log,
its files (open ones included) nor in anything its processes print, however clumsily it was asked."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.e2e.strangers.requester import PURPOSE, Requester
from tests.e2e.town import FIRST, UNTIL, Streets, cups, descendants, holder, pod, quarters, watt_hours

BATCH = [cups(16_180_300_000 + number) for number in range(500)]
TYPO = BATCH[0][:-2] + "QQ"
ITALIAN = "IT001E16180339"
PLACE = {"country": "ES", "postcode": "QXV-46987", "municipality": "Villarriba de Enmedio"}
REFERENCES = ("REF-QX-77001", "REF-QX-77002")


def in_groups(text: str) -> str:
    """A POD as bills print it."""
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def forms(text: str) -> list[bytes]:
    """How a text may stand somewhere: as it is (in any case), or inside base64 at each of three places."""
    found = [text.lower().encode()]
    for shift in range(3):
        packed = base64.b64encode(bytes(shift) + text.encode())
        found.append(packed[4 if shift else 0 : -4].lower())
    return found


def places(streets: Streets, key: str) -> Iterator[tuple[str, bytes]]:
    """Everything a platform keeps and has open: names and contents, in lower case."""
    for path in sorted(streets[key].home.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(streets[key].home)), path.read_bytes().lower()
    for process in descendants(streets[key]):
        for descriptor in Path(f"/proc/{process}/fd").glob("*"):
            if descriptor.is_file() and streets[key].home not in descriptor.resolve().parents:
                yield str(descriptor), descriptor.read_bytes().lower()
    url = streets.town.environment.get(key)
    if url:
        yield from _tables(url)


def _tables(url: str) -> Iterator[tuple[str, bytes]]:
    """The files of one PostgreSQL database, and its tables as text."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        [oid] = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone() or [0]
        server = Path(parse_qs(urlsplit(url).query)["host"][0]).parent / "data" / "base" / str(oid)
        for path in sorted(server.glob("*")):
            yield f"postgresql {path.name}", path.read_bytes().lower()
        names = connection.execute(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        for [name] in names:
            with connection.cursor().copy(f"COPY {name} TO STDOUT") as rows:
                yield f"table {name}", b"".join(bytes(row) for row in rows).lower()


def found(streets: Streets, key: str, texts: list[str], raw: dict[str, bytes] | None = None) -> list[str]:
    """Where any of these stands."""
    needles = {text: forms(text) for text in texts} | {name: [some.lower()] for name, some in (raw or {}).items()}
    return [
        f"{name}: {text}"
        for name, content in places(streets, key)
        for text, several in needles.items()
        if any(needle in content for needle in several)
    ]


@pytest.fixture(scope="module")
def asked(streets: Streets, stranger: Requester) -> Requester:
    """A requester that has asked in every way, right and wrong."""
    first, second = REFERENCES
    items = [
        {"ref": first, "pod": BATCH[0]},
        {"ref": second, "pod": in_groups(BATCH[1]).lower()},
        {"pod": TYPO},
        {"pod": ITALIAN, "country": "IT"},
        {"scheme": "ES", "operator_part": "9999"},
        PLACE,
    ]
    stranger.hall.ask("POST", "/v1/localisations", {"items": items})
    stranger.hall.ask("POST", "/v1/localisations", {"items": [{"pod": one} for one in BATCH]})
    _ask_clumsily(stranger)
    return stranger


def _ask_clumsily(stranger: Requester) -> None:
    """A POD where none belongs: every such thing happens once."""
    hall, one = stranger.hall, BATCH[2]
    hall.refused(422, "invalid_input", "POST", "/v1/localisations", {"items": [{"pod": one, "who": one}]})
    for path in ("/v1/players/", "/v1/offers/", "/v1/subscriptions/", "/v1/wishes/", "/v1/certifications/"):
        assert hall.send("GET", path + one).status_code == 404
    assert hall.http.get(f"{hall.base}/{one}").status_code == 404
    assert hall.http.get(f"{stranger.streets['marketplace'].portal}/players/{one}").status_code in {302, 303, 404}
    hall.refused(422, "parameter_unknown", "GET", "/v1/offers", pod=one)
    hall.ask("GET", "/v1/offers", text=one)
    hall.ask("POST", "/v1/localisations", {"items": [{"pod": one}]}, extra={"X-Correlation-Id": one})
    wish: dict[str, Any] = {"countries": ["ES"], "customers": 1, "scope": {"granularities": ["P1D"]}}
    assert hall.refused(422, "text_holds_pod", "POST", "/v1/wishes", wish | {"text": f"for {one}"})["field"] == "/text"
    hall.ask("POST", "/v1/wishes", wish, key=one, extra={"X-Correlation-Id": one})
    with_pod = stranger.statement("data.requested", one, stranger.provider, "", {})
    body = {"statement": with_pod, "salt": secrets.token_hex(16)}
    assert hall.refused(422, "text_holds_pod", "POST", "/v1/statements", body)["field"] == "/statement/transaction"
    headers = hall.headers("POST", "/v1/wishes", {"Content-Type": "application/json", "Idempotency-Key": "x"})
    broken = hall.http.post(hall.base + "/v1/wishes", content=b'{"text": "' + one.encode(), headers=headers)
    assert broken.status_code == 400


def test_no_question_rests(streets: Streets, asked: Requester):
    texts = [BATCH[0][:-6], *BATCH[:3], TYPO, ITALIAN, in_groups(BATCH[1])]
    texts += [PLACE["postcode"], PLACE["municipality"], *REFERENCES]
    assert found(streets, "marketplace", texts) == []
    logged = (streets["marketplace"].home / "serve.log").read_text()
    assert "request.refused" in logged, "the log is read, and written at this level"


def test_no_reading_and_no_consent_rests(streets: Streets, stranger: Requester, subscription: str, activation: str):
    """After a whole run: activation by signed consents, deliveries in two formats, receipts, statements."""
    texts, raw = [PURPOSE, "HOLDER-KJ7-", holder(1), pod(1), pod(30)[:-4]], {}
    answers = stranger.grid.all(f"/v1/activations/{activation}/answers")
    texts += [answers[1]["pseudonym"], answers[2]["pseudonym"]]
    for form in ("csv", "jsonl"):
        delivery = stranger.request(activation, form, pseudonyms=[answers[1]["pseudonym"], answers[2]["pseudonym"]])
        manifest = stranger.manifest(delivery)
        [part] = manifest["parts"]
        content = stranger.part(delivery, part)
        raw[form] = content[len(content) // 2 :][:48]
        stranger.grid.ask("POST", f"/v1/deliveries/{delivery}/receipt", stranger.receipt(manifest))
        stranger.state_delivery("delivery.received", manifest, stranger.provider)
        stranger.news.wait("delivery.matched", delivery)
    starts = quarters(FIRST, UNTIL)[100:104]
    values = [str(watt_hours(1, start)) for start in starts]
    texts += [",".join(values), ", ".join(values)]
    assert found(streets, "marketplace", texts, raw) == []
    assert found(streets, "grid", [pod(1)]), "the grid operator keeps its PODs: this search finds them"
    assert found(streets, "grid", [], raw), "and the files it delivers"


def test_the_search_finds_what_is_there(tmp_path: Path):
    text = pod(4)
    for shift in range(3):
        packed = base64.b64encode(os.urandom(shift) + text.encode() + b"tail").lower()
        assert any(form in packed for form in forms(text))
    assert forms(text)[0] in f'{{"pod":"{text.lower()}"}}'.encode()
