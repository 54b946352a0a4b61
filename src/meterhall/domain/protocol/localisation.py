"""Localisation: which provider holds a point of delivery (step 4). Nothing of a question rests anywhere."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from meterhall.domain.protocol.base import AccessNumber, Country, Message, OfferId, ShortText

Text = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class LocalisationItem(Message):
    """One question: a POD, the operator-significant part of one, or a place from the bill."""

    ref: Annotated[str, StringConstraints(max_length=80)] = Field("", description="Given back with the answer.")
    pod: Text | None = Field(None, repr=False)
    scheme: Text | None = None
    operator_part: Text | None = None
    country: Country | None = None
    postcode: Text | None = None
    municipality: Text | None = None
    longitude: float | None = Field(None, ge=-180, le=180)
    latitude: float | None = Field(None, ge=-90, le=90)

    @model_validator(mode="after")
    def one_kind(self) -> LocalisationItem:
        place = self.country and (self.postcode or self.municipality or self.longitude is not None)
        given = [self.pod is not None, bool(self.scheme), bool(place and not self.pod)]
        if sum(given) != 1:
            raise ValueError("an item is a `pod`, a `scheme` with `operator_part`, or a `country` with a place")
        return self


class LocalisationRequest(Message):
    items: tuple[LocalisationItem, ...] = Field(min_length=1, max_length=10_000)


class LocalisationCandidate(Message):
    """A provider that may hold the point, with the reason and how sure it is."""

    provider: AccessNumber | None = Field(None, description="Absent: the operator is known but not enrolled.")
    operator: ShortText
    operator_code: str | None = None
    scheme: str | None = None
    country: Country
    reason: Literal["table", "coverage", "conflict"]
    confidence: Literal["published", "recalled", "declared"]
    offers: tuple[OfferId, ...] = ()


class LocalisationAnswer(Message):
    """All candidates of one item, or why there is none. The POD is not given back."""

    index: int
    ref: str = ""
    scheme: str | None = None
    country: Country | None = None
    level: Literal["operator", "scheme", "none"]
    candidates: tuple[LocalisationCandidate, ...] = ()
    code: str | None = Field(None, description="Why unresolved.")
    detail: str | None = None
    warnings: tuple[str, ...] = ()


class LocalisationReply(Message):
    answers: tuple[LocalisationAnswer, ...]
    resolved: int
    unresolved: int
