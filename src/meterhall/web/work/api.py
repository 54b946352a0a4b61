"""Back-office calls about work that fails: the same on every platform."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.domain.protocol.base import Page
from meterhall.web.api import check_limit, decode_cursor, encode_cursor, endpoint
from meterhall.web.staff.service import StaffAuth
from meterhall.web.work.letters import DeadLetter, LetterState, NoDeadLetter, redeliver, some


def add_dead_letters(api: NinjaAPI) -> None:
    """Publish `GET /dead-letters` and `POST /dead-letters/{letter}/redelivery`."""
    staff = StaffAuth()

    @endpoint(api, "GET", "/dead-letters", response=Page[DeadLetter], auth=staff, step="messages")
    def get_dead_letters(
        request: HttpRequest, state: LetterState = "dead", after: str | None = None, limit: int = 100
    ) -> Page[DeadLetter]:
        """Messages and other work that was laid aside after it failed for days; with `state=retrying` what still fails
        and is tried again."""
        check_limit(limit)
        found, more = some(state, decode_cursor(after) if after else "", limit)
        return Page[DeadLetter](items=tuple(found), next=encode_cursor(found[-1].id) if more else None)

    @endpoint(api, "POST", "/dead-letters/{letter}/redelivery", response=DeadLetter, status=202, auth=staff,
              step="messages", refuses=(NoDeadLetter,))  # fmt: skip
    def post_redelivery(request: HttpRequest, letter: str) -> DeadLetter:
        """Try a piece of work again now, and for as long as is set; of a message its id alone is enough."""
        return redeliver(letter)
