"""The pages: every one opens for its readers, the journeys lead to where they should, and roles hold."""

from __future__ import annotations

import ast
import csv
import html
import json
import re
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.test import Client
from django.urls import reverse
from typer.main import get_command

from meterhall.cli import app
from meterhall.domain.pods.sandbox import demonstration_pod
from meterhall.domain.protocol.agreements import SIGNED_BY, ContractSignature, SubscriptionView
from meterhall.domain.protocol.consents import GrantedDetail
from meterhall.domain.protocol.keys import verify
from meterhall.requester.activations.consents import ConsentRequestIn, Need, create_consent_request, link_of
from meterhall.requester.activations.models import Activation, ConsentRequest
from meterhall.requester.collection.models import DataAsked
from meterhall.requester.customers.models import CustomerPoint
from meterhall.requester.partners.models import Subscription
from meterhall.web.accounts.models import Person
from meterhall.web.membership.models import Standing
from meterhall.web.platform import Platform

from .conftest import (
    CONSENT,
    FIRST,
    GRID,
    GRID_URL,
    GROUP,
    HALL_URL,
    PODS,
    PSEUDONYMS,
    UNTIL,
    Enter,
    GridDouble,
    curve,
    ready,
    work,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def collected(activation: Activation, grid: GridDouble, delivery_id: str) -> str:
    CustomerPoint.objects.create(reference="A-1", pod=PODS[0], provider=GRID, state="localised")
    ConsentRequest.objects.create(
        token="t", subscription=activation.subscription, reference="A-1", details=[], oauth_state="s", verifier=b"",
        created_at=datetime.now(UTC),
    )  # fmt: skip
    grid.publish({1: [curve(gaps=(4,))]}, delivery_id)
    ready(delivery_id)
    return delivery_id


def test_every_page_opens_for_an_auditor(enter: Enter, collected: str, activation: Activation) -> None:
    auditor = enter("auditor")
    days = f"from={FIRST}&to={UNTIL}"
    pages = [
        "/", "/membership", "/contracts", f"/contracts/{activation.subscription_id}", "/customers",
        "/customers?state=localised", "/activations", f"/activations/{activation.pk}", "/consents", "/deliveries",
        f"/deliveries/{collected}", f"/activations/{activation.pk}/gaps", "/lateness", "/curves",
        f"/curves/{PSEUDONYMS[0]}?{days}",
        f"/curves/{PSEUDONYMS[0]}?{days}&granularity=P1D", "/customers/1/curve", "/deliveries?export=csv",
    ]  # fmt: skip
    for page in pages:
        page = page.replace("/customers/1/", f"/customers/{CustomerPoint.objects.get().pk}/")
        answer = auditor.get(page)
        assert answer.status_code == 200, page


def test_pages_are_for_people_with_a_role(enter: Enter, collected: str) -> None:
    assert Client().get("/deliveries")["Location"].startswith("/account/")
    assert enter("customer").get("/deliveries").status_code == 403
    assert enter("auditor").post("/customers/localisation").status_code == 403


def test_the_curve_page_shows_the_curve(enter: Enter, collected: str) -> None:
    page = enter("staff").get(f"/curves/{PSEUDONYMS[0]}?from={FIRST}&to={UNTIL}").content.decode()
    assert page.count("<svg") > 2
    assert "A-1" in page
    table = enter("auditor").get(f"/curves/{PSEUDONYMS[0]}?from={FIRST}&to={UNTIL}&export=csv")
    lines = table.content.decode().splitlines()
    assert len(lines) == 285


def test_the_hours_and_the_days_of_a_curve_are_seen_and_had_as_files(enter: Enter, collected: str) -> None:
    staff, address = enter("staff"), f"/curves/{PSEUDONYMS[0]}?from={FIRST}&to={UNTIL}"
    page = staff.get(address).content.decode()
    assert "Hours of the days" in page
    for name in ("hours", "completeness"):
        assert f"export={name}" in page

    def rows(name: str) -> list[list[str]]:
        return list(csv.reader(staff.get(f"{address}&export={name}").content.decode().splitlines()))

    head, *hours = rows("hours")
    assert head == ["Day", "Hour", "Mean, W"]
    assert len(hours) == 71, "three days, one of them without an hour"
    assert [row[2] for row in hours].count("") == 1, "the hour with the gap"
    head, *days = rows("completeness")
    assert head == ["Day", "Values there", "Values expected"]
    assert [row[1:] for row in days] == [["95", "96"], ["92", "92"], ["96", "96"]]
    coarse = staff.get(f"{address}&granularity=P1D").content.decode()
    assert "Hours of the days" not in coarse


def test_customers_are_pasted_localised_and_fixed(enter: Enter, grid: GridDouble) -> None:
    staff = enter("staff")
    pod = demonstration_pod("IT", 1).value
    reply = {
        "index": 0, "level": "operator",
        "candidates": [{"provider": GRID, "operator": "Grid", "country": "IT", "reason": "coverage",
                        "confidence": "declared"}],
    }  # fmt: skip
    grid.hall["/v1/localisations"] = {"answers": [reply], "resolved": 1, "unresolved": 0}
    answer = staff.post("/customers/new", {"lines": f"reference;pod\nA-1;{pod}\nA-2;IT999E000x"})
    assert answer["Location"] == "/customers"
    assert list(CustomerPoint.objects.values_list("reference", "state")) == [("A-1", "localised"), ("A-2", "invalid")]
    sent = grid.paths("/localisations")[0].content.decode()
    assert pod not in sent
    wrong = CustomerPoint.objects.get(reference="A-2")
    staff.post(f"/customers/{wrong.pk}", {"pod": demonstration_pod("IT", 2).value, "country": ""})
    wrong.refresh_from_db()
    assert wrong.state == "localised"


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ("pod,country\nIT999E00000001,IT", ("IT999E00000001", "IT999E00000001", "IT")),
        ("Country;POD;Reference\nit;IT999E00000001;A-1", ("A-1", "IT999E00000001", "IT")),
        ("pod\nIT999E00000001", ("IT999E00000001", "IT999E00000001", "IT")),
        ("A-1;IT999E00000001", ("A-1", "IT999E00000001", "IT")),
    ],
)
def test_columns_are_found_by_their_heading(enter: Enter, grid: GridDouble, lines: str, kept: tuple[str, ...]) -> None:
    grid.hall["/v1/localisations"] = {"answers": [], "resolved": 0, "unresolved": 0}
    enter("staff").post("/customers/new", {"lines": lines})
    row = CustomerPoint.objects.get()
    assert (row.reference, row.pod, row.country) == kept


