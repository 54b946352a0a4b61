"""A stranger leaves: it quits its contract, or the Market Place suspends it; tokens and bodies stop."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.strangers.player import now
from tests.e2e.strangers.requester import PERIOD, Requester
from tests.e2e.town import Streets, wait_for


@pytest.fixture
def leaver(request: pytest.FixtureRequest, streets: Streets) -> Requester:
    made = Requester(streets, f"Leaver {request.param}", request.param)
    made.enter(streets.admit)
    return made


def _stopped(caller: Any, path: str) -> Any:
    response = caller.send("GET", path)
    return response if response.status_code == 401 else None


@pytest.mark.parametrize("leaver", [320], indirect=True)
def test_quitting_stops_everything(streets: Streets, leaver: Requester):
    subscription = leaver.contract_with_grid()
    activation = leaver.activate(subscription, [leaver.evidence(14)])
    leaver.answers(activation)
    delivery = leaver.request(activation, "csv", "P1D")
    leaver.manifest(delivery)
    path = f"/v1/deliveries/{delivery}"
    document = {"subscription_id": subscription, "party": leaver.number, "reason": "", "quit_at": now()}
    foreign = {"jws": leaver.transport.sign(document | {"party": leaver.provider}, "meterhall-quit+jws")}
    quit_path = f"/v1/subscriptions/{subscription}/quit"
    leaver.hall.refused(422, "signature_mismatch", "POST", quit_path, foreign)
    own = {"jws": leaver.transport.sign(document, "meterhall-quit+jws")}
    ended = leaver.hall.ask("POST", quit_path, own)
    assert ended["state"] == "quit"
    stopped = wait_for("the grid operator to close", lambda: _stopped(leaver.grid, path))
    assert stopped.json()["reason"] == "client_stopped"
    refused = leaver.grid.oauth("/oauth/token", {"grant_type": "client_credentials"})
    assert refused.json()["code"] == "no_contract"
    leaver.hall.refused(409, "wrong_state", "POST", quit_path, own)
    logged = leaver.hall.all(f"/v1/transactions/{subscription}/statements")
    kinds = [one["statement"]["type"] for one in logged]
    assert "subscription.quit" in kinds
    assert wait_for("the acknowledgement", lambda: _acknowledged(leaver, subscription))


def _acknowledged(leaver: Requester, subscription: str) -> bool:
    logged = leaver.hall.all(f"/v1/transactions/{subscription}/statements")
    quits = {one["statement"]["id"] for one in logged if one["statement"]["type"] == "subscription.quit"}
    said = [one["statement"] for one in logged if one["statement"]["type"] == "subscription.quit.acknowledged"]
    return any(one["by"] == leaver.provider and one["about"] in quits for one in said)


@pytest.mark.parametrize("leaver", [321], indirect=True)
def test_a_suspended_player_is_shut_out_everywhere(streets: Streets, leaver: Requester):
    subscription = leaver.contract_with_grid()
    activation = leaver.activate(subscription, [leaver.evidence(15)])
    leaver.answers(activation)
    office = streets.office("marketplace")
    office.post(f"/players/{leaver.number}/suspension", {"reason": "for the test"})
    wait_for("the grid operator to close", lambda: _stopped(leaver.grid, f"/v1/activations/{activation}"))
    leaver.hall.authorise(again=True)
    leaver.hall.refused(403, "scope_missing", "GET", "/v1/subscriptions")
    mine = leaver.hall.ask("GET", "/v1/players/me")
    assert (mine["player"]["status"], mine["reason"]) == ("suspended", "for the test")
    office.post(f"/players/{leaver.number}/reinstatement", {"reason": "it was a test"})
    leaver.hall.authorise(again=True)
    wait_for("the grid operator to open", lambda: _open_again(leaver))
    body = {"activation_id": activation, "period": PERIOD, "granularity": "P1D", "format": "csv"}
    wait_for("the news of it", lambda: leaver.grid.send("POST", "/v1/data-requests", body).is_success)


def _open_again(leaver: Requester) -> bool:
    response = leaver.grid.oauth("/oauth/token", {"grant_type": "client_credentials"})
    if response.is_success:
        leaver.grid.authorise(again=True)
    return response.is_success
