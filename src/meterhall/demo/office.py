"""A machine of one of the organisations, calling its own platform's back office over HTTPS with its staff key."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.base import Message
from meterhall.domain.protocol.canonical import new_salt

Found = TypeVar("Found")
PATIENCE_S = 180.0


class Refused(MeterhallError):
    """A platform of the demo refused; `problem` is its answer."""

    code = "demo_refused"
    title = "A platform of the demo refused what the demo asked."

    def __init__(self, response: httpx.Response) -> None:
        try:
            self.answer: dict[str, Any] = response.json()
        except ValueError:
            self.answer = {"detail": response.text[:500]}
        self.answer_code = str(self.answer.get("code", response.status_code))
        where = f"{response.request.method} {response.request.url.path}"
        super().__init__(f"{where}: {response.status_code} {self.answer_code}: {self.answer.get('detail')}")


class TookTooLong(MeterhallError):
    code = "demo_took_too_long"
    title = "Something the demo waited for did not happen."


class Office:
    """The back-office API of one platform."""

    def __init__(self, portal: str, staff_key: str, tls: ssl.SSLContext) -> None:
        self._http = httpx.Client(
            base_url=portal + "/api", verify=tls, timeout=30, headers={"Authorization": f"Bearer {staff_key}"}
        )

    def get(self, path: str, **params: Any) -> Any:
        """The JSON answer."""
        return self._call("GET", path, params={key: value for key, value in params.items() if value is not None})

    def post(self, path: str, body: Message | dict[str, Any] | None = None, **params: Any) -> Any:
        """Send a command; the JSON answer."""
        return self._call("POST", path, params=params, **_body(body))

    def put(self, path: str, body: Message | dict[str, Any] | None = None) -> Any:
        """Send a command; the JSON answer."""
        return self._call("PUT", path, **_body(body))

    def upload(self, path: str, content: bytes, **params: Any) -> Any:
        """Hand in a file; the JSON answer."""
        return self._call("POST", path, content=content, params=params)

    def all(self, path: str, **params: Any) -> list[Any]:
        """Every item of a paged list."""
        items: list[Any] = []
        after: str | None = None
        while True:
            page = self.get(path, after=after, **params)
            items += page["items"]
            after = page.get("next")
            if after is None:
                return items

    def _call(self, method: str, path: str, **how: Any) -> Any:
        headers = {"Idempotency-Key": new_salt()} if method != "GET" else {}
        response = self._http.request(method, path, headers=headers, **how)
        if response.is_error:
            raise Refused(response)
        return response.json() if response.content else None


def _body(body: Message | dict[str, Any] | None) -> dict[str, Any]:
    if body is None:
        return {}
    return {"json": body.document() if isinstance(body, Message) else body}


def wait_for(what: str, look: Callable[[], Found | None], within_s: float = PATIENCE_S) -> Found:
    """What `look` finds as soon as it finds something. Raises `TookTooLong`."""
    until = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > until:
            raise TookTooLong(f"Waited {within_s:.0f} s for {what}.")
        time.sleep(0.1)
