"""What can go wrong between two platforms: the other refuses, is not there, or answers what nobody can read.

MeterhallError
├── RemoteRefusal      502  the other platform refused; its own code and sentence are passed on
│   └── TokenRefused   502  it refused already the access token
├── RemoteUnreachable  503  nobody answers
└── UnreadableAnswer   502  the answer does not fit the published interface
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from meterhall.client.advice import advice_for
from meterhall.domain.errors import MeterhallError, Unavailable

MAY_PASS = frozenset({401, 408, 425, 429})


class RemoteRefusal(MeterhallError):
    """The other platform refused; its own status, code and sentence are passed on."""

    status = 502
    code = "remote_refusal"
    title = "The other platform refused."

    def __init__(self, response: httpx.Response) -> None:
        problem = _problem(response)
        self.remote_status = response.status_code
        self.remote_code = str(problem.get("code") or problem.get("error") or f"http_{response.status_code}")
        self.remote_detail = str(problem.get("detail") or problem.get("error_description") or response.reason_phrase)
        self.problem_document = problem
        self.remote_retry_after_s = _seconds(response.headers.get("Retry-After"))
        super().__init__(f"{self.remote_detail} ({self.remote_code})", field=problem.get("field"))

    @property
    def advice(self) -> str:
        """What to do about it, in one sentence; empty where there is nothing to say."""
        return advice_for(self.remote_code, self.remote_status)

    @property
    def is_final(self) -> bool:
        """Whether asking the same again can only be refused again: the callee understood and said no."""
        return self.remote_status < 500 and self.remote_status not in MAY_PASS and self.code != "token_refused"


class TokenRefused(RemoteRefusal):
    """The other platform gives us no access token: it does not know us, or not any more."""

    code = "token_refused"
    title = "The other platform gives no access token."


class RemoteUnreachable(Unavailable):
    code = "remote_unreachable"
    title = "The other platform cannot be reached."


class UnreadableAnswer(MeterhallError):
    status = 502
    code = "unreadable_answer"
    title = "The other platform's answer does not fit the published interface."


def unreachable(what: str, fault: Exception) -> RemoteUnreachable:
    """Why nobody answers, in words; of a certificate that is not accepted, what is wrong with it. `cause` is the
    name of the fault, for those who look into it."""
    cause = {"cause": type(fault).__name__}
    if found := re.search(r"certificate verify failed: ([\w ,'-]+)", str(fault)):
        return RemoteUnreachable(f"{what} cannot be reached: its certificate is not accepted, {found[1].strip()}.")
    if isinstance(fault, httpx.TimeoutException):
        return RemoteUnreachable(f"{what} cannot be reached: it did not answer in time.", members=cause)
    if isinstance(fault, httpx.ConnectError):
        return RemoteUnreachable(f"{what} cannot be reached: nobody answers at this address.", members=cause)
    return RemoteUnreachable(f"{what} cannot be reached: the connection broke off.", members=cause)


def _seconds(text: str | None) -> float | None:
    """A `Retry-After` in seconds; of a date, what is left until then (RFC 9110 section 10.2.3)."""
    if not text:
        return None
    try:
        return max(float(text), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
