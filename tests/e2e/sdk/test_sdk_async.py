"""The same way with asyncio: many calls at once, one core, and a cancelled call that ends in its thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from meterhall.client import Activation, AsyncMeterhall, Subscription
from meterhall.client.home import WrongPassphrase
from meterhall.client.patience import TimedOut
from tests.e2e.sdk.conftest import CONSENTING, PASSPHRASE, Office
from tests.e2e.town import pod, wait_for


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(what, 240))


def test_the_way_to_frames_with_many_at_once(office: Office, contract: Subscription, households: Activation):
    async def walk() -> None:
        async with AsyncMeterhall.connect(office.home) as hall:
            offers, found = await asyncio.gather(hall.search(country="ES"), hall.localise([pod(1), pod(2)]))
            assert {place.provider for place in found} == {contract.provider}
            assert contract.contract.offer_id in {one.offer_id for one in offers}
            subscription = await hall.subscribe(contract.contract.offer_id, ("corrections",))
            assert (subscription.id, subscription.state) == (contract.id, "active")
            await subscription.wait()
            activation = await hall.activation(households.id)
            days = [(f"2025-03-{day:02d}", f"2025-03-{day + 1:02d}") for day in range(2, 8)]
            loaded = await asyncio.gather(*(activation.load_curves(day, "PT1H") for day in days))
            assert [one.completeness.missing for one in loaded] == [0] * len(days)
            assert {str(one.frame["start"].dt.date().max()) for one in loaded} == {day[0] for day in days}
            pages = [page.frame.height async for page in activation.changes(restart=True)]
            assert sum(pages) > 100_000
            assert [page async for page in activation.changes()] == []
            assert [one.id for one in await hall.activations() if one.id == households.id] == [households.id]

    run(walk())


def test_a_refusal_is_raised_where_it_is_awaited(office: Office):
    async def ask() -> None:
        async with AsyncMeterhall.connect(office.home) as hall:
            with pytest.raises(WrongPassphrase):
                await hall.signer("Stella Signer", "another passphrase")
            assert (await hall.signer("Stella Signer", PASSPHRASE)).signer.name == "Stella Signer"

    run(ask())


def test_a_cancelled_wait_ends_in_its_thread(office: Office, contract: Subscription):
    """A point that waits for its customer for ever; who asked loses patience."""
    before = set(threading.enumerate())

    def waiting() -> set[threading.Thread]:
        return {one for one in threading.enumerate() if one.name.startswith("meterhall-client")} - before

    async def give_up() -> None:
        hall = AsyncMeterhall.connect(office.home)
        subscription = await hall.subscription(contract.id)
        activation = await subscription.activate([pod(CONSENTING.stop)], "ask_customer", granularities=("PT1H",))
        await activation.wait(120)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(activation.wait(100_000, customers=True), 1)
        with pytest.raises(TimedOut):
            await activation.wait(0.5, customers=True)
        await activation.end("other")
        await hall.close()

    began = time.monotonic()
    run(give_up())
    wait_for("the threads' end", lambda: not any(one.is_alive() for one in waiting()))
    assert time.monotonic() - began < 200


def test_a_home_that_is_none_is_told_at_once(tmp_path: Path):
    with pytest.raises(Exception, match="no client"):
        AsyncMeterhall.connect(tmp_path)
