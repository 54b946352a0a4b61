"""The one error tree. Every refusal Meterhall makes is a subclass here or below a class here.

    MeterhallError
    ├── InvalidInput      422  the message was understood and is wrong; `field` names where
    ├── NotAuthenticated  401  who is calling is not known
    ├── NotPermitted      403  who is calling is known and may not do this
    ├── NotFound          404  there is no such thing, or not for this caller
    ├── Conflict          409  the thing's present state does not allow it
    ├── Gone              410  it was there and has ended
    ├── TooLarge          413  over a stated limit
    ├── TooMany           429  over a stated quota; `retry_after_s` says when
    └── Unavailable       503  try again later; `retry_after_s` says when

A subclass sets `code` (stable, snake_case, part of the API) and `title` (one human sentence).
The API answers it as RFC 9457 `application/problem+json`; the CLI prints the sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class MeterhallError(Exception):
    """A refusal with an HTTP status, a stable code and a human sentence."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side."

    def __init__(
        self,
        detail: str = "",
        *,
        field: str | None = None,
        members: Mapping[str, object] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        """`field` is a JSON Pointer (RFC 6901) to the fault; `members` are extra problem members."""
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.field = field
        self.members = dict(members or {})
        self.retry_after_s = retry_after_s

    def problem(self) -> dict[str, object]:
        """The RFC 9457 problem document of this error."""
        document: dict[str, object] = {
            "type": f"urn:meterhall:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.field is not None:
            document["field"] = self.field
        return document | self.members


class InvalidInput(MeterhallError):
    status = 422
    code = "invalid_input"
    title = "The request is understood but something in it is not valid."


class NotAuthenticated(MeterhallError):
    status = 401
    code = "not_authenticated"
    title = "It is not known who is calling."


class NotPermitted(MeterhallError):
    status = 403
    code = "not_permitted"
    title = "The caller may not do this."


class NotFound(MeterhallError):
    status = 404
    code = "not_found"
    title = "There is no such thing here, or not for this caller."


class Conflict(MeterhallError):
    status = 409
    code = "conflict"
    title = "The present state does not allow this."


class Gone(MeterhallError):
    status = 410
    code = "gone"
    title = "It was here and has ended."


class TooLarge(MeterhallError):
    status = 413
    code = "too_large"
    title = "It is larger than the stated limit."


class TooMany(MeterhallError):
    status = 429
    code = "too_many_requests"
    title = "The quota is used up."


class Unavailable(MeterhallError):
    status = 503
    code = "unavailable"
    title = "Not available right now."
