"""How a stranger calls a platform: OAuth with private_key_jwt and DPoP, every answer held against the platform's
published OpenAPI document."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import httpx
import rfc8785
from jsonschema import Draft202012Validator

from tests.e2e.strangers.jose import Key

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Undocumented(AssertionError):
    """A platform answered something its OpenAPI document does not say."""


class Published:
    """The OpenAPI document of a listener."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.paths = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), item) for path, item in document["paths"].items()
        ]

    def operation(self, method: str, path: str) -> dict[str, Any]:
        found = [item[method.lower()] for form, item in self.paths if form.fullmatch(path) and method.lower() in item]
        if not found:
            raise Undocumented(f"{method} {path} is not published")
        return dict(found[0])

    def check(self, method: str, path: str, response: httpx.Response) -> None:
        """Raise `Undocumented` unless status, code and body are as published."""
        operation = self.operation(method, path)
        status = response.status_code
        if status == 206:
            return
        answer = operation["responses"].get(str(status)) or operation["responses"].get(f"{status // 100}XX")
        if answer is None:
            raise Undocumented(f"{method} {path}: {status} {response.text[:300]}")
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind not in {"application/json", "application/problem+json"} or not response.content:
            return
        body = response.json()
        if response.is_error and "code" in body and body["code"] not in operation["x-error-codes"]:
            raise Undocumented(f"{method} {path}: code {body['code']}")
        for content in answer.get("content", {}).values():
            schema = content["schema"] | {"components": self.document["components"]}
            faults = list(Draft202012Validator(schema).iter_errors(body))
            if faults:
                raise Undocumented(f"{method} {path}: {faults[0].message} at {list(faults[0].absolute_path)}")


@lru_cache
def published_at(base: str, http: httpx.Client) -> Published:
    return Published(http.get(base + "/openapi.json").raise_for_status().json())


class Caller:
    """One player at one platform."""

    def __init__(
        self,
        base: str,
        number: str,
        key: Key,
        http: httpx.Client,
        attestation: Callable[[], str] | None = None,
        scope: str | None = None,
        published: Published | None = None,
    ) -> None:
        self.base, self.number, self.key, self.http = base, number, key, http
        self.attestation, self.scope = attestation, scope
        self.dpop, self.nonce, self.token, self.until = Key(), "", "", 0.0
        self.published = published or published_at(base, http)

    def proof(self, method: str, url: str, token: str = "") -> str:
        """A DPoP proof (RFC 9449)."""
        claims: dict[str, Any] = {"jti": secrets.token_urlsafe(12), "htm": method, "htu": url, "iat": int(time.time())}
        if self.nonce:
            claims["nonce"] = self.nonce
        if token:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")
        return self.dpop.sign(claims, "dpop+jwt", jwk=self.dpop.jwk)

    def oauth(self, path: str, form: dict[str, str]) -> httpx.Response:
        """`/oauth/token` or `/oauth/par`, once more with the nonce that was asked for."""
        if self.attestation is not None:
            form = form | {"attestation": self.attestation()}
        url, response = self.base + path, None
        for _ in range(2):
            now = int(time.time())
            claims = {"iss": self.number, "sub": self.number, "aud": self.base, "jti": secrets.token_urlsafe(12)}
            shown = {
                "client_id": self.number,
                "client_assertion_type": ASSERTION,
                "client_assertion": self.key.sign(claims | {"iat": now, "exp": now + 60}, "JWT"),
            }
            response = self.http.post(url, data=form | shown, headers={"DPoP": self.proof("POST", url)})
            self.nonce = response.headers.get("DPoP-Nonce", self.nonce)
            if response.is_success or response.json().get("error") != "use_dpop_nonce":
                break
        assert response is not None
        return response

    def authorise(self, *, again: bool = False) -> str:
        """An access token of our own (client_credentials)."""
        if again or time.monotonic() >= self.until:
            form = {"grant_type": "client_credentials"} | ({"scope": self.scope} if self.scope else {})
            response = self.oauth("/oauth/token", form)
            assert response.is_success, response.text
            answer = response.json()
            assert answer["token_type"] == "DPoP"
            assert answer["expires_in"] <= 600
            self.token, self.until = answer["access_token"], time.monotonic() + answer["expires_in"] - 30
        return self.token

    def headers(self, method: str, path: str, extra: dict[str, str]) -> dict[str, str]:
        token = self.authorise()
        return extra | {"Authorization": f"DPoP {token}", "DPoP": self.proof(method, self.base + path, token)}

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str = "",
        extra: dict[str, str] | None = None,
        **params: Any,
    ) -> httpx.Response:
        """One call, whatever is answered, as published."""
        extra = dict(extra or {})
        if method != "GET":
            extra |= {"Content-Type": "application/json", "Idempotency-Key": key or secrets.token_hex(12)}
        content = None if body is None else rfc8785.dumps(body)
        for _ in range(2):
            headers = self.headers(method, path, extra)
            response = self.http.request(method, self.base + path, params=params, content=content, headers=headers)
            self.nonce = response.headers.get("DPoP-Nonce", self.nonce)
            if response.status_code != 401 or response.json().get("code") != "use_dpop_nonce":
                break
        self.published.check(method, path, response)
        return response

    def ask(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        """One call that must succeed; its JSON."""
        response = self.send(method, path, body, **how)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text[:500]}"
        return response.json() if response.content else None

    def refused(self, status: int, code: str, method: str, path: str, body: Any = None, **how: Any) -> Any:
        """One call that must be refused with this status and code; the problem document."""
        response = self.send(method, path, body, **how)
        assert response.headers["Content-Type"] == "application/problem+json", response.text[:300]
        problem = response.json()
        assert (response.status_code, problem["code"]) == (status, code), problem
        return problem

    def all(self, path: str, **params: Any) -> list[Any]:
        """Every item of a paged list, a few at a time."""
        items: list[Any] = []
        while True:
            page = self.ask("GET", path, **params)
            items += page["items"]
            if page.get("next") is None:
                return items
            params["after"] = page["next"]

    @contextmanager
    def stream(self, path: str, **extra: str) -> Iterator[httpx.Response]:
        """A body in pieces."""
        self.send("GET", path, extra={"Range": "bytes=0-0"})  # a fresh nonce
        with self.http.stream("GET", self.base + path, headers=self.headers("GET", path, extra)) as response:
            yield response
