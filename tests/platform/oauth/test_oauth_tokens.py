"""Tokens through the B2B listener: got, shown, narrowed, refused, stopped."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from meterhall.client.errors import TokenRefused
from meterhall.client.tokens import DPoPAuth, TokenEndpoint, dpop_proof
from meterhall.domain.errors import NotPermitted, Unavailable
from meterhall.domain.protocol.keys import SigningKey
from meterhall.domain.protocol.players import ATTESTATION_LIFE_S
from meterhall.web.oauth import introductions
from meterhall.web.oauth.models import Client, ReplayMark
from meterhall.web.oauth.service import ClientSuspended, change_client, on_attestation, suspend_client
from meterhall.web.oauth.tasks import clean
from meterhall.web.platform import platform

from .conftest import BASE, NUMBER, Admit, Clock, Listener

ME = f"{BASE}/v1/whoami"


def test_a_player_gets_a_token_and_calls(http: httpx.Client, auth: DPoPAuth, listener: Listener) -> None:
    assert http.get(ME, auth=auth).json() == {"caller": NUMBER}
    assert http.get(ME, auth=auth, params={"after": "é &"}).status_code == 200
    assert [request.url.path for request in listener.seen] == ["/oauth/token"] * 2 + ["/v1/whoami"] * 2


def test_a_call_costs_two_queries(http: httpx.Client, auth: DPoPAuth) -> None:
    http.get(ME, auth=auth)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert http.get(ME, auth=auth).status_code == 200
    assert len(queries) == 2


def test_a_call_without_a_token_is_told_what_it_needs(http: httpx.Client, clock: Clock) -> None:
    response = http.get(ME)
    assert (response.status_code, response.json()["code"]) == (401, "token_missing")
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["WWW-Authenticate"] == 'DPoP algs="Ed25519 EdDSA ES256"'


def test_a_replayed_request_is_refused(http: httpx.Client, auth: DPoPAuth, listener: Listener) -> None:
    http.get(ME, auth=auth)
    again = http.get(ME, headers={name: listener.seen[-1].headers[name] for name in ("Authorization", "DPoP")})
    assert (again.status_code, again.json()["code"], again.json()["reason"]) == (
        401,
        "invalid_dpop_proof",
        "proof_replayed",
    )
    assert 'error="invalid_dpop_proof"' in again.headers["WWW-Authenticate"]


def test_a_replayed_token_request_is_refused(http: httpx.Client, auth: DPoPAuth, listener: Listener) -> None:
    http.get(ME, auth=auth)
    asked = listener.seen[1]
    assert http.post(asked.url, content=asked.content, headers=asked.headers).json()["code"] == "assertion_replayed"


def test_a_token_in_other_hands_is_of_no_use(http: httpx.Client, auth: DPoPAuth, listener: Listener) -> None:
    http.get(ME, auth=auth)
    shown = listener.seen[-1].headers["Authorization"]
    nonce = http.get(ME).headers["DPoP-Nonce"]
    proof = dpop_proof(SigningKey.generate(), "GET", ME, nonce=nonce, token=shown.removeprefix("DPoP "))
    assert http.get(ME, headers={"Authorization": shown, "DPoP": proof}).json()["reason"] == "dpop_key_mismatch"


def test_a_missing_nonce_is_given(http: httpx.Client, auth: DPoPAuth, listener: Listener) -> None:
    http.get(ME, auth=auth)
    shown = listener.seen[-1].headers["Authorization"]
    proof = dpop_proof(SigningKey.generate(), "GET", ME, token=shown.removeprefix("DPoP "))
    response = http.get(ME, headers={"Authorization": shown, "DPoP": proof})
    assert (response.status_code, response.json()["code"]) == (401, "use_dpop_nonce")
    assert 'error="use_dpop_nonce"' in response.headers["WWW-Authenticate"]
    assert response.headers["DPoP-Nonce"]


def test_a_token_that_has_ended_is_renewed_by_the_client(
    http: httpx.Client, auth: DPoPAuth, clock: Clock, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    http.get(ME, auth=auth)
    first = listener.seen[-1].headers["Authorization"]
    clock.ahead = timedelta(minutes=10)
    monkeypatch.setattr("meterhall.client.tokens.time.time", lambda: clock().timestamp())
    assert http.get(ME, auth=auth).status_code == 200
    assert listener.seen[-1].headers["Authorization"] != first


def test_a_suspended_clients_token_stops_at_once(http: httpx.Client, auth: DPoPAuth) -> None:
    http.get(ME, auth=auth)
    suspend_client(NUMBER)
    with pytest.raises(TokenRefused) as caught:
        http.get(ME, auth=auth)
    assert (caught.value.remote_status, caught.value.remote_code) == (401, "client_unknown")


def test_a_client_past_its_time_is_stopped(http: httpx.Client, auth: DPoPAuth, listener: Listener) -> None:
    http.get(ME, auth=auth)
    Client.objects.update(valid_until=platform().now())
    with pytest.raises(TokenRefused):
        http.get(ME, auth=auth)
    assert [request.url.path for request in listener.seen][-2:] == ["/v1/whoami", "/oauth/token"]


def test_scopes_are_the_clients_and_can_be_narrowed(http: httpx.Client, key: SigningKey, admit: Admit) -> None:
    admit(scopes=["data", "sandbox"])
    narrow = DPoPAuth(BASE, NUMBER, key, http=http, scope="sandbox")
    assert http.get(ME, auth=narrow).status_code == 200
    refused = http.get(f"{BASE}/v1/data", auth=narrow)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    with pytest.raises(TokenRefused, match="invalid_scope"):
        http.get(ME, auth=DPoPAuth(BASE, NUMBER, key, http=http, scope="market"))


def test_new_keys_count_at_once(http: httpx.Client, auth: DPoPAuth) -> None:
    fresh = SigningKey.generate()
    change_client(NUMBER, [fresh.public.jwk()], [], platform().now())
    assert http.get(ME, auth=DPoPAuth(BASE, NUMBER, fresh, http=http)).status_code == 200
    with pytest.raises(TokenRefused):
        http.get(ME, auth=auth)


def test_an_older_word_changes_nothing(admit: Admit, clock: Clock) -> None:
    week = clock() + timedelta(days=7)
    admit(valid_until=week, scopes=["data"])
    admit(valid_until=week - timedelta(days=1), scopes=["sandbox"], keys=[])
    row = Client.objects.get()
    assert (row.scopes, row.valid_until, len(row.keys)) == (["data"], week, 1)
    admit(valid_until=None, scopes=["sandbox"])
    assert Client.objects.get().scopes == ["sandbox"]


def test_a_suspension_is_lifted_by_a_newer_word_only(admit: Admit, clock: Clock) -> None:
    life = timedelta(seconds=ATTESTATION_LIFE_S)
    admit(valid_until=clock() + life)
    suspend_client(NUMBER)
    with pytest.raises(ClientSuspended):
        admit(valid_until=clock() + life - timedelta(minutes=1))
    assert Client.objects.get().suspended_at is not None
    clock.ahead = timedelta(minutes=1)
    admit(valid_until=clock() + life)
    assert Client.objects.get().suspended_at is None


def test_a_word_from_before_a_change_of_keys_does_not_bring_the_old_ones_back(admit: Admit, clock: Clock) -> None:
    life = timedelta(seconds=ATTESTATION_LIFE_S)
    shown, unseen = clock() + life, clock() + life + timedelta(minutes=1)
    admit(valid_until=shown)
    clock.ahead = timedelta(minutes=2)
    fresh = SigningKey.generate().public.jwk()
    change_client(NUMBER, [fresh], [], clock())
    for earlier in (shown, unseen):
        admit(valid_until=earlier)
        assert Client.objects.get().keys == [fresh]


def test_a_suspension_that_is_heard_of_late_does_not_undo_a_later_word(admit: Admit, clock: Clock) -> None:
    suspended_at = clock()
    clock.ahead = timedelta(minutes=5)
    admit(valid_until=clock() + timedelta(seconds=ATTESTATION_LIFE_S))
    suspend_client(NUMBER, suspended_at)
    assert Client.objects.get().suspended_at is None
    suspend_client(NUMBER, clock())
    assert Client.objects.get().suspended_at is not None


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, admit: Admit) -> dict[str, Exception]:
    """What the platform does with an attestation; refuses with `hook["raise"]` where there is one."""
    asked: dict[str, Exception] = {}

    def run(client_id: str, jws: str) -> None:
        assert (client_id, jws) == (NUMBER, "a.b.c")
        if "raise" in asked:
            raise asked["raise"]
        admit()

    monkeypatch.setattr(introductions, "_hooks", [])
    on_attestation(run)
    return asked


def test_an_attestation_opens_the_door_before_the_client_is_looked_up(
    http: httpx.Client, key: SigningKey, hook: dict[str, Exception]
) -> None:
    assert http.get(ME, auth=DPoPAuth(BASE, NUMBER, key, http=http, attestation=lambda: "a.b.c")).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(NotPermitted("No contract."), 401, "not_permitted"), (Unavailable(), 503, "unavailable")],
)
def test_what_the_platform_says_of_an_attestation_reaches_the_client(
    http: httpx.Client, key: SigningKey, hook: dict[str, Exception], fault: Exception, status: int, code: str
) -> None:
    hook["raise"] = fault
    endpoint = TokenEndpoint(BASE, NUMBER, key, http=http, attestation=lambda: "a.b.c")
    with pytest.raises(TokenRefused) as caught:
        endpoint.post("/oauth/token", {"grant_type": "client_credentials"})
    assert (caught.value.remote_status, caught.value.remote_code) == (status, code)
    assert not Client.objects.exists()


def test_the_provider_takes_attestations() -> None:
    from meterhall.provider.contracts.service import refresh_from_attestation

    assert refresh_from_attestation in introductions._hooks


def test_refusals_are_in_oauths_own_shape(http: httpx.Client, clock: Clock) -> None:
    response = http.post(f"{BASE}/oauth/token", data={"grant_type": "client_credentials"})
    assert response.status_code == 400
    assert response.json() == {
        "error": "invalid_dpop_proof",
        "error_description": "The request needs one DPoP header with a proof.",
        "code": "dpop_proof_missing",
        "detail": "The request needs one DPoP header with a proof.",
    }
    assert response.headers["Cache-Control"] == "no-store"
    assert http.get(f"{BASE}/oauth/token").status_code == 405


def test_marks_are_kept_as_long_as_they_matter(http: httpx.Client, auth: DPoPAuth, clock: Clock) -> None:
    http.get(ME, auth=auth)
    assert ReplayMark.objects.count() == 3
    clean()
    assert ReplayMark.objects.count() == 3
    clock.ahead = timedelta(minutes=4)
    clean()
    assert ReplayMark.objects.count() == 0


def test_metadata_and_keys_are_published(http: httpx.Client, clock: Clock) -> None:
    found = http.get(f"{BASE}/.well-known/oauth-authorization-server").json()
    assert (found["issuer"], found["scopes_supported"]) == (BASE, ["data", "sandbox"])
    assert found["authorization_endpoint"] == f"{platform().portal_url}/oauth/authorize"
    (jwk,) = http.get(found["jwks_uri"]).json()["keys"]
    assert jwk["kid"] == platform().transport_key.kid


def test_a_client_id_that_is_none_is_simply_unknown(http: httpx.Client, clock: Clock) -> None:
    for strange in ("\x00", "x" * 5000, "é"):
        with pytest.raises(TokenRefused) as caught:
            TokenEndpoint(BASE, strange, SigningKey.generate(), http=http).post(
                "/oauth/token", {"grant_type": "client_credentials"}
            )
        assert caught.value.remote_code == "client_unknown"


def test_an_instant_is_compared_in_utc(admit: Admit, clock: Clock) -> None:
    admit(valid_until=datetime.fromisoformat("2999-01-01T00:00:00+02:00"))
    assert Client.objects.get().valid_until == datetime.fromisoformat("2998-12-31T22:00:00+00:00")
