"""What a provider answered about the points of an activation, and what to do where it said no."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from meterhall.client.advice import advice_for
from meterhall.domain.protocol.activations import REFUSALS, ItemAnswer
from meterhall.domain.protocol.base import Period

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class PodAnswer:
    """The answer for one POD. It prints without the POD.

    `periods` are the days whose readings may be had, `access_until` until when.
    """

    pod: str = field(repr=False)
    state: Literal["pending", "accepted", "refused", "ended"]
    code: str | None = None
    detail: str | None = None
    pseudonym: str | None = None
    consent_id: str | None = None
    periods: tuple[Period, ...] = ()
    access_until: datetime | None = None

    @property
    def advice(self) -> str:
        """What to do about a refusal; empty where there is none."""
        return advice_for(self.code) if self.code else ""

    @classmethod
    def of(cls, answer: ItemAnswer) -> PodAnswer:
        """From a provider's answer."""
        whole = (answer.readings,) if answer.readings else ()
        return cls(
            answer.pod,
            answer.state,
            answer.code,
            answer.detail or (REFUSALS.get(answer.code) if answer.code else None),
            answer.pseudonym,
            answer.consent_id,
            answer.stretches or whole,
            answer.access_until,
        )


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers for all PODs of an activation, those that were refused before they were sent among them."""

    items: tuple[PodAnswer, ...]

    def __iter__(self) -> Iterator[PodAnswer]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def _in(self, state: str) -> tuple[PodAnswer, ...]:
        return tuple(one for one in self.items if one.state == state)

    @property
    def accepted(self) -> tuple[PodAnswer, ...]:
        return self._in("accepted")

    @property
    def refused(self) -> tuple[PodAnswer, ...]:
        return self._in("refused")

    @property
    def pending(self) -> tuple[PodAnswer, ...]:
        """Those that wait for their customer: see `Subscription.ask_consent` for where to send each."""
        return self._in("pending")

    @property
    def frame(self) -> pl.DataFrame:
        """One row a POD: pod, state, code, detail, advice, pseudonym, consent_id, access_until."""
        import polars as pl

        names = ("pod", "state", "code", "detail", "advice", "pseudonym", "consent_id")
        schema: dict[str, pl.DataType | type[pl.DataType]] = dict.fromkeys(names, pl.String)
        columns: dict[str, list[object]] = {name: [getattr(one, name) for one in self.items] for name in names}
        columns["access_until"] = [one.access_until for one in self.items]
        return pl.DataFrame(columns, schema=schema | {"access_until": pl.Datetime("us", "UTC")})
