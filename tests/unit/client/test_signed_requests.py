"""RFC 9421 requests: what was signed is what arrives, from whom it says, and not long ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.client.signatures import SignedRequest, verify_request
from meterhall.domain.protocol.keys import BadSignature, PublicKey, SigningKey

NUMBER = "MH0000000109"
URL = "https://sun.example/v1/inbox?x=1"
KEY = SigningKey.generate()
TYPE = {"Content-Type": "application/json", "webhook-id": "evt_1"}


def key_of(key_id: str) -> PublicKey | None:
    return KEY.public if key_id == f"{NUMBER}#{KEY.kid}" else None


def signed(
    method: str = "POST", content: bytes = b"{}", key: SigningKey = KEY, number: str = NUMBER, **headers: str
) -> httpx.Request:
    """The request as it goes out."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(202)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    client.request(method, URL, content=content, headers=headers or TYPE, auth=SignedRequest(number, key))
    return sent[0]


def check(request: httpx.Request, **changes: object) -> str:
    how: dict[str, object] = {
        "method": request.method,
        "url": str(request.url),
        "headers": dict(request.headers),
        "body": request.content,
        "key_of": key_of,
        "now": datetime.now(UTC),
    }
    return verify_request(**(how | changes))  # type: ignore[arg-type]


@given(st.binary(max_size=200), st.sampled_from(["POST", "PUT"]))
def test_what_is_signed_verifies(content: bytes, method: str) -> None:
    request = signed(method, content)
    assert check(request) == NUMBER
    with pytest.raises(BadSignature):
        check(request, body=content + b" ")


def test_the_signature_covers_what_matters() -> None:
    covered = signed().headers["Signature-Input"]
    for component in ("@method", "@target-uri", "content-digest", "content-type", "webhook-id"):
        assert f'"{component}"' in covered
    assert 'tag="meterhall"' in covered
    assert f'keyid="{NUMBER}#{KEY.kid}"' in covered


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PUT"},
        {"url": "https://sun.example/v1/inbox"},
        {"url": "https://moon.example/v1/inbox?x=1"},
        {"body": b"[]"},
        {"body": b""},
        {"key_of": lambda key_id: None},
        {"key_of": lambda key_id: SigningKey.generate().public},
    ],
)
def test_what_was_changed_on_the_way_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(BadSignature):
        check(signed(), **changes)


@pytest.mark.parametrize("name", ["webhook-id", "content-type", "content-digest", "signature", "signature-input"])
def test_a_header_that_counts_can_be_neither_changed_nor_taken_away(name: str) -> None:
    headers = dict(signed().headers)
    with pytest.raises(BadSignature):
        check(signed(), headers=headers | {name: "text/plain"})
    del headers[name]
    with pytest.raises(BadSignature):
        check(signed(), headers=headers)


def test_a_header_that_counts_cannot_be_added() -> None:
    request = signed(**{"Content-Type": "application/json"})
    assert check(request) == NUMBER
    with pytest.raises(BadSignature):
        check(request, headers=dict(request.headers) | {"webhook-id": "evt_2"})


def test_a_signature_of_another_application_is_none() -> None:
    headers = dict(signed().headers)
    headers["signature-input"] = headers["signature-input"].replace('tag="meterhall"', 'tag="other"')
    with pytest.raises(BadSignature):
        check(signed(), headers=headers)


@pytest.mark.parametrize(("age", "is_good"), [(-29, True), (-32, False), (299, True), (329, True), (332, False)])
def test_a_signature_is_good_for_five_minutes(age: int, is_good: bool) -> None:
    request = signed()
    made = datetime.fromtimestamp(int(request.headers["Signature-Input"].split("created=")[1].split(";")[0]), UTC)
    if is_good:
        assert check(request, now=made + timedelta(seconds=age)) == NUMBER
    else:
        with pytest.raises(BadSignature):
            check(request, now=made + timedelta(seconds=age))


@pytest.mark.parametrize("created", ["99999999999999", "1.5", '"now"', "-1"])
def test_a_time_that_is_none_is_refused(created: str) -> None:
    headers = dict(signed().headers)
    head, _, rest = headers["signature-input"].partition("created=")
    headers["signature-input"] = f"{head}created={created};{rest.partition(';')[2]}"
    with pytest.raises(BadSignature):
        check(signed(), headers=headers)


@given(st.text(max_size=60), st.text(max_size=60))
def test_nonsense_is_refused_not_crashed_on(given_input: str, signature: str) -> None:
    with pytest.raises(BadSignature):
        check(signed(), headers={"Signature-Input": given_input, "Signature": signature, "Content-Digest": signature})


def test_a_request_signed_by_two_parties_is_nobodys() -> None:
    key = SigningKey.generate()
    for other, is_good in ((NUMBER, True), ("MH0000000206", False)):
        first, second = signed(), signed(key=key, number=other)
        for name in ("Signature-Input", "Signature"):
            first.headers[name] += ", " + second.headers[name].replace("meterhall=", "second=", 1)
        keys = {f"{NUMBER}#{KEY.kid}": KEY.public, f"{other}#{key.kid}": key.public}
        if is_good:
            assert check(first, key_of=keys.get) == NUMBER
        else:
            with pytest.raises(BadSignature, match="one party"):
                check(first, key_of=keys.get)


def test_an_unsigned_request_is_refused() -> None:
    with pytest.raises(BadSignature):
        verify_request("POST", URL, {}, b"", key_of, now=datetime.now(UTC))
