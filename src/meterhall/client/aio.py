"""The same client for asyncio. One core: each call is the synchronous one, on a thread of the client's own.

A call that is cancelled ends in its thread as well, at the next block it receives or the next wait.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from meterhall.client.activations import Activation
from meterhall.client.curves import ChangedPage
from meterhall.client.desk import OnProgress
from meterhall.client.hall import Meterhall
from meterhall.client.home import SignerKey
from meterhall.client.news import News
from meterhall.client.patience import STOP
from meterhall.client.pods import Pods
from meterhall.client.proofs import Proof
from meterhall.client.subscriptions import Subscription
from meterhall.domain.protocol.agreements import Repository, SubscriptionState
from meterhall.domain.protocol.base import DirectionName, GranularityName
from meterhall.domain.protocol.offers import OfferView

Core = TypeVar("Core")
Params = ParamSpec("Params")
Result = TypeVar("Result")
AT_ONCE = 32
"""How many calls of one client run at the same time; further ones wait."""


class Threads:
    """The threads of one client."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, "meterhall-client")

    async def run(self, call: Callable[[], Result]) -> Result:
        """The result of a call on a thread; when the wait is cancelled the call is told to stop."""
        stop = threading.Event()
        context = copy_context()
        context.run(STOP.set, stop)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, call)
        except asyncio.CancelledError:
            stop.set()
            raise

    async def each(self, items: Iterator[Result]) -> AsyncIterator[Result]:
        """The items of an iterator, each fetched on a thread."""
        end = object()
        while (item := await self.run(lambda: next(items, end))) is not end:
            yield item  # type: ignore[misc]

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Wrapped:
    """An object of the core and the threads its calls run on."""

    def __init__(self, core: Any, threads: Threads) -> None:
        self._core = core
        self._threads = threads

    def __repr__(self) -> str:
        return repr(self._core)