@pytest.mark.parametrize("lines", ["", "A-1", ";IT999E00000001", "A-1;IT999E00000001;Italy"])
def test_a_bad_list_is_kept_on_the_page_with_its_fault(enter: Enter, lines: str) -> None:
    answer = enter("staff").post("/customers/new", {"lines": lines})
    assert answer.status_code == 200
    assert b"error-summary" in answer.content
    assert not CustomerPoint.objects.exists()


def test_the_offer_is_subscribed_to(enter: Enter, subscription: Subscription, grid: GridDouble) -> None:
    view = SubscriptionView.model_validate(subscription.document)
    contract = view.contract
    offer = {
        "offer_id": contract.offer_id, "version": 1, "status": "published", "provider": GRID, "provider_name": "Grid",
        "offer": contract.offer.document(), "digest": contract.offer.fingerprint(),
    }  # fmt: skip
    grid.hall["/v1/offers"] = {"items": [offer]}
    grid.hall["/v1/subscriptions"] = view.document() | {"state": "drafted"}
    staff = enter("staff")
    assert b"History" in staff.get("/offers?country=IT").content
    answer = staff.post(f"/offers/{contract.offer_id}", {"push": "on"})
    assert answer["Location"] == f"/contracts/{subscription.subscription_id}"
    asked = json.loads(grid.paths("/subscriptions")[0].content)
    assert asked["repository"]["url"] == "https://localhost:8443/repository"
    assert staff.get(f"/offers/off_{'f' * 24}").status_code == 404


