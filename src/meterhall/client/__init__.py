"""The SDK: what a requester's engineer imports. `Meterhall` for scripts, `AsyncMeterhall` for asyncio.

Names are loaded when they are first used, so that a part of the client costs only itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meterhall.client.activations import Activation
    from meterhall.client.aio import AsyncActivation, AsyncMeterhall, AsyncSubscription
    from meterhall.client.answers import Answers, PodAnswer
    from meterhall.client.asking import ConsentAsked, ConsentGiven, Need
    from meterhall.client.completeness import Completeness, PodCompleteness
    from meterhall.client.curves import ChangedPage, GroupCurves, GroupOf, LiveCurves, LoadCurves
    from meterhall.client.desk import Progress
    from meterhall.client.enrolling import create
    from meterhall.client.errors import RemoteRefusal, RemoteUnreachable
    from meterhall.client.forecasts import Forecasts
    from meterhall.client.hall import Meterhall
    from meterhall.client.home import SignerKey
    from meterhall.client.localising import Localised, Place
    from meterhall.client.news import News
    from meterhall.client.proofs import GivenConsents, SignedByCustomer, StatedByUs
    from meterhall.client.subscriptions import Subscription
    from meterhall.domain.errors import MeterhallError

_WHERE = {
    "Activation": "activations", "AsyncActivation": "aio", "AsyncMeterhall": "aio", "AsyncSubscription": "aio",
    "Answers": "answers", "ChangedPage": "curves", "Completeness": "completeness",
    "ConsentAsked": "asking", "ConsentGiven": "asking",
    "Forecasts": "forecasts", "GivenConsents": "proofs", "GroupCurves": "curves", "GroupOf": "curves",
    "LiveCurves": "curves", "LoadCurves": "curves", "Localised": "localising", "Meterhall": "hall",
    "MeterhallError": "errors",
    "Need": "asking", "News": "news", "Place": "localising", "PodAnswer": "answers", "PodCompleteness": "completeness",
    "Progress": "desk", "RemoteRefusal": "errors", "RemoteUnreachable": "errors",
    "SignedByCustomer": "proofs", "SignerKey": "home", "StatedByUs": "proofs",
    "Subscription": "subscriptions", "create": "enrolling",
}  # fmt: skip

__all__ = [
    "Activation",
    "Answers",
    "AsyncActivation",
    "AsyncMeterhall",
    "AsyncSubscription",
    "ChangedPage",
    "Completeness",
    "ConsentAsked",
    "ConsentGiven",
    "Forecasts",
    "GivenConsents",
    "GroupCurves",
    "GroupOf",
    "LiveCurves",
    "LoadCurves",
    "Localised",
    "Meterhall",
    "MeterhallError",
    "Need",
    "News",
    "Place",
    "PodAnswer",
    "PodCompleteness",
    "Progress",
    "RemoteRefusal",
    "RemoteUnreachable",
    "SignedByCustomer",
    "SignerKey",
    "StatedByUs",
    "Subscription",
    "create",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
