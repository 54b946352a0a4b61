"""Whether an offer fits a wish, and why not (step 3). Who is told of it lives in the Market Place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from meterhall.domain.protocol.offers import Offer, Price, Wish

_MONTHLY: Final = {"pod_month": Decimal(1), "pod_year": Decimal(12)}
"""Prices a customer that can be compared with each other: how many months each pays for."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """One reason why an offer does not fit wholly: a stable code, and a sentence with the particulars."""

    code: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"


def fits(wish: Wish, offer: Offer) -> tuple[Misfit, ...]:
    """Every reason why the offer does not fit the wish; empty when it fits.

    One shared country is enough: each grid operator serves its own area, so customers of a wish are always spread over
    several offers. Of the formats, any one the requester reads is enough; of the data, everything wished for is needed.
    """
    return tuple(_misfits(wish, offer))


def _misfits(wish: Wish, offer: Offer) -> Iterator[Misfit]:
    wanted, given = wish.scope, offer.scope
    if not set(wish.countries) & set(offer.countries):
        yield Misfit("country", f"It is offered in {_list(offer.countries)} only.")
    if wanted.kind != given.kind:
        yield Misfit("kind", f"It serves {given.kind} data.")
    if wanted.timing != given.timing:
        yield Misfit("timing", f"It serves {given.timing.replace('_', ' ')} data.")
    if unserved := set(wanted.directions) - set(given.directions):
        yield Misfit("direction", f"It does not serve {_list(unserved)}.")
    if missing := set(wanted.granularities) - set(given.granularities):
        yield Misfit("granularity", f"It does not serve {_list(missing)}; it serves {_list(given.granularities)}.")
    if wish.formats and not set(wish.formats) & set(offer.formats):
        yield Misfit("format", f"It delivers {_list(offer.formats)} only.")
    if given.period and not (wanted.period and wanted.period.within(given.period)):
        yield Misfit("period", f"It serves readings from {given.period.first} until {given.period.until} only.")
    if wish.highest_price is not None:
        yield from _price(wish.highest_price, offer.price)


def _price(highest: Price, asked: Price) -> Iterator[Misfit]:
    if asked.value() == 0:
        return
    if asked.per == highest.per:
        dearer = asked.value() > highest.value()
    elif asked.per in _MONTHLY and highest.per in _MONTHLY:
        dearer = asked.value() * _MONTHLY[highest.per] > highest.value() * _MONTHLY[asked.per]
    elif highest.per == "free":
        dearer = True
    else:
        yield Misfit("price_unit", f"It is priced by {_unit(asked)}, which cannot be compared with {_unit(highest)}.")
        return
    if dearer:
        yield Misfit("price", f"It costs {asked.amount} {asked.currency} by {_unit(asked)}.")


def _unit(price: Price) -> str:
    return price.per.replace("_", " and ")


def _list(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))