def test_a_contract_is_signed_by_a_signer_with_a_fresh_factor(
    eso: Platform, enter: Enter, subscription: Subscription, grid: GridDouble
) -> None:
    view = SubscriptionView.model_validate(subscription.document)
    drafted = view.document() | {"state": "drafted"}
    Subscription.objects.update(state="drafted", document=drafted)
    path = f"/contracts/{subscription.subscription_id}/sign"
    grid.hall[f"/v1/subscriptions/{subscription.subscription_id}/signatures"] = drafted | {"state": "requester_signed"}
    assert enter("staff").get(path).status_code == 403
    assert enter("signer", ago=timedelta(minutes=6)).post(path).status_code == 302
    assert grid.paths("/signatures") == []
    Person.objects.all().delete()
    signer = enter("signer")
    assert view.digest.encode() in signer.get(path).content
    signer.post(path)
    jws = json.loads(grid.paths("/signatures")[0].content)["jws"]
    signed = verify(jws, [eso.contract_key.public], typ="meterhall-signature+jws", members=SIGNED_BY)
    assert ContractSignature.model_validate(signed.document).digest == view.digest
    assert signed.header["signer"] == "Ada"
    subscription.refresh_from_db()
    assert subscription.state == "requester_signed"


def test_the_general_contract_is_read_and_signed(enter: Enter, grid: GridDouble, eso: Platform) -> None:
    article = {"number": 1, "heading": "Parties <b>", "text": "All are *equal*."}
    contract = {"version": 1, "environment": "regulated", "marketplace": "Hall", "articles": [article]}
    grid.hall["/v1/general-contract"] = contract
    grid.hall["/v1/general-contract/signatures"] = {"countersignature": "a.b.c"}
    Standing.objects.create(enrolment={}, idempotency_key="k")
    grid.refusals["/players/me"] = (503, "unavailable")
    signer = enter("signer")
    page = signer.get("/membership/general-contract").content.decode()
    assert "Parties &lt;b&gt;" in page
    answer = signer.post("/membership/general-contract")
    assert answer.status_code in {302, 502, 503}
    held = Standing.objects.get().signature
    assert held["countersignature"] == "a.b.c"


def test_customers_are_activated_under_a_contract(enter: Enter, subscription: Subscription, grid: GridDouble) -> None:
    point = CustomerPoint.objects.create(reference="A-1", pod=PODS[0], provider=GRID, state="localised")
    ConsentRequest.objects.create(
        token="t", subscription=subscription, reference="A-1", details=[], oauth_state="s", verifier=b"",
        state="granted", consent_id=CONSENT, created_at=datetime.now(UTC),
    )  # fmt: skip
    staff = enter("staff")
    form = {
        "granularity": "PT15M", "directions": ["import"], "first": str(FIRST), "until": str(UNTIL),
        "points": [str(point.pk)], "every": "P1M", "format": "csv", "compression": "gzip",
    }  # fmt: skip
    path = f"/contracts/{subscription.subscription_id}/activation"
    assert b"A-1" in staff.get(path).content
    for language in ("de", "es", "fr", "it"):
        for page in (path, path.replace("activation", "consent")):
            shown = staff.get(page, headers={"Accept-Language": language}).content.decode()
            days = re.findall(r'<input type="date"[^>]* value="([^"]*)"', shown)
            assert days, page
            assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for day in days), (language, page)
    refused = staff.post(path, form | {"until": str(FIRST)})
    assert b"error-summary" in refused.content
    assert staff.post(path, form)["Location"] == f"/activations/{Activation.objects.get().pk}"
    work()
    sent = json.loads(grid.paths("/activations")[0].content)
    assert sent["items"] == [{"pod": PODS[0], "proof": f"consent:{CONSENT}"}]
    assert {"every": "P1M", "format": "csv", "compression": "gzip"}.items() <= sent["schedule"].items()
    shown = staff.get(f"/activations/{Activation.objects.get().pk}").content.decode()
    assert "every month, the month before, CSV, gzip; the days asked for are over" in shown
    Activation.objects.update(
        scope=Activation.objects.get().scope | {"period": {"from": str(FIRST), "until": "2999-01-01"}}
    )
    shown = staff.get(f"/activations/{Activation.objects.get().pk}").content.decode()
    assert "every month, the month before, CSV" in shown
    assert "are over" not in shown


