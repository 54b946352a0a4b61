"""A stranger activates PODs: every kind of proof and what is answered to it, and the customer's own page (PAR, RAR)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from meterhall.demo.cards import CardAuthority
from tests.e2e.strangers.jose import sha256
from tests.e2e.strangers.requester import PERIOD, REDIRECT, Requester, scope, verifier
from tests.e2e.town import MOVED, MOVED_IN, PODS, UNTIL, Streets, cups, holder, pod, wait_for

ASKED, REFUSING = 9, 10
NO_CONSENT = "consent:con_" + 24 * "0"


def test_every_pod_is_answered(streets: Streets, stranger: Requester, activation: str):
    answers = stranger.grid.all(f"/v1/activations/{activation}/answers", limit=25)
    assert [one["pod"] for one in answers] == [pod(number) for number in range(PODS)]
    assert {one["state"] for one in answers} == {"accepted"}
    assert len({one["pseudonym"] for one in answers}) == PODS
    assert {one["assurance"] for one in answers} == {"customer_signed"}
    for number, one in enumerate(answers):
        expected = {"from": str(MOVED_IN), "until": str(UNTIL)} if number == MOVED else PERIOD
        assert one["readings"] == expected, number
    counts = stranger.provider_news.wait("activation.answered", activation)["data"]
    assert (counts["accepted"], counts["refused"], counts["pending"]) == (PODS, 0, 0)


def test_each_refusal_has_its_code(streets: Streets, stranger: Requester, subscription: str):
    unknown = cups(99_999)
    items = [
        {"pod": pod(1)[:-2] + "ZZ", "proof": "ask_customer"},
        {"pod": unknown, "proof": "ask_customer"},
        {"pod": pod(2), "proof": NO_CONSENT},
        {"pod": pod(3), "proof": "evidence:" + sha256(b"never brought")},
        stranger.evidence(4),
        {"pod": pod(4), "proof": "ask_customer"},
        {"pod": pod(5), "proof": stranger.evidence(6)["proof"]},
        stranger.evidence(8, scope=scope("P1D")),
    ]
    answers = stranger.answers(stranger.activate(subscription, items))
    codes = [one.get("code") for one in answers]
    assert codes == [
        "pod_invalid", "pod_unknown", "consent_missing", "evidence_unknown", None, "pod_duplicate", "consent_missing",
        "consent_scope",
    ], codes  # fmt: skip
    assert all(one["detail"] for one in answers if one["state"] == "refused")


def test_evidence_is_believed_only_from_the_holders_own_card(streets: Streets, stranger: Requester, subscription: str):
    def judged(jws: str, assurance: str = "customer_signed") -> str | None:
        answer = stranger.grid.ask("POST", "/v1/evidence", {"assurance": assurance, "jws": jws})
        assert answer["accepted"] is (answer.get("code") is None)
        return answer.get("code")

    foreign = stranger.card(CardAuthority.create(), 1)
    problem = stranger.grid.refused(
        422, "bad_evidence", "POST", "/v1/evidence", {"assurance": "customer_signed", "jws": foreign}
    )
    assert problem["field"] == "/jws"
    assert judged(stranger.card(streets.cards, 1, holder_reference=holder(2))) == "evidence_holder"
    assert judged(stranger.card(streets.cards, 1, pod=cups(99_999))) == "pod_unknown"
    assert judged(stranger.card(streets.cards, 1, requester="MH0000000109")) == "consent_missing"
    ended = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    given = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    assert judged(stranger.card(streets.cards, 1, given_at=given, access_until=ended)) == "consent_expired"
    stated = stranger.transport.sign({"pod": pod(1)}, "meterhall-consent+jws")
    assert judged(stated, "requester_stated") == "evidence_assurance"


@pytest.fixture(scope="module")
def asker(streets: Streets) -> tuple[Requester, str]:
    """A requester to whom nobody has consented yet, and its contract."""
    made = Requester(streets, "Pregunta Amable", 304)
    made.enter(streets.admit)
    return made, made.contract_with_grid()


def test_the_customer_is_asked_on_the_operators_page(streets: Streets, asker: tuple[Requester, str]):
    stranger, subscription = asker
    made = stranger.activate(subscription, [{"pod": pod(ASKED), "proof": "ask_customer"}])
    [waiting] = stranger.answers(made)
    assert waiting["state"] == "pending"
    assert waiting["state"] == "pending"
    secret, state = verifier(), "state-4711"
    pushed = stranger.push_request(subscription, secret, state, ["advice", "heat_pump"])
    assert pushed.status_code == 201, pushed.text
    metadata = stranger.http.get(stranger.grid.base + "/.well-known/oauth-authorization-server").json()
    customer = streets.customer(ASKED)
    request_uri = pushed.json()["request_uri"]
    address = f"{metadata['authorization_endpoint']}?client_id={stranger.number}&request_uri={request_uri}"
    question = customer.get(address)
    assert stranger.name in question.text
    back = customer.submit(question, "consent", {"decision": "allow", "need": ["advice"]})
    assert back.status == 303, back.text
    target = urlsplit(str(back.response.headers["Location"]))
    assert f"{target.scheme}://{target.netloc}{target.path}" == REDIRECT
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    assert (query["state"], query["iss"]) == (state, stranger.grid.base)
    wrong = stranger.redeem(query["code"], verifier())
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    answer = stranger.redeem(query["code"], secret)
    assert answer.is_success, answer.text
    grant = answer.json()
    assert [detail["need"] for detail in grant["authorization_details"]] == ["advice"]
    assert stranger.redeem(query["code"], secret).json()["error"] == "invalid_grant"
    consent = stranger.grid.ask("GET", f"/v1/consents/{grant['grant_id']}")
    assert (consent["state"], consent["assurance"]) == ("granted", "customer_confirmed")
    stranger.provider_news.wait("consent.granted", grant["grant_id"])
    [accepted] = wait_for("the answer", lambda: _accepted(stranger, made))
    assert (accepted["consent_id"], accepted["assurance"]) == (grant["grant_id"], "customer_confirmed")


def _accepted(stranger: Requester, activation: str) -> list[dict[str, str]] | None:
    answers = stranger.grid.all(f"/v1/activations/{activation}/answers")
    return answers if all(one["state"] == "accepted" for one in answers) else None


def test_a_customer_may_refuse(streets: Streets, asker: tuple[Requester, str]):
    stranger, subscription = asker
    made = stranger.activate(subscription, [{"pod": pod(REFUSING), "proof": "ask_customer"}])
    stranger.answers(made)
    pushed = stranger.push_request(subscription, verifier(), "no")
    address = f"/oauth/authorize?client_id={stranger.number}&request_uri={pushed.json()['request_uri']}"
    customer = streets.customer(REFUSING)
    back = customer.submit(customer.get(address), "consent", {"decision": "refuse"})
    query = parse_qs(urlsplit(str(back.response.headers["Location"])).query)
    assert (query["error"], query["state"]) == (["access_denied"], ["no"])
    [answer] = stranger.grid.all(f"/v1/activations/{made}/answers")
    assert (answer["state"], answer["code"]) == ("refused", "consent_denied")


def test_a_pushed_request_says_what_is_wrong_with_it(stranger: Requester, subscription: str):
    foreign = stranger.push_request("sub_" + 24 * "0", verifier(), "x")
    assert foreign.status_code in {201, 400}
    short = stranger.grid.oauth("/oauth/par", {"response_type": "code", "redirect_uri": "https://elsewhere.invalid"})
    assert short.status_code == 400
    assert short.json()["code"]
    assert short.json()["detail"]


def test_a_consent_is_terminated_by_its_requester(stranger: Requester, subscription: str):
    number = 11
    made = stranger.activate(subscription, [stranger.evidence(number)])
    [answer] = stranger.answers(made)
    path = f"/v1/consents/{answer['consent_id']}"
    ended = stranger.grid.ask("POST", path + "/termination", {"reason": "fulfilled"})
    assert ended["state"] == "terminated"
    assert ended["ended_at"]
    assert stranger.grid.ask("POST", path + "/termination", {"reason": "fulfilled"})["ended_at"] == ended["ended_at"]
    body = {"activation_id": made, "period": PERIOD, "granularity": "P1D", "format": "csv"}
    stranger.grid.refused(409, "nothing_accepted", "POST", "/v1/data-requests", body)
    stranger.grid.refused(404, "unknown_consent", "GET", "/v1/consents/con_" + 24 * "0")


def test_an_activation_is_refreshed_and_ended(stranger: Requester, subscription: str):
    made = stranger.activate(subscription, [stranger.evidence(12)])
    stranger.answers(made)
    change = {"add": [stranger.evidence(13)], "remove": [pod(12)]}
    taken = stranger.grid.ask("POST", f"/v1/activations/{made}/items", change)
    stranger.acknowledged(taken, "activation.refreshed.acknowledged")
    stranger.provider_news.wait("activation.answered", made, accepted=1)

    def look() -> list[str] | None:
        states = [one["state"] for one in stranger.grid.all(f"/v1/activations/{made}/answers")]
        return states if "pending" not in states else None

    assert wait_for("the answers", look) == ["ended", "accepted"]
    over = stranger.grid.ask("POST", f"/v1/activations/{made}/termination", {})
    assert over["state"] == "ended"
    stranger.grid.refused(410, "activation_ended", "POST", f"/v1/activations/{made}/items", change)
