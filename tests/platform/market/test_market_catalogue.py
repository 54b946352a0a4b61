"""The catalogue: offers and versions, what is refused, search, the list of providers, wishes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from meterhall.domain.protocol.base import Page, Period
from meterhall.domain.protocol.offers import (
    CoverageArea,
    DataScope,
    OfferView,
    Price,
    ServiceOption,
    Wish,
    WishView,
)
from meterhall.marketplace.catalogue.models import Announcement
from meterhall.marketplace.catalogue.tasks import announce, close_wishes
from meterhall.marketplace.ledger.models import KeptStatement
from meterhall.marketplace.players import service as players
from meterhall.web.platform import Platform
from tests.platform.market.conftest import BASE, Actor, Clock, Make, an_offer, refusal, send

pytestmark = pytest.mark.django_db


def search(actor: Actor, **wanted: Any) -> list[str]:
    found = actor.client.call("GET", "/v1/offers", None, Page[OfferView], params=wanted)
    return [one.offer.title for one in found.items]


def a_wish(**changes: Any) -> Wish:
    usual: dict[str, Any] = {"countries": ("IT",), "customers": 40, "scope": DataScope(granularities=("PT1H",))}
    return Wish(**(usual | changes))


def wish(actor: Actor, **changes: Any) -> WishView:
    return actor.client.call("POST", "/v1/wishes", a_wish(**changes), WishView)


def work_off() -> None:
    for news in Announcement.objects.order_by("pk"):
        announce(news)


def test_a_draft_is_seen_by_its_provider_only(provider: Actor, requester: Actor) -> None:
    drafted = provider.offer()
    assert (drafted.status, drafted.version, drafted.provider_name) == ("draft", 1, "Rete Demo")
    assert send(provider, "GET", f"/v1/offers/{drafted.offer_id}")["status"] == "draft"
    assert refusal(send, requester, "GET", f"/v1/offers/{drafted.offer_id}")[:2] == (404, "unknown_offer")
    assert search(requester) == []


def test_nothing_is_published_without_certificate_and_general_contract(make: Make) -> None:
    actor = make(roles=("provider",), activity="dso").admitted()
    drafted = actor.offer()
    assert refusal(actor.publish, drafted.offer_id)[:2] == (409, "not_certified")
    actor.certified()
    assert refusal(actor.publish, drafted.offer_id)[:2] == (409, "general_contract_unsigned")
    actor.sign_terms()
    assert actor.publish(drafted.offer_id).status == "published"
    assert refusal(actor.publish, drafted.offer_id)[:2] == (409, "wrong_state")


def test_a_lapsed_certificate_or_a_suspension_hides_the_offers(
    clock: Clock, provider: Actor, http: httpx.Client
) -> None:
    offer = provider.published()

    def shown() -> int:
        return len(http.get(f"{BASE}/v1/offers").json()["items"])

    assert shown() == 1
    clock.ahead = timedelta(days=31)
    assert (shown(), http.get(f"{BASE}/v1/offers/{offer.offer_id}").status_code) == (0, 404)
    clock.ahead = timedelta()
    players.suspend(provider.number, by="tests", reason="Test.")
    assert shown() == 0


BACKWARDS = Period.model_validate({"from": "2017-01-01", "until": "2016-01-01"})
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"duration": "P0D"}, "duration_invalid", "/duration"),
    ({"countries": ("IT", "US")}, "country_not_eea", "/countries/1"),
    ({"countries": ("ES",)}, "offer_invalid", "/coverage/0/country"),
    ({"price": Price(amount="0", per="delivery")}, "offer_invalid", "/price"),
    (
        {"scope": DataScope(kind="aggregate", granularities=("P1D",))},
        "offer_invalid",
        "/minimum_group",
    ),
    (
        {"options": (ServiceOption(code="a", title="A"), ServiceOption(code="a", title="B"))},
        "offer_invalid",
        "/options/1/code",
    ),
    ({"coverage": (CoverageArea(kind="polygon", country="IT", value="{}"),)}, "coverage_invalid", "/coverage/0/value"),
    (
        {"coverage": (CoverageArea(kind="identifier_prefix", country="IT", value="IT001E12345678"),)},
        "coverage_is_pod",
        "/coverage/0/value",
    ),
    (
        {"scope": DataScope(granularities=("P1D",), period=BACKWARDS)},
        "period_empty",
        "/scope/period",
    ),
    ({"summary": "as for IT 001 E 12345678"}, "text_holds_pod", "/summary"),
]


@pytest.mark.parametrize(("changes", "code", "field"), REFUSED)
def test_an_offer_no_contract_could_be_made_of_is_refused(
    provider: Actor, changes: dict[str, Any], code: str, field: str
) -> None:
    assert refusal(provider.offer, **changes) == (422, code, field)


def test_offers_are_for_providers_and_their_own(make: Make, provider: Actor, requester: Actor) -> None:
    assert refusal(requester.offer)[:2] == (403, "not_a_provider")
    other = make(roles=("provider",), activity="dso").member().certified()
    offer_id = provider.offer().offer_id
    assert refusal(other.publish, offer_id)[:2] == (404, "unknown_offer")
    assert refusal(send, other, "PUT", f"/v1/offers/{offer_id}", an_offer())[:2] == (404, "unknown_offer")


def test_a_new_version_supersedes_when_published_and_subscribers_are_told(
    provider: Actor, requester: Actor, make: Make
) -> None:
    offer = provider.published(notice_days=60)
    drafted = requester.subscribe(offer)
    requester.sign(drafted)
    provider.sign(drafted)
    path = f"/v1/offers/{offer.offer_id}"
    same = provider.client.call("PUT", path, an_offer(notice_days=60), OfferView)
    assert (same.version, same.status) == (1, "published")
    for title in ("Second", "Third"):
        newer = provider.client.call("PUT", path, an_offer(title=title), OfferView)
    assert (newer.version, newer.status) == (3, "draft")
    assert search(requester) == ["Letture orarie di città"]

    published = provider.publish(offer.offer_id)
    assert (published.version, search(requester)) == (3, ["Third"])
    work_off()
    work_off()
    [news] = requester.told("offer.changed")
    assert (news["offer_id"], news["version"]) == (offer.offer_id, 3)
    assert published.published_at is not None
    assert news["effective_at"][:10] == (published.published_at + timedelta(days=60)).date().isoformat()
    seen = send(requester, "GET", f"{path}/versions")["items"]
    assert [(one["version"], one["status"]) for one in seen] == [(1, "withdrawn"), (3, "published")]
    assert len(send(provider, "GET", f"{path}/versions")["items"]) == 3
    assert send(requester, "GET", f"/v1/subscriptions/{drafted.subscription_id}")["contract"]["offer_version"] == 1


def test_a_withdrawn_offer_is_gone_for_new_subscribers(provider: Actor, requester: Actor) -> None:
    offer = provider.published()
    path = f"/v1/offers/{offer.offer_id}/withdrawal"
    assert send(provider, "POST", path)["status"] == "withdrawn"
    assert search(requester) == []
    assert refusal(requester.subscribe, offer)[:2] == (409, "offer_unavailable")
    assert refusal(send, provider, "POST", path)[:2] == (409, "wrong_state")
    kept = KeptStatement.objects.filter(transaction_id=offer.offer_id).order_by("entry_id")
    assert [row.type for row in kept] == ["offer.published", "offer.withdrawn"]


def test_search_finds_what_has_everything_asked_for(provider: Actor, make: Make, requester: Actor) -> None:
    provider.published()
    dear = Price(amount="2.50", per="pod_month")
    other = make(roles=("provider",), activity="dso", name="Distribuidora").member().certified()
    other.published(
        title="Curvas diarias",
        price=dear,
        countries=("ES",),
        coverage=(CoverageArea(kind="operator_code", country="ES", value="9999"),),
        scope=DataScope(granularities=("P1D",)),
        transmission=("pull", "push"),
        formats=("espi",),
    )
    both, italian, spanish = (
        ["Letture orarie di città", "Curvas diarias"],
        ["Letture orarie di città"],
        ["Curvas diarias"],
    )
    for wanted, found in [
        ({}, both),
        ({"text": "citta LETTURE"}, italian),
        ({"text": "distribuidora"}, spanish),
        ({"text": "nothing of that"}, []),
        ({"country": "ES"}, spanish),
        ({"granularity": "P1D"}, both),
        ({"granularity": "PT1H"}, italian),
        ({"format": "espi"}, spanish),
        ({"transmission": "push"}, spanish),
        ({"kind": "individual", "service_type": "metering_data"}, both),
        ({"kind": "aggregate"}, []),
        ({"provider": other.number}, spanish),
        ({"max_price": "2.49"}, italian),
        ({"max_price": "2.5"}, both),
        ({"max_price": "9", "price_per": "delivery"}, italian),
    ]:  # fmt: skip
        assert search(requester, **wanted) == found, wanted
    assert refusal(search, requester, granularity="PT7M")[:2] == (422, "invalid_input")
    assert refusal(search, requester, colour="red")[1:] == ("parameter_unknown", "/colour")
    many = requester.http.get(f"{BASE}/v1/offers?" + "&".join(["text=a"] * 1001))
    assert (many.status_code, many.json()["code"]) == (422, "parameter_unknown")


def test_a_search_is_paged_and_stated_by_its_count_only(provider: Actor, requester: Actor, http: httpx.Client) -> None:
    for title in ("A", "B", "C"):
        provider.published(title=title)
    first = send(requester, "GET", "/v1/offers", limit=2)
    rest = send(requester, "GET", "/v1/offers", limit=2, after=first["next"])
    assert [one["offer"]["title"] for one in (*first["items"], *rest["items"])] == ["A", "B", "C"]
    assert "next" not in rest
    assert refusal(send, requester, "GET", "/v1/offers", after="bm9uc2Vuc2U")[1:] == ("bad_cursor", "/after")
    stated = KeptStatement.objects.filter(type="search.answered")
    assert [row.document["counts"] for row in stated.order_by("entry_id")] == [{"offers": 2}, {"offers": 1}]
    assert http.get(f"{BASE}/v1/offers?text=a").status_code == 200
    assert stated.count() == 2


def test_the_list_of_providers_needs_no_token(provider: Actor, make: Make, http: httpx.Client) -> None:
    offer = provider.published()
    make(roles=("provider",), activity="dso", name="Not yet").enrol()
    [listed] = http.get(f"{BASE}/v1/providers").json()["items"]
    assert (listed["organisation"], listed["offers"]) == ("Rete Demo", [offer.offer_id])
    assert listed["coverage"] == [{"kind": "operator_code", "country": "IT", "value": "999"}]
    assert listed["certified_until"]
    assert http.get(f"{BASE}/v1/providers?country=ES").json()["items"] == []


@pytest.mark.parametrize("limit", [0, -1, 1001, 5000])
@pytest.mark.parametrize("path", ["/v1/offers", "/v1/providers", "/v1/wishes"])
def test_a_page_of_nothing_or_of_too_much_is_refused(requester: Actor, path: str, limit: int) -> None:
    assert refusal(send, requester, "GET", path, limit=limit) == (422, "bad_limit", "/limit")
    assert send(requester, "GET", path, limit=1000)["items"] == []


@pytest.mark.parametrize("country", ["xx", "it", "US", ""])
def test_providers_of_a_country_that_is_none_are_refused(requester: Actor, country: str) -> None:
    answer = refusal(send, requester, "GET", "/v1/providers", country=country)
    assert answer == (422, "country_not_eea", "/country")


def test_a_wish_is_matched_at_once_with_reasons_where_it_does_not_fit(provider: Actor, requester: Actor) -> None:
    fitting = provider.published()
    other = provider.published(scope=DataScope(granularities=("P1D",)), formats=("espi",))
    made = wish(requester, formats=("csv",))
    assert made.status == "matched"
    assert [(one.offer_id, one.fits) for one in made.matches] == [(fitting.offer_id, True), (other.offer_id, False)]
    assert [reason.split(":")[0] for reason in made.matches[1].reasons] == ["granularity", "format"]
    stated = KeptStatement.objects.get(type="wish.registered")
    assert stated.document["counts"] == {"customers": 40, "fitting": 1}


def test_a_wish_for_no_day_is_refused(requester: Actor) -> None:
    scope = DataScope(granularities=("PT1H",), period=BACKWARDS)
    assert refusal(wish, requester, scope=scope) == (422, "period_empty", "/scope/period")


def test_a_wish_stays_open_and_is_told_once_of_an_offer_that_fits(provider: Actor, requester: Actor) -> None:
    made, twin = wish(requester), wish(requester)
    assert made.status == "open"
    offer = provider.published()
    work_off()
    work_off()
    told = requester.told("wish.matched")
    assert sorted(news["wish_id"] for news in told) == sorted([made.wish_id, twin.wish_id])
    assert {(news["offer_id"], news["version"]) for news in told} == {(offer.offer_id, 1)}
    shown = WishView.model_validate(send(requester, "GET", f"/v1/wishes/{made.wish_id}"))
    assert (shown.status, shown.matches[0].fits) == ("matched", True)


def test_a_wish_that_is_closed_or_over_is_not_matched(
    marketplace: Platform, clock: Clock, provider: Actor, requester: Actor
) -> None:
    closed, over = wish(requester), wish(requester, until=marketplace.now() + timedelta(days=1))
    assert send(requester, "DELETE", f"/v1/wishes/{closed.wish_id}")["status"] == "closed"
    provider.published()
    clock.ahead = timedelta(days=2)
    work_off()
    assert requester.told("wish.matched") == []
    close_wishes()
    clock.ahead = timedelta()
    assert {one["wish_id"]: one["status"] for one in send(requester, "GET", "/v1/wishes")["items"]} == {
        closed.wish_id: "closed", over.wish_id: "closed",
    }  # fmt: skip


def test_wishes_are_for_requesters_and_their_own(make: Make, provider: Actor, requester: Actor) -> None:
    made = wish(requester)
    assert refusal(send, make().member(), "GET", f"/v1/wishes/{made.wish_id}")[:2] == (404, "unknown_wish")
    assert refusal(wish, provider)[:2] == (403, "not_a_requester")
    assert refusal(wish, requester, countries=("US",))[1:] == ("country_not_eea", "/countries/0")
    assert refusal(wish, requester, text="IT001E12345678 and others")[1:] == ("text_holds_pod", "/text")
    assert refusal(wish, requester, until=datetime(2020, 1, 1, tzinfo=UTC))[1:] == ("wish_over", "/until")
