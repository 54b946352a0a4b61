"""Events through the signed inbox: from whom, once, and what the Market Place's word about a player does."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from django.test import override_settings
from django.urls import path

from meterhall.client.b2b import RemoteRefusal, post_event
from meterhall.domain.errors import NotPermitted
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.events import Event, PlayerChanged
from meterhall.domain.protocol.keys import SigningKey
from meterhall.domain.protocol.players import Endpoints, Jwk, KeySet, LegalIdentifier, PlayerView
from meterhall.web.api import make_api
from meterhall.web.membership.tasks import keys_changed, suspended
from meterhall.web.messaging.api import add_inbox
from meterhall.web.messaging.models import Identity, Inbox, Peer
from meterhall.web.oauth.models import Client
from meterhall.web.platform import platform

from .conftest import BASE, NUMBER, Admit, Clock, Listener

MARKET = "MH0000000012"
api = make_api("Test", "The inbox of the OAuth tests.", "inbox_tests")
add_inbox(api)
calls = api.urls
urlpatterns = [path("", calls), path("elsewhere/", calls)]


@pytest.fixture
def market(clock: Clock) -> SigningKey:
    """The Market Place's transport key."""
    key = SigningKey.generate()
    Identity.objects.create(access_number="MH0000000303")
    Peer.objects.create(
        access_number=MARKET,
        name="Hall",
        document={},
        b2b_url=BASE,
        transport_keys=[key.public.jwk()],
        is_marketplace=True,
    )
    return key


def player(key: SigningKey) -> PlayerView:
    jwk = Jwk.model_validate(key.public.jwk())
    return PlayerView(
        access_number=NUMBER,
        organisation="Sun Coop",
        country="BE",
        legal_id=LegalIdentifier(kind="GLN", value="9520000000004"),
        roles=("requester",),
        activity="esco",
        contact="x@sun.example",
        endpoints=Endpoints(b2b="https://sun.example"),
        keys=KeySet(transport=(jwk,), contract=(jwk,)),
        status="suspended",
    )


def event(data: PlayerChanged, sender: str = MARKET) -> Event:
    return Event(
        id=new_id("evt"),
        source=f"urn:meterhall:{sender}",
        type="player.suspended",
        time=platform().now(),
        subject=NUMBER,
        data=data.document(),
    )


def post(http: httpx.Client, sent: Event, key: SigningKey, sender: str = MARKET, name: str = "") -> None:
    with override_settings(ROOT_URLCONF=__name__):
        post_event(http, f"{BASE}/v1/inbox", sent.canonical(), event_id=name or sent.id, access_number=sender, key=key)


def test_an_event_is_taken_once(http: httpx.Client, market: SigningKey, key: SigningKey) -> None:
    sent = event(PlayerChanged(player=player(key)))
    post(http, sent, market)
    post(http, sent, market)
    assert Inbox.objects.get().sender == MARKET


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": SigningKey.generate()}, "bad_signature"),
        ({"sender": NUMBER}, "bad_signature"),
        ({"name": "evt_" + "0" * 24}, "event_mismatch"),
    ],
)
def test_an_event_that_is_not_its_senders_is_refused(
    http: httpx.Client, market: SigningKey, key: SigningKey, changes: dict, code: str
) -> None:
    with pytest.raises(RemoteRefusal) as caught:
        post(http, event(PlayerChanged(player=player(key))), **({"key": market} | changes))
    assert caught.value.remote_code == code
    assert not Inbox.objects.exists()


def test_an_event_taken_on_its_way_cannot_be_sent_elsewhere(
    http: httpx.Client, market: SigningKey, key: SigningKey, listener: Listener
) -> None:
    post(http, event(PlayerChanged(player=player(key))), market)
    taken = listener.seen[-1]
    Inbox.objects.all().delete()
    with override_settings(ROOT_URLCONF=__name__):
        elsewhere = http.post(f"{BASE}/elsewhere/v1/inbox", content=taken.content, headers=taken.headers)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (401, "bad_signature")
    assert elsewhere.headers["WWW-Authenticate"] == "DPoP"


def test_a_suspended_player_and_its_keys_are_the_market_places_word(
    market: SigningKey, key: SigningKey, admit: Admit
) -> None:
    admit()
    changed = PlayerChanged(player=player(SigningKey.generate()))
    for handler in (suspended, keys_changed):
        with pytest.raises(NotPermitted):
            handler(event(changed, sender=NUMBER), changed)
    assert Client.objects.get().suspended_at is None

    keys_changed(event(changed), changed)
    suspended(event(changed), changed)
    row = Client.objects.get()
    assert row.suspended_at is not None
    assert row.keys == [one.document() for one in changed.player.keys.transport]


@pytest.mark.parametrize(("ahead", "says"), [(10, "behind"), (-10, "ahead of")])
def test_a_clock_ten_minutes_off_is_named(
    http: httpx.Client, market: SigningKey, key: SigningKey, clock: Clock, ahead: int, says: str
) -> None:
    clock.ahead = timedelta(minutes=ahead)
    with pytest.raises(RemoteRefusal) as caught:
        post(http, event(PlayerChanged(player=player(key))), market)
    assert caught.value.remote_code == "clock_off"
    assert f"s {says} this clock" in caught.value.remote_detail
