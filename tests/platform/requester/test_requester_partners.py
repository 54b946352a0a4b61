"""Subscriptions of ours: a further contract under the same offer, and news that comes late."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from meterhall.client.b2b import RemoteRefusal
from meterhall.domain.protocol.agreements import SubscriptionRequest, SubscriptionView
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.events import Event
from meterhall.requester.partners.models import Subscription
from meterhall.requester.partners.service import sign_subscription, subscribe
from meterhall.web.membership.models import HeldAttestation, Standing
from meterhall.web.membership.service import Signer
from meterhall.web.membership.tasks import refresh
from meterhall.web.messaging.handlers import handle
from meterhall.web.messaging.models import Peer
from meterhall.web.messaging.peers import transport_keys
from meterhall.web.platform import Platform

from .conftest import GRID, GRID_URL, HALL, ME, Clock, GridDouble

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


def as_player(grid: GridDouble, number: str, **changes: object) -> dict[str, object]:
    """A player as the Market Place shows it."""
    key = grid.key.public.jwk()
    return {
        "access_number": number, "organisation": "Grid", "country": "IT", "roles": ["provider"],
        "legal_id": {"kind": "GLN", "value": "9520000000004"}, "activity": "dso", "contact": "x",
        "endpoints": {"b2b": GRID_URL}, "keys": {"transport": [key], "contract": [key]}, "status": "admitted",
    } | changes  # fmt: skip


def standing(grid: GridDouble) -> None:
    """We are a member."""
    grid.hall["/v1/players/me"] = {"player": as_player(grid, ME), "general_contract_signed": True}
    Standing.objects.create(enrolment={}, idempotency_key="k")


def test_a_provider_is_believed_longer_than_the_attestation_that_came_with_the_contract(
    grid: GridDouble, subscription: Subscription, clock: Clock
) -> None:
    standing(grid)
    grid.hall[f"/v1/players/{GRID}"] = as_player(grid, GRID)
    grid.refusals["/attestations"] = (422, "audience_unknown")
    Peer.objects.filter(pk=GRID).update(vouched_until=clock() + timedelta(days=7))
    for _ in range(10):
        clock.ahead += timedelta(days=1)
        refresh()
    assert [key.kid for key in transport_keys(GRID)] == [grid.key.kid]
    grid.hall[f"/v1/players/{GRID}"] = as_player(grid, GRID, status="suspended")
    clock.ahead += timedelta(days=2)
    refresh()
    assert transport_keys(GRID) == []


def test_who_is_admitted_again_does_not_show_the_word_from_before(
    grid: GridDouble, subscription: Subscription, clock: Clock
) -> None:
    standing(grid)
    clock.ahead = timedelta(hours=2)
    back = {"player": as_player(grid, ME)}
    handle(Event(id=new_id("evt"), source=f"urn:meterhall:{HALL}", type="player.admitted", time=clock(), data=back))
    assert not HeldAttestation.objects.exists()


def signs(grid: GridDouble, eso: Platform, subscription: Subscription, now_in: str) -> SubscriptionView:
    """Sign a contract the Market Place has in state `now_in`: an earlier answer of it was lost."""
    Subscription.objects.update(state="drafted")
    path = f"/v1/subscriptions/{subscription.pk}"
    grid.hall[path] = subscription.document | {"state": now_in}
    grid.refusals["/signatures"] = (409, "wrong_state")
    return sign_subscription(subscription.pk, Signer("Sam", eso.now(), ("pwd", "otp")))


def test_a_signature_whose_answer_was_lost_is_found_given(
    eso: Platform, grid: GridDouble, subscription: Subscription
) -> None:
    assert signs(grid, eso, subscription, "requester_signed").state == "requester_signed"
    assert Subscription.objects.get().state == "requester_signed"


def test_a_refusal_stays_one(eso: Platform, grid: GridDouble, subscription: Subscription) -> None:
    with pytest.raises(RemoteRefusal):
        signs(grid, eso, subscription, "drafted")
    with pytest.raises(RemoteRefusal):
        signs(grid, eso, subscription, "quit")
