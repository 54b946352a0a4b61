"""The B2B client every platform and the SDK call others with: tokens, proofs, keys of idempotency, typed answers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from meterhall.client.errors import RemoteRefusal as RemoteRefusal
from meterhall.client.errors import RemoteUnreachable as RemoteUnreachable
from meterhall.client.errors import UnreadableAnswer as UnreadableAnswer
from meterhall.client.errors import unreachable
from meterhall.client.signatures import SignedRequest
from meterhall.client.tokens import DPoPAuth
from meterhall.domain.protocol.base import Message
from meterhall.domain.protocol.keys import SigningKey
from meterhall.formats.base import DecodeError
from meterhall.formats.packing import SUFFIXES, UnpackedTooLarge, unpacked

Answer = TypeVar("Answer", bound=BaseModel)


def answer_of(response: httpx.Response, returns: type[Answer] | None) -> Answer:
    """What an answer says, as a `returns`; nothing where that is None. Raises `UnreadableAnswer`."""
    if returns is None:
        return None  # type: ignore[return-value]
    try:
        return returns.model_validate_json(response.content)
    except ValidationError as fault:
        asked = f"{response.request.method} {response.request.url.path}"
        raise UnreadableAnswer(f"{asked}: {fault.error_count()} faults in the answer.") from fault


class PublicClient:
    """Calls to one platform that it answers to anybody."""

    def __init__(self, base_url: str, *, http: httpx.Client, auth: httpx.Auth | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = http
        self._auth = auth

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Headers that authorise one call of this platform by another tool: none are needed."""
        return {}

    def call(
        self,
        method: str,
        path: str,
        body: Message | None = None,
        returns: type[Answer] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
        correlation: str = "",
    ) -> Answer:
        """One call; the answer as a `returns`.

        Raises `RemoteRefusal` for a refusal, `RemoteUnreachable` when nobody answers, `UnreadableAnswer`.
        """
        response = self.send(method, path, body, params=params, key=key, correlation=correlation)
        return answer_of(response, returns)

    def send(
        self,
        method: str,
        path: str,
        body: Message | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
        correlation: str = "",
    ) -> httpx.Response:
        """One call; the successful response as it is."""
        headers = {"Accept": "application/json"}
        if method in {"POST", "PUT", "PATCH", "DELETE"}:
            headers["Idempotency-Key"] = key or secrets.token_hex(16)
            headers["Content-Type"] = "application/json"
        if correlation:
            headers["X-Correlation-Id"] = correlation
        content = None if body is None else body.canonical()
        given = {name: value for name, value in (params or {}).items() if value is not None}
        try:
            response = self._http.request(
                method, self.base_url + path, content=content, params=given, headers=headers, auth=self._auth
            )
        except httpx.TransportError as fault:
            raise unreachable(self.base_url, fault) from fault
        if response.is_error:
            raise RemoteRefusal(response)
        return response

    def read(self, path: str, params: Mapping[str, Any], most: int) -> bytes:
        """A body of at most so many bytes, unpacked. Raises like `call`, and `DecodeError` and `TooLarge`."""
        given = {name: value for name, value in params.items() if value is not None}
        headers, came = {"Accept-Encoding": "zstd, gzip"}, bytearray()
        try:
            with self._http.stream(
                "GET", self.base_url + path, params=given, headers=headers, auth=self._auth
            ) as response:
                if response.is_error:
                    response.read()
                    raise RemoteRefusal(response)
                for piece in response.iter_raw():
                    came += piece
                    if len(came) > most:
                        raise UnpackedTooLarge(f"The answer is larger than {most} bytes.")
        except httpx.TransportError as fault:
            raise unreachable(self.base_url, fault) from fault
        coding = response.headers.get("Content-Encoding", "none")
        if coding not in SUFFIXES:
            raise DecodeError("The answer is packed in a way that was not asked for.", field="/")
        return unpacked(bytes(came), coding, most)

    @contextmanager
    def stream(self, path: str, *, start: int = 0) -> Iterator[httpx.Response]:
        """A body in pieces, from byte `start` on. Raises `RemoteRefusal`; a broken body raises httpx's own error."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._http.stream("GET", self.base_url + path, headers=headers, auth=self._auth) as response:
            if response.is_error:
                response.read()
                raise RemoteRefusal(response)
            yield response


class B2BClient(PublicClient):
    """Calls to one platform as one player.

    `attestation` gives the Market Place's word for the caller; it goes with each token request, so that a provider
    takes in a new requester, or a new key, without anybody typing anything.
    """

    def __init__(
        self,
        base_url: str,
        access_number: str,
        key: SigningKey,
        *,
        http: httpx.Client,
        attestation: Callable[[], str | None] | None = None,
    ) -> None:
        self._dpop = DPoPAuth(base_url.rstrip("/"), access_number, key, http=http, attestation=attestation)
        super().__init__(base_url, http=http, auth=self._dpop)

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Headers that authorise one call of this platform by another tool. Raises like `TokenEndpoint.post`."""
        return self._dpop.headers(method, url)

    def ready(self) -> None:
        """Have a token at hand before other threads need one: what is shown for it is looked up on this one."""
        self._dpop.ready()


def post_event(
    http: httpx.Client,
    inbox_url: str,
    body: bytes,
    *,
    event_id: str,
    access_number: str,
    key: SigningKey,
    correlation: str = "",
) -> None:
    """Deliver one CloudEvent to a party's inbox, signed (RFC 9421). Raises like `B2BClient.call`."""
    headers = {"Content-Type": "application/cloudevents+json", "webhook-id": event_id}
    if correlation:
        headers["X-Correlation-Id"] = correlation
    try:
        response = http.post(inbox_url, content=body, headers=headers, auth=SignedRequest(access_number, key))
    except httpx.TransportError as fault:
        raise unreachable(inbox_url, fault) from fault
    if response.is_error:
        raise RemoteRefusal(response)
