"""A stranger fetches its data: formats, ranges, receipt, proof, correction, withdrawal midway, change feed, sums."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.strangers.calls import Caller
from tests.e2e.strangers.files import READERS, UNPACK, Readings, read_changes, read_csv
from tests.e2e.strangers.jose import fingerprint, sha256
from tests.e2e.strangers.proofs import proven
from tests.e2e.strangers.requester import PERIOD, Requester
from tests.e2e.town import FIRST, MOVED, MOVED_IN, UNTIL, Streets, quarters, readings, wait_for, watt_hours

BLOCK = 256 * 1024
AHEAD = 6 * BLOCK
"""What the operator's machine has let go, or holds to send, when a reader with a small buffer stops after one block."""
WITHDRAWN = 20
CORRECTED = 55
CORRECTED_DAY = date(2025, 3, 20)


@pytest.fixture(scope="module")
def names(stranger: Requester, activation: str) -> list[str]:
    """The pseudonym of each household."""
    return [one["pseudonym"] for one in stranger.grid.all(f"/v1/activations/{activation}/answers")]


def expected(names: list[str], numbers: list[int], first: date = FIRST, until: date = UNTIL) -> Readings:
    """What the meters of these households measured."""
    return {
        (names[number], start): watt_hours(number, start)
        for number in numbers
        for start in quarters(max(first, MOVED_IN) if number == MOVED else first, until)
    }


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "espi"])
def test_what_is_delivered_is_what_was_measured(stranger: Requester, activation: str, names: list[str], form: str):
    numbers = [0, 1, MOVED]
    delivery = stranger.request(activation, form, pseudonyms=[names[number] for number in numbers])
    manifest = stranger.manifest(delivery)
    assert (manifest["format"], manifest["requester"], manifest["period"]) == (form, stranger.number, PERIOD)
    found: Readings = {}
    for part in manifest["parts"]:
        found |= READERS[form](stranger.part(delivery, part))
    assert found == expected(names, numbers)
    assert sum(part["readings"] for part in manifest["parts"]) == len(found)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_what_is_packed_is_what_was_measured(stranger: Requester, activation: str, names: list[str], how: str):
    delivery = stranger.request(activation, "csv", pseudonyms=names[:1], compression=how)
    [part] = stranger.manifest(delivery)["parts"]
    assert (part["compression"], part["media_type"]) == (how, "text/csv")
    content = stranger.part(delivery, part)
    assert read_csv(UNPACK[how](content)) == expected(names, [0])
    path = f"/v1/deliveries/{delivery}/parts/{part['number']}"
    tail = stranger.grid.send("GET", path, extra={"Range": f"bytes={len(content) // 2}-"})
    assert (tail.status_code, tail.content) == (206, content[len(content) // 2 :])


def test_a_packing_nobody_knows_is_refused_by_name(stranger: Requester, activation: str):
    body = {"activation_id": activation, "period": PERIOD, "granularity": "PT15M", "format": "csv", "compression": "7z"}
    assert stranger.grid.refused(422, "invalid_input", "POST", "/v1/data-requests", body)["field"] == "/compression"


def test_a_day_has_23_hours_when_the_clocks_go_forward(stranger: Requester, activation: str, names: list[str]):
    day, after = date(2025, 3, 30), date(2025, 3, 31)
    period = {"from": str(day), "until": str(after)}
    delivery = stranger.request(activation, "csv", "PT1H", pseudonyms=[names[0]], period=period)
    [part] = stranger.manifest(delivery)["parts"]
    found = read_csv(stranger.part(delivery, part))
    assert len(found) == 23
    measured = expected(names, [0], day, after)
    for (name, hour), value in found.items():
        assert value == sum(measured[name, hour + timedelta(minutes=15) * quarter] for quarter in range(4))


@pytest.fixture(scope="module")
def fetched(stranger: Requester, activation: str, names: list[str]) -> dict[str, Any]:
    """The manifest of a delivery of a few households, in one part."""
    return stranger.manifest(stranger.request(activation, "csv", pseudonyms=names[30:36]))


def test_ranges(stranger: Requester, fetched: dict[str, Any]):
    [part] = fetched["parts"]
    path = f"/v1/deliveries/{fetched['delivery_id']}/parts/{part['number']}"
    size, whole = part["size_bytes"], stranger.part(fetched["delivery_id"], part)
    bounds = [(size * at // 4, size * (at + 1) // 4) for at in range(4)]

    def fetch(bound: tuple[int, int]) -> bytes:
        caller = Caller(stranger.grid.base, stranger.number, stranger.transport, stranger.http, stranger.vouched)
        response = caller.send("GET", path, extra={"Range": f"bytes={bound[0]}-{bound[1] - 1}"})
        assert response.status_code == 206
        assert response.headers["Content-Range"] == f"bytes {bound[0]}-{bound[1] - 1}/{size}"
        return response.content

    with ThreadPoolExecutor(4) as pool:
        assert b"".join(pool.map(fetch, bounds)) == whole
    tail = stranger.grid.send("GET", path, extra={"Range": f"bytes={size - 10}-"})
    assert (tail.status_code, tail.content, tail.headers["ETag"]) == (206, whole[-10:], f'"{part["digest"]}"')
    last = stranger.grid.send("GET", path, extra={"Range": "bytes=-7"})
    assert last.content == whole[-7:]
    beyond = stranger.grid.send("GET", path, extra={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    other = stranger.grid.send("GET", path, extra={"Range": "bytes=5-", "If-Range": '"another"'})
    assert (other.status_code, len(other.content)) == (200, size)
    assert sha256(whole) == part["digest"]


def test_a_broken_off_body_is_resumed(stranger: Requester, fetched: dict[str, Any]):
    [part] = fetched["parts"]
    path = f"/v1/deliveries/{fetched['delivery_id']}/parts/{part['number']}"
    got = b""
    with stranger.grid.stream(path) as response:
        for block in response.iter_raw(10_000):
            got += block
            if len(got) > part["size_bytes"] // 3:
                break
    rest = stranger.grid.send("GET", path, extra={"Range": f"bytes={len(got)}-"})
    assert rest.status_code == 206
    assert sha256(got + rest.content) == part["digest"]


def test_receipt_match_and_proof(streets: Streets, stranger: Requester, subscription: str, fetched: dict[str, Any]):
    delivery = fetched["delivery_id"]
    path = f"/v1/deliveries/{delivery}/receipt"
    wrong = stranger.receipt(fetched, manifest="sha-256:" + 64 * "0")
    stranger.grid.refused(422, "wrong_receipt", "POST", path, wrong)
    receipt = stranger.receipt(fetched)
    taken = stranger.grid.ask("POST", path, receipt)
    said = stranger.acknowledged(taken, "receipt.acknowledged")
    assert said["subject"] == f"{delivery}:1"
    assert stranger.grid.ask("POST", path, receipt) == taken
    stranger.grid.refused(409, "receipt_given", "POST", path, stranger.receipt(fetched))
    posted = stranger.state_delivery("delivery.received", fetched, stranger.provider)
    assert stranger.news.wait("delivery.matched", delivery)["data"] == {
        "delivery_id": delivery, "version": 1, "matched": True,
    }  # fmt: skip
    logged = stranger.hall.all(f"/v1/transactions/{subscription}/statements", limit=20)
    mine = [one for one in logged if one["statement"]["subject"] == f"{delivery}:1" and "matched" in one]
    assert {one["statement"]["type"]: one["matched"] for one in mine} == {
        "delivery.published": True, "delivery.received": True,
    }  # fmt: skip
    proof = wait_for("a checkpoint over it", lambda: _proof(stranger, posted["seq"]))
    assert proof["statement"] == posted["statement"]
    size = proven(proof, stranger.discovery["log_key"])
    assert size > posted["seq"]
    with pytest.raises(AssertionError):
        proven(proof | {"salt": 32 * "0"}, stranger.discovery["log_key"])


def _proof(stranger: Requester, seq: int) -> dict[str, Any] | None:
    response = stranger.hall.send("GET", f"/v1/log/entries/{seq}/proof")
    return response.json() if response.is_success else None


def test_a_statement_that_differs_is_told_to_both(stranger: Requester, activation: str, names: list[str]):
    manifest = stranger.manifest(stranger.request(activation, "jsonl", "P1D", pseudonyms=names[40:41]))
    other = manifest | {"parts": [part | {"digest": "sha-256:" + 64 * "0"} for part in manifest["parts"]]}
    stranger.state_delivery("delivery.received", other, stranger.provider)
    told = stranger.news.wait("delivery.mismatched", manifest["delivery_id"])
    assert told["data"]["matched"] is False


def test_a_correction_makes_a_new_version(streets: Streets, stranger: Requester, activation: str, names: list[str]):
    delivery = stranger.request(activation, "csv", pseudonyms=[names[CORRECTED]])
    first = stranger.manifest(delivery)
    [old] = first["parts"]
    was = read_csv(stranger.part(delivery, old))
    cursor = _follow(stranger, activation, None)[1]
    day, after = CORRECTED_DAY, CORRECTED_DAY + timedelta(days=1)
    streets.upload(readings([CORRECTED], quarters(day, after), more=5))
    second = stranger.manifest(delivery, 2)
    assert (second["supersedes"], second["reason"]) == (fingerprint(first), "correction")
    [new] = second["parts"]
    now = read_csv(stranger.part(delivery, new))
    changed = {key for key in was if was[key] != now[key]}
    assert changed == {(names[CORRECTED], start) for start in quarters(day, after)}
    assert all(now[key] == was[key] + 5 for key in changed)  # type: ignore[operator]
    path = f"/v1/deliveries/{delivery}/parts/{old['number']}"
    problem = stranger.grid.refused(410, "part_replaced", "GET", path)
    assert problem["superseded_by"] == {"delivery_id": delivery, "version": 2}
    items, _ = _follow(stranger, activation, cursor)
    found = read_changes(items)
    assert {key: found[key] for key in changed} == {key: now[key] for key in changed}
    assert {name for name, _ in found} == {names[CORRECTED]}


def _follow(stranger: Requester, activation: str, cursor: str | None) -> tuple[list[dict[str, Any]], str]:
    """All pages of the change feed since the cursor, and the cursor after them."""
    items: list[dict[str, Any]] = []
    while True:
        params = {"since": cursor} if cursor else {}
        page = stranger.grid.ask("GET", f"/v1/activations/{activation}/changes", **params)
        items, cursor = items + page["items"], page["cursor"]
        if not page["more"]:
            return items, str(cursor)


def test_the_change_feed_shows_everything_once_and_only_the_holders_days(
    stranger: Requester, activation: str, names: list[str]
):
    items, cursor = _follow(stranger, activation, None)
    found = read_changes(items)
    assert len(found) == sum(len(item["values"]) for item in items)
    assert {name for name, _ in found} <= set(names)
    holders_own = {start for name, start in found if name == names[MOVED]}
    assert min(holders_own) == quarters(MOVED_IN, UNTIL)[0]
    assert _follow(stranger, activation, cursor) == ([], cursor)
    problem = stranger.grid.refused(
        422, "invalid_cursor", "GET", f"/v1/activations/{activation}/changes", since="nonsense"
    )
    assert problem["field"] == "/since"


def test_a_withdrawal_stops_a_body_midway(streets: Streets, stranger: Requester, activation: str, names: list[str]):
    delivery = stranger.request(activation, "espi")
    first = stranger.manifest(delivery)
    inside = next(part for part in first["parts"] if names[WITHDRAWN] in part["pseudonyms"])
    other = next(part for part in first["parts"] if part is not inside)
    path = f"/v1/deliveries/{delivery}/parts/{inside['number']}"
    assert inside["size_bytes"] > 20 * BLOCK
    got = _read_until_it_breaks(stranger, path, lambda: _withdraw(streets, WITHDRAWN))
    assert BLOCK < got < AHEAD
    problem = stranger.grid.refused(410, "consent_revoked", "GET", path, extra={"Range": f"bytes={got}-"})
    assert problem["superseded_by"] == {"delivery_id": delivery, "version": 2}
    answers = stranger.grid.all(f"/v1/activations/{activation}/answers")
    consent = next(one["consent_id"] for one in answers if one["pseudonym"] == names[WITHDRAWN])
    assert stranger.provider_news.wait("consent.revoked", consent)["data"]["state"] == "revoked"
    assert stranger.grid.ask("GET", f"/v1/consents/{consent}")["ended_at"]
    second = stranger.manifest(delivery, 2)
    assert (second["supersedes"], second["reason"]) == (fingerprint(first), "revocation")
    assert second["withdrawn"] == [names[WITHDRAWN]]
    assert other in second["parts"]
    assert inside["number"] not in [part["number"] for part in second["parts"]]
    left = {name for part in second["parts"] for name in part["pseudonyms"]}
    assert left == set(names) - {names[WITHDRAWN]}
    stranger.part(delivery, other)
    for part in second["parts"]:
        if part != other:
            assert names[WITHDRAWN].encode() not in stranger.part(delivery, part)
    log = [json.loads(line) for line in (streets["grid"].home / "serve.log").read_text().splitlines()]
    [closed] = [line for line in log if line["event"] == "gate.closed" and line["delivery"] == delivery]
    assert closed["at_byte"] < AHEAD
    assert not [line for line in log if "Traceback" in str(line) or line["level"] == "error"]


def _read_until_it_breaks(stranger: Requester, path: str, meanwhile: Any) -> int:
    """Read slowly, do `meanwhile` after the first block; how many bytes came before the body broke off."""
    narrow = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)]
    transport = httpx.HTTPTransport(verify=stranger.streets.town.tls, socket_options=narrow)
    with httpx.Client(transport=transport, timeout=120) as http:
        caller = Caller(stranger.grid.base, stranger.number, stranger.transport, http, stranger.vouched)
        got = 0
        try:
            with caller.stream(path) as response:
                assert response.status_code == 200
                for block in response.iter_raw(BLOCK):
                    if not got:
                        meanwhile()
                    got += len(block)
        except httpx.RemoteProtocolError:
            return got
    raise AssertionError(f"all {got} bytes came")


def _withdraw(streets: Streets, number: int) -> None:
    """The holder withdraws every consent, on the operator's page."""
    customer = streets.customer(number)
    while forms := [form for form in customer.get("/consents").document.forms if "withdraw" in form.fields]:
        assert forms
        customer.submit(customer.get("/consents"), "withdraw")


def test_sums_and_what_they_must_not_give_away(
    streets: Streets, stranger: Requester, activation: str, names: list[str]
):
    members = list(range(40, 52))
    small = {"pseudonyms": names[40:44], "group": True}
    body = {"activation_id": activation, "period": PERIOD, "granularity": "P1D", "format": "csv"} | small
    assert stranger.grid.refused(422, "group_too_small", "POST", "/v1/data-requests", body)["field"] == "/group"
    delivery = stranger.request(activation, "csv", group=True, pseudonyms=[names[number] for number in members])
    manifest = stranger.manifest(delivery)
    [part] = manifest["parts"]
    assert manifest["group_size"] == len(members)
    found = read_csv(stranger.part(delivery, part))
    assert len({name for name, _ in found}) == 1
    assert not {name for name, _ in found} & set(names)
    for (_, start), value in found.items():
        assert value == sum(watt_hours(number, start) for number in members)
    fewer = body | {"pseudonyms": [names[number] for number in members[:-1]]}
    stranger.grid.refused(422, "group_too_small", "POST", "/v1/data-requests", fewer)

    _withdraw(streets, members[-1])
    second = stranger.manifest(delivery, 2)
    assert second["reason"] == "revocation"
    assert second["parts"] == []
    path = f"/v1/deliveries/{delivery}/parts/{part['number']}"
    stranger.grid.refused(410, "consent_revoked", "GET", path)
    stranger.grid.refused(422, "group_too_small", "POST", "/v1/data-requests", fewer)


def test_a_delivery_is_its_requesters_alone(streets: Streets, stranger: Requester, fetched: dict[str, Any]):
    other = Requester(streets, "Curious", 310)
    other.enter(streets.admit)
    other.contract_with_grid()
    for path in (f"/v1/deliveries/{fetched['delivery_id']}", f"/v1/deliveries/{fetched['delivery_id']}/parts/1"):
        other.grid.refused(404, "unknown_delivery", "GET", path)
    other.grid.refused(404, "unknown_activation", "GET", f"/v1/activations/{fetched['activation_id']}")
    transaction = f"/v1/transactions/{fetched['subscription_id']}/statements"
    other.hall.refused(404, "unknown_transaction", "GET", transaction)
    other.hall.refused(404, "unknown_subscription", "GET", f"/v1/subscriptions/{fetched['subscription_id']}")
