"""Subscriptions of ours: a further contract under the same offer, and news that comes late."""

from __future__ import annotations

import httpx
import pytest

from meterhall.domain.protocol.agreements import SubscriptionRequest, SubscriptionView
from meterhall.requester.partners.models import Subscription
from meterhall.requester.partners.service import subscribe

from .conftest import GridDouble

pytestmark = pytest.mark.django_db


def ask(grid: GridDouble, subscription: Subscription, state: str) -> str:
    """Ask for a contract under the offer; the Market Place answers with this one in `state`. The key asked with."""
    grid.hall["/v1/subscriptions"] = subscription.document | {"state": state}
    view = SubscriptionView.model_validate(subscription.document)
    subscribe(SubscriptionRequest(offer_id=view.contract.offer_id, offer_version=1))
    request: httpx.Request = grid.paths("/v1/subscriptions")[-1]
    return request.headers["Idempotency-Key"]


def test_asked_twice_before_it_is_signed_the_same_contract_is_meant(
    grid: GridDouble, subscription: Subscription
) -> None:
    Subscription.objects.update(state="drafted")
    assert ask(grid, subscription, "drafted") == ask(grid, subscription, "drafted")


def test_asked_again_once_it_is_signed_a_further_contract_is_meant(
    grid: GridDouble, subscription: Subscription
) -> None:
    Subscription.objects.update(state="drafted")
    first = ask(grid, subscription, "drafted")
    Subscription.objects.update(state="active")
    assert ask(grid, subscription, "drafted") != first


@pytest.mark.parametrize(
    ("held", "told", "kept"),
    [
        ("active", "requester_signed", "active"),
        ("quit", "active", "quit"),
        ("drafted", "requester_signed", "requester_signed"),
        ("suspended", "active", "active"),
    ],
)
def test_what_is_known_is_not_undone_by_an_answer_that_comes_late(
    grid: GridDouble, subscription: Subscription, held: str, told: str, kept: str
) -> None:
    Subscription.objects.update(state=held)
    ask(grid, subscription, told)
    assert Subscription.objects.get().state == kept
