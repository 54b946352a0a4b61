"""The customer's pages: consent asked and answered, seen, withdrawn; and nobody else's meters."""

from __future__ import annotations

from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from meterhall.authserver.errors import InvalidDetails
from meterhall.domain.protocol.consents import GrantedDetail, MeteringDataDetail
from meterhall.provider.consents.models import Consent, ConsentItem
from meterhall.provider.consents.service import revoke
from meterhall.provider.deliveries.gate import open_part, respond
from meterhall.provider.points.models import Point
from meterhall.provider.points.schemas import MeterIn, OccupancyIn
from meterhall.web.oauth.details import check_details
from meterhall.web.oauth.models import Client as OAuthClient
from meterhall.web.oauth.models import Code, PushedRequest
from meterhall.web.oauth.service import admit_client
from meterhall.web.platform import platform
from tests.platform.provider.conftest import HOLDER, NEIGHBOUR, REQUESTER, SCOPE, World, states
from tests.platform.provider.people import signed_in

BACK = "https://sun.example/consents/callback"
URI = "urn:ietf:params:oauth:request_uri:test"


@pytest.fixture
def pushed(world: World) -> str:
    """A pushed request of two needs; the address of its page."""
    subscription = world.contract()
    admit_client(
        client_id=REQUESTER,
        name="Sun Coop",
        keys=[world.keys[REQUESTER].public.jwk()],
        redirect_uris=[BACK],
        scopes=["data"],
        valid_until=world.clock() + timedelta(days=7),
        source="test",
    )
    return push(world, [need(world, subscription, "advice"), need(world, subscription, "bill")])


def need(world: World, subscription: str, name: str, **changes: object) -> MeteringDataDetail:
    usual: dict[str, object] = {
        "need": name,
        "subscription_id": subscription,
        "scope": SCOPE,
        "purpose": f"So that we can do the {name}",
        "access_until": world.clock() + timedelta(days=90),
    }
    return MeteringDataDetail(**(usual | changes))  # type: ignore[arg-type]


def push(world: World, details: list[MeteringDataDetail]) -> str:
    PushedRequest.objects.update_or_create(
        request_uri=URI,
        defaults={
            "client": OAuthClient.objects.get(pk=REQUESTER),
            "redirect_uri": BACK,
            "scope": "data",
            "state": "xyz",
            "code_challenge": "c" * 43,
            "dpop_jkt": "j" * 43,
            "details": [detail.document() for detail in details],
            "expires_at": world.clock() + timedelta(seconds=90),
        },
    )
    return f"/oauth/authorize?client_id={REQUESTER}&request_uri={URI}"


def answer(browser: Client, **form: object) -> object:
    return browser.post("/oauth/authorize", {"client_id": REQUESTER, "request_uri": URI, **form})


def text(response: object) -> str:
    return response.content.decode()  # type: ignore[attr-defined]


def test_who_is_not_signed_in_signs_in_first_and_comes_back(pushed: str) -> None:
    response = Client().get(pushed)
    assert response.status_code == 302
    assert parse_qs(urlsplit(response["Location"]).query)["next"] == [pushed]


def test_the_page_says_who_why_what_and_until_when_and_shows_only_own_meters(world: World, pushed: str) -> None:
    mine = world.points(2)
    world.points(1, holder=NEIGHBOUR, first=7)
    response = signed_in("customer", holder=HOLDER).get(pushed)
    page = text(response)
    assert response.status_code == 200
    for words in ("Sun Coop", "So that we can do the advice", "every quarter of an hour", "Allow", "Refuse"):
        assert words in page
    assert all(point.handle in page for point in mine)
    assert Point.objects.get(occupancies__holder_reference=NEIGHBOUR).handle not in page
    assert all(point.pod not in page for point in mine), "a POD is shown masked"
    assert "checked" not in page.split("<main", 1)[1].split("</main>", 1)[0], "nothing is chosen beforehand"
    assert "https://sun.example" in response["Content-Security-Policy"]


