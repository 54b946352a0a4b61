"""What may happen to a player, an offer version and a subscription: one table each, (state, command) -> state.

What a command checks and does besides lives in the platforms; the pictures in the documentation are drawn from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meterhall.domain.errors import Conflict

Table = Mapping[tuple[str, str], str]
"""(state, command) -> the state that follows. What is not in it is not allowed."""


class WrongState(Conflict):
    code = "wrong_state"
    title = "The present state does not allow this command."


PLAYER: Final[Table] = {
    ("applied", "admit"): "admitted",
    ("applied", "refuse"): "refused",
    ("applied", "leave"): "left",
    ("admitted", "suspend"): "suspended",
    ("admitted", "leave"): "left",
    ("suspended", "reinstate"): "admitted",
    ("suspended", "leave"): "left",
    ("refused", "apply"): "applied",
    ("left", "apply"): "applied",
}
"""A player begins as `applied`."""

OFFER_VERSION: Final[Table] = {
    ("draft", "publish"): "published",
    ("draft", "withdraw"): "withdrawn",
    ("draft", "supersede"): "withdrawn",
    ("published", "withdraw"): "withdrawn",
    ("published", "supersede"): "withdrawn",
}
"""A version begins as `draft`; a newer one that is published supersedes it. Contracts under it keep running."""

SUBSCRIPTION: Final[Table] = {
    ("drafted", "sign_requester"): "requester_signed",
    ("drafted", "quit"): "quit",
    ("drafted", "expire"): "expired",
    ("requester_signed", "sign_provider"): "active",
    ("requester_signed", "refuse"): "refused",
    ("requester_signed", "quit"): "quit",
    ("requester_signed", "expire"): "expired",
    ("active", "quit"): "quit",
    ("active", "suspend"): "suspended",
    ("active", "expire"): "expired",
    ("suspended", "reinstate"): "active",
    ("suspended", "quit"): "quit",
    ("suspended", "expire"): "expired",
}
"""A subscription begins as `drafted`; it is suspended while one of its parties is."""


def advance(table: Table, state: str, command: str) -> str:
    """The state after a command. Raises `WrongState` with the commands that would be allowed."""
    following = table.get((state, command))
    if following is None:
        allowed = commands(table, state)
        raise WrongState(
            f"In state {state} there is no {command}; allowed: {', '.join(allowed) or 'nothing, it has ended'}.",
            members={"state": state, "allowed": list(allowed)},
        )
    return following


def commands(table: Table, state: str) -> tuple[str, ...]:
    """The commands a state allows; none for a final one."""
    return tuple(command for at, command in table if at == state)


def comes_before(table: Table, state: str, later: str) -> bool:
    """Whether `later` may follow `state`, at once or after others, and there is no way back: news of `state` is old
    to somebody who has heard of `later`."""
    return state != later and later in _following(table, state) and state not in _following(table, later)


def _following(table: Table, state: str) -> set[str]:
    found: set[str] = set()
    waiting = [state]
    while waiting:
        here = waiting.pop()
        for (at, _), following in table.items():
            if at == here and following not in found:
                found.add(following)
                waiting.append(following)
    return found
