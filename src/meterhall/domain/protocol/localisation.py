"""Localisation: which provider holds a point of delivery (step 4). Nothing of a question rests anywhere."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from meterhall.domain.protocol.base import AccessNumber, Country, Message, OfferId, ShortText

Text = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class LocalisationItem(Message):
    """One question: a POD, the operator-significant part of one, or a place from the bill.

    Exactly one of them: `pod`; or `scheme` with `operator_part`; or `country` with `postcode`, `municipality` or a
    position. A place beside a `pod` is asked where the POD names nobody.
    """

    ref: Annotated[str, StringConstraints(max_length=80)] = Field(
        "", description="The caller's own name of the question, given back with the answer; never a POD."
    )
    pod: Text | None = Field(
        None, repr=False, description="A whole POD; spaces, dots and case are forgiven. Absent: it is another question."
    )
    scheme: Text | None = Field(
        None, description="Code of the POD's scheme, as `IT`; with `operator_part`. Absent: it is another question."
    )
    operator_part: Text | None = Field(
        None, description="The part of the POD that names its grid operator; absent where the scheme has none."
    )
    country: Country | None = Field(
        None, description="ISO 3166-1 alpha-2: of a place, or of a POD whose number alone names none; else absent."
    )
    postcode: Text | None = Field(
        None, description="Postal code of the place, compared without case, spaces and dashes; absent: not known."
    )
    municipality: Text | None = Field(
        None, description="Municipality of the place, compared without case and accents; absent: not known."
    )
    longitude: float | None = Field(
        None, ge=-180, le=180, description="Degrees east (WGS 84), together with `latitude`; absent: not known."
    )
    latitude: float | None = Field(
        None, ge=-90, le=90, description="Degrees north (WGS 84), together with `longitude`; absent: not known."
    )

    @model_validator(mode="after")
    def one_kind(self) -> LocalisationItem:
        if (self.longitude is None) != (self.latitude is None):
            raise ValueError("a position is a `longitude` and a `latitude`")
        place = self.country and (self.postcode or self.municipality or self.longitude is not None)
        given = [self.pod is not None, bool(self.scheme), bool(place and not self.pod)]
        if sum(given) != 1:
            raise ValueError("an item is a `pod`, a `scheme` with `operator_part`, or a `country` with a place")
        return self


class LocalisationRequest(Message):
    """The questions of one call; nothing of them is kept."""

    items: tuple[LocalisationItem, ...] = Field(
        min_length=1, max_length=10_000, description="The questions, answered each by itself."
    )


class LocalisationCandidate(Message):
    """A provider that may hold the point, with the reason and how sure it is."""

    provider: AccessNumber | None = Field(
        None, description="The provider; absent: the operator is known and not enrolled."
    )
    operator: ShortText = Field(description="The grid operator's name.")
    operator_code: str | None = Field(
        None, description="The operator's code in the scheme, as the table or the POD has it; absent: found by place."
    )
    scheme: str | None = Field(
        None, description="Code of the POD's scheme; absent: found by place, or the number fits several."
    )
    country: Country = Field(description="The country the point lies in, ISO 3166-1 alpha-2.")
    reason: Literal["table", "coverage", "conflict"] = Field(
        description="`table`: a table of operators names it; `coverage`: the provider declares it; `conflict`: several "
        "providers declare it."
    )
    confidence: Literal["published", "recalled", "declared"] = Field(
        description="`published`: the table has a source to cite; `recalled`: it has none; `declared`: the provider "
        "says so itself."
    )
    offers: tuple[OfferId, ...] = Field(
        (), description="The provider's offers in the catalogue for that country; empty: there are none."
    )


class LocalisationAnswer(Message):
    """All candidates of one item, or why there is none. The POD is not given back."""

    index: int = Field(description="Which item of the request it answers, from 0.")
    ref: str = Field("", description="The item's own `ref`.")
    scheme: str | None = Field(
        None, description="Code of the scheme the item is of; absent: it is a place, or fits several or none."
    )
    country: Country | None = Field(None, description="The item's country, ISO 3166-1 alpha-2; absent: not known.")
    level: Literal["operator", "scheme", "none"] = Field(
        description="How far it got. `operator`: there are candidates; `scheme`: only the scheme is known; `none`: "
        "nothing is."
    )
    candidates: tuple[LocalisationCandidate, ...] = Field(
        (), description="Everyone who may hold the point; several where it is not certain, none where nobody is known."
    )
    code: str | None = Field(None, description="Why there is no candidate, a stable code; absent: there is one.")
    detail: str | None = Field(None, description="The same as a sentence for people.")
    warnings: tuple[str, ...] = Field(
        (), description="Codes of what was odd and did not matter, such as `country_differs`; empty: nothing was."
    )


class LocalisationReply(Message):
    """The answers to one call."""

    answers: tuple[LocalisationAnswer, ...] = Field(description="One for each item, in the order of the request.")
    resolved: int = Field(description="How many items have at least one candidate.")
    unresolved: int = Field(description="How many have none.")