def test_allowing_one_need_for_one_meter_grants_just_that(world: World, pushed: str) -> None:
    mine = world.points(2)
    response = answer(signed_in("customer", holder=HOLDER), decision="allow", need=["bill"], point=[mine[1].handle])
    back = parse_qs(urlsplit(response["Location"]).query)  # type: ignore[index]
    assert (response.status_code, back["state"], back["iss"]) == (303, ["xyz"], [platform().base_url])  # type: ignore[attr-defined]
    consent = Consent.objects.get()
    assert [(item.need, item.point_id) for item in consent.items.all()] == [("bill", mine[1].pk)]
    code = Code.objects.get()
    assert code.grant_id == consent.pk
    assert [GrantedDetail.model_validate(one).points for one in code.details] == [(mine[1].handle,)]
    assert consent.assurance == "customer_confirmed"


def test_choosing_nothing_is_said_on_the_page_and_grants_nothing(world: World, pushed: str) -> None:
    world.points(2)
    response = answer(signed_in("customer", holder=HOLDER), decision="allow", need=["bill"])
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert "Choose at least one" in text(response)
    assert not Consent.objects.exists()


def test_a_neighbours_meter_cannot_be_slipped_in(world: World, pushed: str) -> None:
    world.points(2)
    [foreign] = world.points(1, holder=NEIGHBOUR, first=7)
    browser = signed_in("customer", holder=HOLDER)
    assert answer(browser, decision="allow", need=["bill"], point=[foreign.handle]).status_code == 422  # type: ignore[attr-defined]
    assert not ConsentItem.objects.exists()


def test_refusing_sends_back_access_denied_and_answers_who_waits(world: World, pushed: str) -> None:
    [mine] = world.points(1)
    world.readings([mine], date(2026, 3, 1), date(2026, 3, 2))
    subscription = PushedRequest.objects.get().details[0]["subscription_id"]
    activation = world.activate(subscription, [(mine.pod, "ask_customer")])
    assert states(activation) == [("pending", "")]
    response = answer(signed_in("customer", holder=HOLDER), decision="refuse")
    assert parse_qs(urlsplit(response["Location"]).query)["error"] == ["access_denied"]  # type: ignore[index]
    assert states(activation) == [("refused", "consent_denied")]
    assert not Consent.objects.exists()


def test_allowing_answers_who_waits(world: World, pushed: str) -> None:
    [mine] = world.points(1)
    world.readings([mine], date(2026, 3, 1), date(2026, 3, 2))
    subscription = PushedRequest.objects.get().details[0]["subscription_id"]
    activation = world.activate(subscription, [(mine.pod, "ask_customer")])
    answer(signed_in("customer", holder=HOLDER), decision="allow", need=["bill"])
    world.work()
    assert states(activation) == [("accepted", "")]


@pytest.mark.parametrize(
    "query", ["", "client_id=MH0000000109&request_uri=urn:x", f"client_id=MH0000000125&request_uri={URI}"]
)
def test_an_unknown_request_is_told_here_and_never_redirected(world: World, pushed: str, query: str) -> None:
    response = signed_in("customer", holder=HOLDER).get(f"/oauth/authorize?{query}")
    assert (response.status_code, response.headers.get("Location")) == (404, None)


def test_a_request_is_answered_once(world: World, pushed: str) -> None:
    world.points(1)
    browser = signed_in("customer", holder=HOLDER)
    assert answer(browser, decision="allow", need=["bill"]).status_code == 303  # type: ignore[attr-defined]
    assert answer(browser, decision="allow", need=["bill"]).status_code == 410  # type: ignore[attr-defined]
    assert Consent.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"access_until_days": 0},
        {"access_until_days": 4 * 366},
        {"scope": SCOPE.model_copy(update={"directions": ("export",)})},
    ],
)
def test_what_may_not_be_asked_for_is_not_put_before_the_customer(
    world: World, pushed: str, changes: dict[str, object]
) -> None:
    world.points(1)
    subscription = PushedRequest.objects.get().details[0]["subscription_id"]
    more = dict(changes)
    if "access_until_days" in more:
        more["access_until"] = world.clock() + timedelta(days=more.pop("access_until_days"))  # type: ignore[arg-type]
    wanted = need(world, subscription, "bill", **more)
    with pytest.raises(InvalidDetails) as refused:
        check_details(REQUESTER, (wanted,))
    assert refused.value.code == "bad_need"
    url = push(world, [wanted])
    response = signed_in("customer", holder=HOLDER).get(url)
    assert response.status_code == 422
    assert "bad_need" in text(response)


