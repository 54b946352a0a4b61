"""What a consent allows, as small caveats that each say yes or name the reason why not."""

from meterhall.domain.consent.caveats import (
    Asked,
    Caveat,
    ForPoint,
    ForRequester,
    Granted,
    NotEnded,
    Refused,
    UnderSubscription,
    Until,
    WithinScope,
    verify,
)

__all__ = [
    "Asked",
    "Caveat",
    "ForPoint",
    "ForRequester",
    "Granted",
    "NotEnded",
    "Refused",
    "UnderSubscription",
    "Until",
    "WithinScope",
    "verify",
]
