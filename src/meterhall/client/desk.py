"""What every part of a client works with: its home, its lines to platforms, keys of others, statements to be sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Final

import httpx

from meterhall.client.b2b import B2BClient, PublicClient
from meterhall.client.errors import RemoteRefusal, RemoteUnreachable
from meterhall.client.home import Card, ClientHome
from meterhall.client.line import Line
from meterhall.client.memory import Memory
from meterhall.client.patience import Pace, may_pass
from meterhall.client.statements import make_statement
from meterhall.client.tokens import TokenEndpoint
from meterhall.domain.errors import Conflict
from meterhall.domain.protocol.keys import PublicKey, SigningKey
from meterhall.domain.protocol.players import AttestationRequest, Attested, PlayerView
from meterhall.domain.protocol.statements import StatementPosted, StatementType

TIMEOUT: Final = httpx.Timeout(60, connect=10)
RENEW_BEFORE: Final = timedelta(days=6)
"""An attestation holds seven days; it is asked for anew after one."""


class NotEnrolled(Conflict):
    code = "not_enrolled"
    title = "This client has no access number yet; enrol it at the Market Place first."


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is: `done` of `total` things (None: not known), in `unit`."""

    step: str
    done: int
    total: int | None
    unit: str


OnProgress = Callable[[Progress], None]


@dataclass
class Desk:
    """One client at work. Safe to share between threads."""

    home: ClientHome
    pace: Pace = field(default_factory=Pace)
    on_progress: OnProgress | None = None

    @cached_property
    def card(self) -> Card:
        return self.home.card

    @cached_property
    def key(self) -> SigningKey:
        """The transport key."""
        return self.home.transport_key

    @cached_property
    def memory(self) -> Memory:
        return Memory(self.home.path / "memory.sqlite3")

    @cached_property
    def http(self) -> httpx.Client:
        return httpx.Client(verify=self.home.tls, timeout=TIMEOUT, headers={"User-Agent": "meterhall-client"})

    @cached_property
    def lines(self) -> dict[str, Line]:
        return {}

    @cached_property
    def players(self) -> dict[str, tuple[datetime, PlayerView]]:
        return {}

    def close(self) -> None:
        """Let connections and files go."""
        for name in ("http", "memory"):
            if name in self.__dict__:
                getattr(self, name).close()

    @property
    def me(self) -> str:
        """Our access number. Raises `NotEnrolled`."""
        if self.card.access_number is None:
            raise NotEnrolled
        return self.card.access_number

    def take_card(self, card: Card) -> None:
        """Keep who we are."""
        self.home.write(card)
        self.card = card

    def tell(self, step: str, done: int, total: int | None, unit: str) -> None:
        """Tell whoever watches how far a step is."""
        if self.on_progress is not None:
            self.on_progress(Progress(step, done, total, unit))

    @property
    def marketplace(self) -> Line:
        """The line to the Market Place."""
        return self._line(self.card.marketplace, None)

    @property
    def catalogue(self) -> Line:
        """The line to what the Market Place shows to anybody, enrolled or not."""
        return Line(PublicClient(self.card.marketplace, http=self.http), self.pace)

    def provider(self, number: str) -> Line:
        """The line to a provider, which is shown the Market Place's word for us."""
        return self._line(self.player(number).endpoints.b2b, partial(self._attestation, number))

    def token_endpoint(self, number: str) -> TokenEndpoint:
        """A provider's authorization server; what it gives is bound to the transport key, which outlives a process."""
        base = self.player(number).endpoints.b2b
        show = partial(self._attestation, number)
        return TokenEndpoint(base, self.me, self.key, http=self.http, dpop_key=self.key, attestation=show)

    def _line(self, base: str, attestation: Callable[[], str] | None) -> Line:
        line = self.lines.get(base)
        if line is None:
            client = B2BClient(base, self.me, self.key, http=self.http, attestation=attestation)
            line = self.lines.setdefault(base, Line(client, self.pace))
        return line

    def player(self, number: str, *, anew: bool = False) -> PlayerView:
        """A player as the Market Place knows it now or knew it within the hour."""
        known = self.players.get(number)
        if known is None or anew or datetime.now(UTC) - known[0] > timedelta(hours=1):
            known = datetime.now(UTC), self.marketplace.call("GET", f"/v1/players/{number}", None, PlayerView)
            self.players[number] = known
        return known[1]

    def transport_keys(self, number: str, *, anew: bool = False) -> list[PublicKey]:
        """The keys a player signs with; none of a suspended one."""
        player = self.player(number, anew=anew)
        return (
            []
            if player.status == "suspended"
            else [PublicKey.from_jwk(one.document()) for one in player.keys.transport]
        )

    def _attestation(self, audience: str) -> str:
        """The Market Place's word for us. While it cannot be asked, the word held is shown as long as it holds."""
        held = self.memory.get("attestation", audience, Attested)
        left = held.expires_at - datetime.now(UTC) if held else timedelta()
        if held and left > RENEW_BEFORE:
            return held.attestation
        body, line = AttestationRequest(audience=audience), self.marketplace
        if held and left > timedelta():
            try:
                fresh = line.client.call("POST", "/v1/attestations", body, Attested)
            except (RemoteUnreachable, RemoteRefusal) as fault:
                if not may_pass(fault):
                    raise
                return held.attestation
        else:
            fresh = line.call("POST", "/v1/attestations", body, Attested)
        self.memory.put("attestation", audience, fresh)
        return fresh.attestation

    def statement(
        self,
        kind: StatementType,
        other: str,
        *,
        transaction_id: str,
        subject: str,
        counts: Mapping[str, int] | None = None,
        commitments: Mapping[str, str] | None = None,
    ) -> tuple[str, StatementPosted]:
        """A statement about what passed between `other` and us, with its id; not sent yet."""
        made, posted = make_statement(
            kind,
            self.key,
            by=self.me,
            environment=self.card.environment,
            at=datetime.now(UTC),
            transaction_id=transaction_id,
            subject=subject,
            parties=(self.me, other),
            counts=counts,
            commitments=commitments,
        )
        return made.id, posted

    def notify(self, statement_id: str, posted: StatementPosted) -> None:
        """Send a statement to the Market Place; kept until it took it."""
        self.memory.put("statement", statement_id, posted)
        self.flush()

    def flush(self) -> None:
        """Send the statements that wait. Those that cannot be sent now stay; those refused for good are laid aside."""
        for name, posted in self.memory.all("statement", StatementPosted):
            try:
                self.marketplace.client.send("POST", "/v1/statements", posted, key=name)
            except RemoteUnreachable:
                return
            except RemoteRefusal as refusal:
                if not refusal.is_final:
                    return
                self.memory.put("statement_refused", name, posted)
            self.memory.forget("statement", name)