def test_home_shows_active_consents_and_two_taps_withdraw(world: World) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 3))
    activation = world.activated(points)
    delivery = world.deliver(activation)
    part = open_part(delivery, 1)
    respond(_get(), part)
    browser = signed_in("customer", holder=HOLDER)
    page = text(browser.get("/consents"))
    assert "Sun Coop" in page
    assert "Advice on saving" in page
    consent = Consent.objects.get()
    assert "<dd>never</dd>" not in page
    accesses = browser.get("/accesses?export=csv").content.decode().splitlines()
    assert len(accesses) == 3, "one line a meter, and the head"
    assert consent.pk in accesses[1]
    response = browser.post(f"/consents/{consent.pk}/withdrawal", {"withdraw": points[0].handle}, follow=True)
    assert "gets no more data" in text(response)
    consent.refresh_from_db()
    assert consent.state == "partly_revoked"
    browser.post(f"/consents/{consent.pk}/withdrawal")
    consent.refresh_from_db()
    assert consent.state == "revoked"
    assert "Nobody has your data" in text(browser.get("/consents"))
    assert "Sun Coop" in text(browser.get("/consents-ended"))
    assert browser.get(f"/consents/{consent.pk}").status_code == 200


def _get() -> object:
    from django.test import RequestFactory

    return RequestFactory().get("/")


def test_a_neighbour_sees_and_ends_nothing_of_it(world: World) -> None:
    points = world.points(1)
    consent = world.consent(points, world.contract())
    browser = signed_in("customer", holder=NEIGHBOUR)
    assert browser.get(f"/consents/{consent.pk}").status_code == 404
    assert browser.post(f"/consents/{consent.pk}/withdrawal").status_code == 404
    assert browser.get(f"/meters/{points[0].handle}/data.csv").status_code == 404
    consent.refresh_from_db()
    assert consent.state == "granted"


def test_own_data_are_of_own_days_only(world: World) -> None:
    stays = (
        OccupancyIn(holder_reference=HOLDER, first=date(2026, 1, 1), until=date(2026, 3, 2)),
        OccupancyIn(holder_reference=NEIGHBOUR, first=date(2026, 3, 2), until=date(2026, 3, 4)),
        OccupancyIn(holder_reference=HOLDER, first=date(2026, 3, 4)),
    )
    [point] = world.points(1, occupancies=stays)
    world.readings([point], date(2026, 3, 1), date(2026, 3, 6))
    lines = signed_in("customer", holder=HOLDER).get(f"/meters/{point.handle}/data.csv").content.decode().splitlines()
    days = [line[:10] for line in lines[1:]]
    assert set(days) == {"2026-03-01", "2026-03-04", "2026-03-05", "2026-03-06"}
    assert lines[1] == "2026-03-01T01:00:00+01:00,900,import,100,17"
    assert days.count("2026-03-04") == 96


def test_what_is_kept_of_a_meter_is_shown_to_its_holder_without_other_holders_meters(world: World) -> None:
    stays = (
        OccupancyIn(holder_reference=NEIGHBOUR, first=date(2020, 1, 1), until=date(2025, 1, 1)),
        OccupancyIn(holder_reference=HOLDER, first=date(2025, 1, 1)),
    )
    hung = (
        MeterIn(number="OLD-1", first=date(2020, 1, 1), until=date(2024, 1, 1)),
        MeterIn(number="NEW-2", first=date(2024, 1, 1)),
    )
    [point] = world.points(1, occupancies=stays, meters=hung, address="Via Demo 1", postal_code="00184")
    mine = signed_in("customer", holder=HOLDER)
    kept = mine.get(f"/meters/{point.handle}/point.json").json()
    assert (kept["pod"], kept["address"], kept["stays"]) == (
        point.pod, "Via Demo 1", [{"from": "2025-01-01", "until": None}]
    )  # fmt: skip
    assert [one["number"] for one in kept["meters"]] == ["NEW-2"]
    assert "Via Demo 1, 00184" in text(mine.get("/consents"))
    assert signed_in("customer", holder="H-9").get(f"/meters/{point.handle}/point.json").status_code == 404
    staff = text(signed_in("staff").get(f"/points/{point.handle}"))
    assert all(one in staff for one in ("OLD-1", "NEW-2", "Via Demo 1", "00184"))


def test_withdrawing_again_changes_nothing(world: World) -> None:
    consent = world.consent(world.points(1), world.contract())
    ended = revoke(consent.pk, HOLDER).ended_at
    world.clock.now += timedelta(hours=1)
    assert revoke(consent.pk, HOLDER).ended_at == ended