def awaited(
    method: Callable[Concatenate[Any, Params], Result],
) -> Callable[Concatenate[Any, Params], Awaitable[Result]]:
    """The method of the core, on a thread."""

    async def call(self: Any, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        found: Result = await self._threads.run(lambda: method(self._core, *args, **kwargs))
        return found

    functools.update_wrapper(call, method)
    return call


class _AtProvider(_Wrapped):
    """Something a provider and we know by an id."""

    @property
    def id(self) -> str:
        return str(self._core.id)

    @property
    def provider(self) -> str:
        """The provider's access number."""
        return str(self._core.provider)


class AsyncActivation(_AtProvider):
    """PODs under a subscription, each with its proof; see `Activation`."""

    _core: Activation

    view = awaited(Activation.view)
    wait = awaited(Activation.wait)
    answers = awaited(Activation.answers)
    load_curves = awaited(Activation.load_curves)
    live_curves = awaited(Activation.live_curves)
    group_curves = awaited(Activation.group_curves)
    forecasts = awaited(Activation.forecasts)
    group_forecasts = awaited(Activation.group_forecasts)
    add = awaited(Activation.add)
    remove = awaited(Activation.remove)
    end = awaited(Activation.end)

    def changes(self, *, restart: bool = False) -> AsyncIterator[ChangedPage]:
        """New and corrected values since the last time; see `Activation.changes`."""
        return self._threads.each(self._core.changes(restart=restart))


class AsyncSubscription(_AtProvider):
    """A service contract with its state; see `Subscription`."""

    _core: Subscription

    refresh = awaited(Subscription.refresh)
    text = awaited(Subscription.text)
    sign = awaited(Subscription.sign)
    ask_consent = awaited(Subscription.ask_consent)
    quit = awaited(Subscription.quit)

    @property
    def state(self) -> SubscriptionState:
        """As last heard; `refresh` asks."""
        return self._core.state

    async def wait(self, timeout_s: float = 7 * 86_400.0) -> Self:
        """Wait until the contract is in force; returns itself. See `Subscription.wait`."""
        await self._threads.run(lambda: self._core.wait(timeout_s))
        return self

    async def activate(
        self,
        pods: Pods,
        proof: Proof = "ask_customer",
        *,
        period: Any = None,
        granularities: tuple[GranularityName, ...] | None = None,
        directions: tuple[DirectionName, ...] | None = None,
    ) -> AsyncActivation:
        """Activate PODs with their proof; see `Subscription.activate`."""
        made = await self._threads.run(
            lambda: self._core.activate(pods, proof, period=period, granularities=granularities, directions=directions)
        )
        return AsyncActivation(made, self._threads)

    async def activate_areas(
        self,
        *,
        period: Any = None,
        granularities: tuple[GranularityName, ...] | None = None,
        directions: tuple[DirectionName, ...] | None = None,
    ) -> AsyncActivation:
        """An activation without points, for curves over areas; see `Subscription.activate_areas`."""
        made = await self._threads.run(
            lambda: self._core.activate_areas(period=period, granularities=granularities, directions=directions)
        )
        return AsyncActivation(made, self._threads)


class AsyncMeterhall(_Wrapped):
    """One requester at one Market Place; see `Meterhall`."""

    _core: Meterhall

    enrol = awaited(Meterhall.enrol)
    declare_addresses = awaited(Meterhall.declare_addresses)
    standing = awaited(Meterhall.standing)
    wait_admitted = awaited(Meterhall.wait_admitted)
    signer = awaited(Meterhall.signer)
    sign_terms = awaited(Meterhall.sign_terms)
    search = awaited(Meterhall.search)
    wish = awaited(Meterhall.wish)
    wishes = awaited(Meterhall.wishes)
    close_wish = awaited(Meterhall.close_wish)
    localise = awaited(Meterhall.localise)
    take_consent = awaited(Meterhall.take_consent)
    headers = awaited(Meterhall.headers)
    state_erased = awaited(Meterhall.state_erased)

    @classmethod
    def connect(cls, client: str | Path, *, on_progress: OnProgress | None = None, patience_s: float = 300) -> Self:
        """See `Meterhall.connect`; nobody is called yet. `on_progress` is called on the client's threads."""
        return cls(Meterhall.connect(client, on_progress=on_progress, patience_s=patience_s), Threads())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """See `Meterhall.close`."""
        await self._threads.run(self._core.close)
        self._threads.close()

    @property
    def access_number(self) -> str:
        """Ours. Raises `NotEnrolled`."""
        return self._core.access_number

    async def subscribe(
        self,
        offer: OfferView | str,
        options: tuple[str, ...] = (),
        *,
        signer: SignerKey | None = None,
        repository: Repository | str | None = None,
    ) -> AsyncSubscription:
        """The contract under an offer; see `Meterhall.subscribe`."""
        made = await self._threads.run(
            lambda: self._core.subscribe(offer, options, signer=signer, repository=repository)
        )
        return AsyncSubscription(made, self._threads)

    async def subscription(self, subscription_id: str) -> AsyncSubscription:
        """One of ours, as the Market Place has it."""
        return AsyncSubscription(
            await self._threads.run(lambda: self._core.subscription(subscription_id)), self._threads
        )

    async def subscriptions(self, state: SubscriptionState | None = None) -> list[AsyncSubscription]:
        """Ours, as the Market Place has them."""
        found = await self._threads.run(lambda: self._core.subscriptions(state))
        return [AsyncSubscription(one, self._threads) for one in found]

    async def activation(self, activation_id: str) -> AsyncActivation:
        """One this client sent. Raises `UnknownKeptActivation`."""
        found = await self._threads.run(lambda: self._core.activation(activation_id))
        return AsyncActivation(found, self._threads)

    async def activations(self) -> list[AsyncActivation]:
        """Those this client sent."""
        found = await self._threads.run(self._core.activations)
        return [AsyncActivation(one, self._threads) for one in found]

    def news(self) -> AsyncIterator[News]:
        """The events that wait for us; see `Meterhall.news`."""
        return self._threads.each(self._core.news())
