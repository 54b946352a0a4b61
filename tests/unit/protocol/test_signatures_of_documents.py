"""Documents under signatures: one way to become bytes, and no way to slip another document in."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from pydantic import TypeAdapter, ValidationError

from meterhall.domain.protocol.base import Instant
from meterhall.domain.protocol.canonical import canonical, commitment, digest, new_id, new_salt
from meterhall.domain.protocol.keys import (
    ALGORITHMS,
    REGISTRY,
    BadSignature,
    PublicKey,
    SigningKey,
    header_of,
    payload_of,
    sign,
    verify,
)

KEY = SigningKey.generate()
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_what_was_signed_is_what_is_read(document: object) -> None:
    read = verify(sign(document, KEY, typ="t", signer="anna"), [KEY.public], typ="t", members=frozenset({"signer"}))
    assert (read.document, read.header["signer"]) == (document, "anna")


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 9), min_size=2, max_size=5))
def test_the_order_of_members_does_not_matter(document: dict[str, int]) -> None:
    assert canonical(document) == canonical(dict(reversed(document.items())))


@given(st.integers(0, 200))
def test_a_changed_character_is_noticed(place: int) -> None:
    token = sign({"amount": 7}, KEY, typ="t")
    at = place % len(token)
    wrong = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    try:
        read = verify(wrong, [KEY.public], typ="t")
    except BadSignature:
        return
    # The last character of a part may carry bits that base64url does not use: then the bytes are the same.
    assert read.document == {"amount": 7}


@pytest.mark.parametrize("written", [b'{"b":1,"a":2}', b'{"a": 2}', b'{"a":2.0}', b'{"a":"\\u00e9"}', b'{"a":2}\n'])
def test_a_document_is_signed_in_its_one_form(written: bytes) -> None:
    protected = {"alg": ALGORITHMS[0], "typ": "t", "kid": KEY.kid}
    token = jws.serialize_compact(protected, written, KEY.jose, registry=REGISTRY)
    with pytest.raises(BadSignature, match="not in its canonical form"):
        verify(token, [KEY.public], typ="t")


@pytest.mark.parametrize("typ", ["other", ""])
def test_a_signature_of_another_kind_is_refused(typ: str) -> None:
    with pytest.raises(BadSignature):
        verify(sign({}, KEY, typ="t"), [KEY.public], typ=typ)


def test_a_strangers_key_is_refused() -> None:
    with pytest.raises(BadSignature, match="not one of its maker's keys"):
        verify(sign({}, SigningKey.generate(), typ="t"), [KEY.public], typ="t")


def test_a_private_or_foreign_key_is_no_public_key() -> None:
    with pytest.raises(BadSignature):
        PublicKey.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": KEY.public.x, "d": "secret"})
    with pytest.raises(BadSignature):
        PublicKey.from_jwk({"kty": "EC", "crv": "P-256", "x": "x", "y": "y"})
    for x in (None, ["x"], 7):
        with pytest.raises(BadSignature):
            PublicKey.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": x})


@pytest.mark.parametrize("first", ["00" * 31, "01" + "00" * 30, "ec" + "ff" * 30, "ed" + "ff" * 30, "ee" + "ff" * 30])
@pytest.mark.parametrize("sign_bit", [0x00, 0x80])
def test_a_key_under_which_anything_verifies_is_no_key(first: str, sign_bit: int) -> None:
    last = (0x00 if first.endswith("00") else 0x7F) | sign_bit
    x = base64.urlsafe_b64encode(bytes.fromhex(first) + bytes([last])).rstrip(b"=").decode()
    with pytest.raises(BadSignature, match="small order"):
        PublicKey.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": x})


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"a": 1, "a": 2}', "a member twice"),
        (b'{"a": 9007199254740992}', "beyond"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": "\xff"}', "not UTF-8"),
    ],
)
def test_what_cannot_be_digested_or_stored_is_not_read_from_under_a_signature(payload: bytes, said: str) -> None:
    protected = {"alg": ALGORITHMS[0], "typ": "t", "kid": KEY.kid}
    token = jws.serialize_compact(protected, payload, KEY.jose, registry=REGISTRY)
    for read in (payload_of, lambda one: verify(one, [KEY.public], typ="t")):
        with pytest.raises(BadSignature, match=said):
            read(token)


def test_text_that_is_no_signature() -> None:
    with pytest.raises(BadSignature):
        header_of("not.a-signature")


def test_a_signing_key_prints_no_secret() -> None:
    assert "private" not in repr(KEY)


def test_a_long_document_and_a_long_header_pass() -> None:
    document = {"pseudonyms": ["x" * 36] * 10_000}
    token = sign(document, KEY, typ="t", x5c=["y" * 4_000])
    assert verify(token, [KEY.public], typ="t", members=frozenset({"x5c"})).document == document


def test_commitments_need_the_salt() -> None:
    salt = new_salt()
    assert commitment(salt, "a") == commitment(salt, "a")
    assert len({commitment(salt, "a"), commitment(new_salt(), "a"), commitment(salt, "b"), digest(b"a")}) == 4


def test_ids_are_fresh() -> None:
    assert len({new_id("sub") for _ in range(1000)}) == 1000


def test_a_payload_nested_too_deeply_is_no_fault_of_ours() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 5_000).rstrip(b"=").decode()
    header = base64.urlsafe_b64encode(b'{"alg":"Ed25519"}').rstrip(b"=").decode()
    for token in (f"{header}.{deep}.AAAA", f"{deep}.{header}.AAAA"):
        with pytest.raises(BadSignature):
            payload_of(token)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_beyond_the_calendar_is_bad_input(text: str) -> None:
    with pytest.raises(ValidationError, match="years 1 to 9999"):
        TypeAdapter(Instant).validate_python(text)
