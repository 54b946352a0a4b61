"""The market's rules: what may happen to a player, an offer and a subscription; contracts; which offers fit a wish."""

from meterhall.domain.market.contracts import (
    general_contract,
    readable_contract,
    readable_terms,
    redelivers,
    service_contract,
)
from meterhall.domain.market.durations import EmptyDuration, PeriodEmpty, add_duration, check_period, parse_duration
from meterhall.domain.market.fitting import Misfit, fits
from meterhall.domain.market.offers import check_offer
from meterhall.domain.market.states import (
    OFFER_VERSION,
    PLAYER,
    SUBSCRIPTION,
    Table,
    WrongState,
    advance,
    comes_before,
    commands,
)

__all__ = [
    "OFFER_VERSION",
    "PLAYER",
    "SUBSCRIPTION",
    "EmptyDuration",
    "Misfit",
    "PeriodEmpty",
    "Table",
    "WrongState",
    "add_duration",
    "advance",
    "check_offer",
    "check_period",
    "comes_before",
    "commands",
    "fits",
    "general_contract",
    "parse_duration",
    "readable_contract",
    "readable_terms",
    "redelivers",
    "service_contract",
]
