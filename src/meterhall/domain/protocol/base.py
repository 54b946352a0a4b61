"""What every message of the exchange has in common: frozen, strict, canonical. The messages themselves live beside."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from meterhall.domain.protocol.canonical import canonical, digest
from meterhall.domain.seen import is_seen


def iso(instant: datetime) -> str:
    """`YYYY-MM-DDThh:mm:ss[.ffffff]Z` (RFC 3339, UTC)."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("An instant lies in the years 1 to 9999, in UTC.") from None


Instant = Annotated[
    AwareDatetime,
    AfterValidator(_in_utc),
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An instant; read with any offset, written in UTC."""

AccessNumber = Annotated[str, StringConstraints(pattern=r"^MH\d{10}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha-256:[0-9a-f]{64}$")]
Salt = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Url = Annotated[str, StringConstraints(pattern=r"^https://[^\s#]+$", max_length=500)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
LongText = Annotated[str, StringConstraints(max_length=4000)]


def _seen(text: str, *, lines: bool = False) -> str:
    if not is_seen(text, lines=lines):
        raise ValueError("The text holds characters that are not seen.")
    return text


SeenText = Annotated[ShortText, AfterValidator(_seen)]
"""What a person is shown, on one line: no character in it hides or turns others."""
SeenLines = Annotated[LongText, AfterValidator(partial(_seen, lines=True))]
"""The same with line breaks."""
Listed = TypeVar("Listed")


def _each_once(values: tuple[Listed, ...]) -> tuple[Listed, ...]:
    if len(set(values)) < len(values):
        raise ValueError("The list names something twice.")
    return values


EachOnce = Annotated[tuple[Listed, ...], AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True})]
"""A list in which nothing stands twice."""
Amount = Annotated[str, StringConstraints(pattern=r"^\d{1,12}(\.\d{1,6})?$")]
Jws = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$", max_length=262_144)]

Environment = Literal["regulated", "unregulated"]
PlayerRole = Literal["provider", "requester"]
DirectionName = Literal["import", "export"]
GranularityName = Literal["PT5M", "PT10M", "PT15M", "PT30M", "PT1H", "P1D", "P7D", "P1M"]
FormatName = Literal["parquet", "arrow", "csv", "jsonl", "jsonl_rows", "espi", "cim", "cim_json"]
Compression = Literal["none", "gzip", "zstd"]
Assurance = Literal["requester_stated", "customer_signed", "customer_confirmed"]


def identifier(prefix: str) -> Any:
    """The type of an id made by `new_id(prefix)`."""
    return StringConstraints(pattern=rf"^{prefix}_[0-9a-f]{{24}}$")


OfferId = Annotated[str, identifier("off"), Field(description="The offer, whatever its version.")]
WishId = Annotated[str, identifier("wsh"), Field(description="The wish.")]
SubscriptionId = Annotated[
    str, identifier("sub"), Field(description="The subscription; the id of its service contract as well.")
]
CertificationId = Annotated[str, identifier("crt"), Field(description="The conformance run and the certificate of it.")]
ActivationId = Annotated[str, identifier("act"), Field(description="The activation, made by the provider.")]
ConsentId = Annotated[
    str, identifier("con"), Field(description="The consent, made by the provider; the OAuth `grant_id` as well.")
]
DeliveryId = Annotated[
    str, identifier("dlv"), Field(description="The delivery, made by the provider; the same for all its versions.")
]
StatementId = Annotated[str, identifier("stm"), Field(description="The statement, made by whoever signs it.")]
EventId = Annotated[str, identifier("evt"), Field(description="The event; who receives one keeps each id once.")]


_TIMES = {"date": re.compile(r"\d{4}-\d\d-\d\d"), "datetime": re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*", re.S)}


def _written_time(kind: str) -> Callable[[Any], Any]:
    """Refuse what stands for a day or an instant without being written as one: a number, a day with an hour."""

    def check(value: Any) -> Any:
        if isinstance(value, str):
            if not _TIMES[kind].fullmatch(value):
                raise ValueError("A day is written YYYY-MM-DD." if kind == "date" else "An instant is as in RFC 3339.")
        elif not isinstance(value, date) or (kind == "date" and isinstance(value, datetime)):
            raise ValueError("Days and instants are written as text.")
        return value

    return check


def _as_written(schema: Any) -> None:
    """Make numbers and truth values strict wherever they stand in a schema; days and instants are written as such."""
    if isinstance(schema, dict):
        kind = schema.get("type")
        if kind in ("int", "float", "bool"):
            schema["strict"] = True
        if isinstance(kind, str) and kind in _TIMES:
            inner = dict(schema)
            schema.clear()
            schema |= no_info_before_validator_function(_written_time(kind), inner)
            return
        for part in schema.values():
            _as_written(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            _as_written(part)


class Message(BaseModel):
    """A document of the exchange. Unknown members are refused; every member has one meaning: a number is no text."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Numbers and truth values are taken as JSON has them only: neither `"3"` nor `true` is the integer 3 or 1."""
        schema = handler(source)
        _as_written(schema)
        return schema

    def document(self) -> dict[str, Any]:
        """The JSON document; members that are not set are left out."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)

    def canonical(self) -> bytes:
        """The RFC 8785 bytes."""
        return canonical(self.document())

    def fingerprint(self) -> str:
        """`sha-256:<hex>` of the canonical bytes: what a `digest` member elsewhere quotes."""
        return digest(self.canonical())


class Period(Message):
    """A reading period: civil days in the POD's zone, `from` included, `until` excluded."""

    first: date = Field(alias="from", description="The first day, included (ISO 8601 calendar date).")
    until: date = Field(
        description="The day after the last one, excluded: a period of one day ends on the next. After `from`."
    )

    def within(self, wider: Self) -> bool:
        return wider.first <= self.first and self.until <= wider.until


class Signed(Message):
    """A document under its maker's signature: a compact JWS (RFC 7515) over its canonical bytes."""

    jws: Jws = Field(
        description="Compact JWS (RFC 7515) of the document, alg Ed25519; the protected header names `typ` and `kid`."
    )


Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next` is the opaque cursor of the following one, absent on the last."""

    items: list[Item] = Field(description="The entries of this page, in a stable order.")
    next: str | None = Field(
        None, description="Opaque cursor of the following page, handed back as `after`; absent: this is the last."
    )


class Acknowledgement(Message):
    """The callee's signed statement that it took the command, returned in the reply."""

    statement: Jws = Field(
        description="Statement of a type that ends in `.acknowledged`: compact JWS by the callee's transport key."
    )