def test_a_group_of_the_providers_points_is_asked_for_and_shown(
    enter: Enter, activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    sub = activation.subscription
    assert (
        "Grid area of the provider" not in enter("operator").get(f"/activations/{activation.pk}/data").content.decode()
    )
    sub.document["contract"]["offer"]["scope"]["kind"] = "aggregate"
    sub.document["contract"]["offer"]["minimum_group"] = 10
    sub.save()
    staff = enter("staff")
    form = {
        "granularity": "PT1H", "directions": ["import"], "first": str(FIRST), "until": str(UNTIL), "format": "csv",
        "transmission": "pull", "area": "10YIT", "usage_class": "household", "measures": ["mean", "p50"],
    }  # fmt: skip
    path = f"/activations/{activation.pk}/data"
    refused = staff.post(path, form | {"postal_code": "00184"}).content.decode()
    assert "A group is of a grid area" in refused
    assert staff.post(path, form).status_code == 302
    work()
    sent = json.loads(grid.paths("/data-requests")[0].content)
    assert (sent["group"], sent["over"], sent["measures"]) == (
        True, {"area": "10YIT", "usage_class": "household"}, ["mean", "p50"]
    )  # fmt: skip
    told = {
        "over": sent["over"],
        "curves": [{"measure": "p50", "pseudonym": GROUP}],
        "months": [{"month": "2025-03-01", "direction": "import", "pods": 30, "values": 3400, "expected": 3408,
                    "withheld": 3}],
    }  # fmt: skip
    grid.publish({1: [curve(GROUP, 50_000)]}, delivery_id, group_size=30, group=told)
    ready(delivery_id)
    page = staff.get(f"/deliveries/{delivery_id}").content.decode()
    assert all(text in page for text in ("10YIT · household", "99.8 %", "median"))
    assert "median · 10YIT · household · 30" in staff.get("/curves").content.decode()


def test_a_forecast_is_shown_apart_with_its_error(
    enter: Enter, activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    staff, days = enter("staff"), {"from": str(FIRST), "until": str(UNTIL)}
    made = {"direction": "import", "method": "gradient_boosting", "known_until": str(FIRST), "tested": days,
            "tested_days": 14, "naive_error_wh": "200", "pseudonym": PSEUDONYMS[0], "error_wh": "150"}  # fmt: skip
    absent = {"pseudonym": PSEUDONYMS[1], "direction": "import", "code": "history_too_short"}
    forecast = {"known_at": "2025-03-01T08:00:00Z", "absent": [absent]}
    grid.publish({1: [curve()]}, delivery_id, forecast=forecast, forecasts=[made])
    ready(delivery_id)
    page = staff.get(f"/deliveries/{delivery_id}").content.decode()
    assert "75 %" in page
    assert f"/curves/{PSEUDONYMS[0]}?forecast=1" in page
    shown = staff.get(f"/curves/{PSEUDONYMS[0]}?forecast=1&from={FIRST}&to={UNTIL}")
    assert (shown.status_code, "· forecast" in shown.content.decode()) == (200, True)
    assert staff.get(f"/curves/{PSEUDONYMS[0]}").status_code == 404, "there are no readings of it"


def test_data_is_requested_and_a_point_taken_out(enter: Enter, activation: Activation, grid: GridDouble) -> None:
    staff = enter("staff")
    form = {
        "granularity": "PT1H", "directions": ["import"], "first": str(FIRST), "until": str(UNTIL), "format": "csv",
        "transmission": "pull", "group": "on", "compression": "zstd",
    }  # fmt: skip
    path = f"/activations/{activation.pk}/data"
    assert str(FIRST).encode() in staff.get(path).content
    grid.refusals["/data-requests"] = (422, "group_too_small")
    staff.post(path, form)
    work()
    assert json.loads(grid.paths("/data-requests")[0].content)["compression"] == "zstd"
    assert DataAsked.objects.get().code == "group_too_small"
    assert b"It is group_too_small." in staff.get("/deliveries").content
    staff.post(f"/activations/{activation.pk}/removal", {"pod": PODS[0]})
    work()
    assert json.loads(grid.paths("/items")[0].content)["remove"] == [PODS[0]]


def asked(subscription: Subscription) -> ConsentRequest:
    scope = SubscriptionView.model_validate(subscription.document).contract.offer.scope
    need = Need(need="data", scope=scope, purpose="Energy advice", access_until=datetime(2029, 1, 1, tzinfo=UTC))
    return create_consent_request(
        ConsentRequestIn(subscription_id=subscription.subscription_id, reference="A-1", needs=(need,))
    )


def started(subscription: Subscription) -> tuple[Client, str]:
    """A customer's browser that was sent to the provider, and the state it carries."""
    customer = Client()
    link = urlsplit(link_of(asked(subscription))).path
    page = customer.get(link)
    assert b"Energy advice" in page.content
    assert "form-action 'self' https://people.grid.example;" in page["Content-Security-Policy"]
    sent_to = urlsplit(customer.post(link)["Location"])
    assert (sent_to.netloc, sent_to.path) == ("people.grid.example", "/may-they")
    assert parse_qs(sent_to.query)["request_uri"] == ["urn:request:1"]
    return customer, ConsentRequest.objects.get().oauth_state


def test_a_customer_consents_at_the_provider(subscription: Subscription, grid: GridDouble) -> None:
    customer, state = started(subscription)
    pushed = json.loads(grid.forms[0]["authorization_details"])[0]
    granted = GrantedDetail.model_validate(pushed | {"points": ["p1"]}).document()
    body = {"access_token": "t", "token_type": "DPoP", "grant_id": CONSENT, "authorization_details": [granted]}
    grid.grant = httpx.Response(200, json=body)
    page = customer.get("/consents/callback", {"state": state, "iss": GRID_URL, "code": "c1"})
    assert b"How to stop this" in page.content
    request = ConsentRequest.objects.get()
    assert (request.state, request.consent_id, bytes(request.verifier)) == ("granted", CONSENT, b"")
    assert grid.forms[1]["code"] == "c1"
    assert len(grid.forms[1]["code_verifier"]) >= 43
    assert customer.get("/consents/callback", {"state": state, "iss": GRID_URL, "code": "c1"}).status_code == 403


@pytest.mark.parametrize("page", ["-", "http://people.grid.example/may-they", "https:///may-they", "/may-they"])
def test_a_provider_without_a_page_of_its_own_is_said_so(
    subscription: Subscription, grid: GridDouble, page: str
) -> None:
    grid.consent_page = page
    answer = Client().get(urlsplit(link_of(asked(subscription))).path)
    assert answer.status_code == 502
    assert ConsentRequest.objects.get().state == "open"


def test_a_customer_says_no(subscription: Subscription, grid: GridDouble) -> None:
    customer, state = started(subscription)
    page = customer.get("/consents/callback", {"state": state, "iss": GRID_URL, "error": "access_denied"})
    assert b"You said no" in page.content
    assert ConsentRequest.objects.get().state == "denied"
    assert b"answered already" in customer.get(urlsplit(link_of(ConsentRequest.objects.get())).path).content


def test_an_answer_from_elsewhere_or_to_another_browser_is_refused(
    subscription: Subscription, grid: GridDouble
) -> None:
    customer, state = started(subscription)
    for told in ({"code": "c1"}, {"error": "access_denied"}):
        wrong = customer.get("/consents/callback", {"state": state, "iss": "https://evil.example", **told})
        assert wrong.status_code == 403
    assert Client().get("/consents/callback", {"state": state, "iss": GRID_URL, "code": "c1"}).status_code == 403
    assert len(grid.forms) == 1
    assert ConsentRequest.objects.get().state == "started"


def test_a_refused_code_is_said_plainly(subscription: Subscription, grid: GridDouble) -> None:
    customer, state = started(subscription)
    page = customer.get("/consents/callback", {"state": state, "iss": GRID_URL, "code": "c1"})
    assert b"invalid_grant" in page.content
    assert ConsentRequest.objects.get().state == "denied"


def test_the_staff_makes_the_link(enter: Enter, subscription: Subscription) -> None:
    form = {
        "granularity": "PT15M", "directions": ["import"], "first": str(FIRST), "until": str(UNTIL), "reference": "A-7",
        "purpose": "Advice", "access_until": "2029-01-01",
    }  # fmt: skip
    staff = enter("staff")
    answer = staff.post(reverse("activations:ask_consent", args=[subscription.subscription_id]), form)
    assert answer["Location"] == "/consents"
    assert link_of(ConsentRequest.objects.get()).encode() in staff.get("/consents").content


def test_a_wish_is_registered_looked_at_and_closed(enter: Enter, subscription: Subscription, grid: GridDouble) -> None:
    offer_id, wish_id = f"off_{'1' * 24}", f"wsh_{'2' * 24}"
    asked = {
        "text": "Quarter hours", "countries": ["IT", "FR"], "customers": "40", "kind": "individual",
        "granularity": "PT15M", "directions": ["import"], "formats": ["csv"], "highest": "0.05",
    }  # fmt: skip
    misfit = {
        "offer_id": offer_id,
        "version": 1,
        "fits": False,
        "reasons": ["price: It costs 0.08 EUR by pod and month."],
    }
    staff = enter("staff")
    assert "countries" in staff.post("/wishes", asked | {"countries": []}).content.decode()
    assert not grid.seen

    wanted = {
        "text": "Quarter hours", "countries": ["FR", "IT"], "customers": 40, "formats": ["csv"],
        "scope": {"directions": ["import"], "granularities": ["PT15M"]},
        "highest_price": {"amount": "0.05", "per": "pod_month"},
    }  # fmt: skip
    kept = {"wish_id": wish_id, "wish": wanted, "status": "open", "matches": [misfit]}
    grid.hall["/v1/wishes"] = kept
    made = staff.post("/wishes", asked)
    assert made.headers["Location"] == f"/wishes/{wish_id}"
    sent = json.loads(grid.seen[-1].content)
    assert (sent["countries"], sent["customers"], sent["highest_price"]["amount"]) == (["IT", "FR"], 40, "0.05")
    page = staff.get(f"/wishes/{wish_id}").content.decode()
    assert "It costs 0.08 EUR by pod and month." in page
    assert offer_id in page
    assert wish_id in staff.get("/wishes").content.decode()
    assert enter("auditor").post(f"/wishes/{wish_id}/closing").status_code == 403
    grid.hall[f"/v1/wishes/{wish_id}"] = kept | {"status": "closed"}
    assert staff.post(f"/wishes/{wish_id}/closing").status_code == 302
    assert grid.seen[-1].method == "DELETE"
    assert "Close…" not in staff.get(f"/wishes/{wish_id}").content.decode()
    assert staff.get("/wishes/wsh_nothing").status_code == 404


def reads(words: list[str]) -> None:
    """Raises where `meterhall` would not understand the words."""
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, words)


def test_each_step_shows_the_same_for_an_engineer_in_words_that_can_be_run(
    enter: Enter, activation: Activation, grid: GridDouble
) -> None:
    view = SubscriptionView.model_validate(activation.subscription.document)
    offer = {
        "offer_id": view.contract.offer_id, "version": 1, "digest": "sha-256:" + "0" * 64, "status": "published",
        "provider": GRID, "provider_name": "Rete", "offer": view.contract.offer.document(),
    }  # fmt: skip
    grid.hall["/v1/offers"] = {"items": [offer]}
    CustomerPoint.objects.create(reference="A-1", pod=PODS[0], provider=GRID, state="localised")
    staff = enter("staff")
    for page, said in (
        ("/offers?country=IT&granularity=PT1H", 'hall.search(country="IT", granularity="PT1H")'),
        ("/customers", 'hall.localise("customers.csv")'),
        (f"/offers/{view.contract.offer_id}", f'hall.subscribe("{view.contract.offer_id}", signer=signer)'),
        (f"/contracts/{view.subscription_id}/activation", f'hall.subscription("{view.subscription_id}").activate('),
        (f"/activations/{activation.pk}/data", f'hall.activation("{activation.remote_id}")'),
    ):
        shown = staff.get(page).content.decode()
        samples = [html.unescape(code) for code in re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", shown, re.DOTALL)]
        python, command, curl = samples
        ast.parse(python)
        assert said in python
        reads(shlex.split(command)[1:])
        assert subprocess.run(["bash", "-n", "-c", curl], check=False).returncode == 0
        assert curl.startswith("curl ")
        assert (HALL_URL if "/v1/activations" not in curl and "/v1/data-requests" not in curl else GRID_URL) in curl
