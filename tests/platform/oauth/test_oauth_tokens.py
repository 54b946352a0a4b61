"""Tokens through the B2B listener: got, shown, narrowed, refused, stopped."""

import httpx

from .conftest import BASE, NUMBER, Listener


def test_a_player_gets_a_token_and_calls(http: httpx.Client, auth, listener: Listener) -> None:
    assert http.get(f"{BASE}/v1/whoami", auth=auth).json() == {"caller": NUMBER}
    assert [request.url.path for request in listener.seen] == ["/oauth/token", "/oauth/token", "/v1/whoami"]
