"""Localisation: every candidate with its reason, never a guess; and no trace of a question in database or logs."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from pydantic import ValidationError

from meterhall.domain.identifiers import access_number
from meterhall.domain.pods import demonstration_pod
from meterhall.domain.protocol.localisation import LocalisationItem, LocalisationReply, LocalisationRequest
from meterhall.domain.protocol.offers import CoverageArea
from meterhall.marketplace.apps import APPS
from meterhall.marketplace.ledger.models import KeptStatement
from tests.platform.market.conftest import Actor, Make, refusal

pytestmark = pytest.mark.django_db

POD = demonstration_pod("IT", 12345678).value
SQUARE = "[[9,45],[10,45],[10,46],[9,46],[9,45]]"


def ask(actor: Actor, *items: dict[str, Any]) -> LocalisationReply:
    request = LocalisationRequest(items=tuple(LocalisationItem(**item) for item in items))
    return actor.client.call("POST", "/v1/localisations", request, LocalisationReply)


def test_a_pod_an_operator_part_and_a_place_lead_to_the_provider(provider: Actor, requester: Actor) -> None:
    offer = provider.published(
        coverage=(
            CoverageArea(kind="operator_code", country="IT", value="999"),
            CoverageArea(kind="postcode", country="IT", value="20100"),
            CoverageArea(kind="municipality", country="IT", value="Forlì", name="Rete di Forlì"),
            CoverageArea(kind="polygon", country="IT", value=SQUARE),
        )
    )
    reply = ask(
        requester,
        {"ref": "a", "pod": POD},
        {"ref": "b", "scheme": "IT", "operator_part": "999"},
        {"ref": "c", "country": "IT", "postcode": "20100"},
        {"ref": "d", "country": "IT", "municipality": "FORLI"},
        {"ref": "e", "country": "IT", "longitude": 9.5, "latitude": 45.5},
    )
    assert (reply.resolved, reply.unresolved) == (5, 0)
    assert [answer.ref for answer in reply.answers] == ["a", "b", "c", "d", "e"]
    for answer in reply.answers:
        [one] = answer.candidates
        assert (one.provider, one.reason, one.confidence) == (provider.number, "coverage", "declared")
        assert one.offers == (offer.offer_id,)
    assert [answer.candidates[0].operator for answer in reply.answers][2:4] == ["Rete Demo", "Rete di Forlì"]


def test_an_operator_that_is_not_enrolled_is_named_without_a_provider(requester: Actor) -> None:
    [answer] = ask(requester, {"scheme": "IT", "operator_part": "001"}).answers
    [one] = answer.candidates
    assert (one.provider, one.reason, one.offers) == (None, "table", ())
    assert one.operator


def test_two_claims_are_a_conflict_and_none_is_chosen(provider: Actor, make: Make, requester: Actor) -> None:
    other = make(roles=("provider",), activity="dso", name="Altra Rete").member().certified()
    provider.published()
    other.published()
    [answer] = ask(requester, {"pod": POD}).answers
    assert {one.provider for one in answer.candidates} == {provider.number, other.number}
    assert {one.reason for one in answer.candidates} == {"conflict"}


def test_an_item_that_cannot_be_resolved_says_why_and_does_not_hold_up_the_others(requester: Actor) -> None:
    for half in ({"longitude": 9.5}, {"latitude": 45.5}, {"postcode": "20100", "longitude": 9.5}):
        with pytest.raises(ValidationError, match="a position is"):
            LocalisationItem.model_validate({"country": "IT"} | half)
    reply = ask(requester, {"pod": "IT001E1234567"}, {"country": "IT", "postcode": "99999"}, {"scheme": "XX"})
    assert [(answer.code, answer.level) for answer in reply.answers] == [
        ("pod_bad_length", "none"), ("no_coverage", "none"), ("pod_unknown_scheme", "none"),
    ]  # fmt: skip
    assert all(answer.detail for answer in reply.answers)
    assert (reply.resolved, reply.unresolved) == (0, 3)


def test_coverage_counts_only_while_it_is_on_offer(provider: Actor, requester: Actor) -> None:
    drafted = provider.offer()
    assert ask(requester, {"pod": POD}).resolved == 0
    provider.publish(drafted.offer_id)
    assert ask(requester, {"pod": POD}).resolved == 1
    provider.client.call("POST", f"/v1/offers/{drafted.offer_id}/withdrawal")
    assert ask(requester, {"pod": POD}).resolved == 0


def test_an_applicant_may_not_ask(make: Make) -> None:
    assert refusal(ask, make().enrol(), {"pod": POD})[:2] == (403, "scope_missing")


def _everything_stored() -> str:
    texts: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            texts += [str(row) for row in cursor.fetchall()]
    return "\n".join(texts)


def test_a_question_leaves_no_trace_but_its_counts(
    provider: Actor, requester: Actor, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.published()
    serial = POD.removeprefix("IT999E")
    ask(requester, {"pod": POD}, {"pod": f"IT001E{serial}"}, {"pod": f"IT001E{serial}9999"})
    too_long = [{"pod": POD + serial * 20}]
    answer = requester.http.post(
        "https://localhost:8443/v1/localisations", json={"items": too_long}, auth=requester.client._auth
    )
    assert (answer.status_code, answer.json()["field"]) == (422, "/items/0/pod")
    assert serial not in answer.text
    out, err = capfd.readouterr()
    for place in (_everything_stored(), caplog.text, out, err):
        assert serial not in place
    stated = KeptStatement.objects.get(type="localisation.answered")
    assert stated.document["counts"] == {"items": 3, "resolved": 2, "unresolved": 1}
    assert (stated.first_party, stated.second_party) == (requester.number, access_number(0))


def test_no_table_of_the_market_place_has_a_column_for_pods_or_readings() -> None:
    suspicious = ("pod", "reading", "consent", "energy", "kwh")
    for config in apps.get_app_configs():
        if config.name not in APPS:
            continue
        for model in config.get_models():
            names = [field.name for field in model._meta.get_fields() if isinstance(field, models.Field)]
            assert not [name for name in names if any(word in name.lower() for word in suspicious)], model
