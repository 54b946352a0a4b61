"""Calls about the log: post statements, read checkpoint, tiles and proofs, cosign."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from meterhall.domain.market.texts import TextHoldsPod
from meterhall.domain.protocol.base import Page
from meterhall.domain.protocol.keys import BadSignature
from meterhall.domain.protocol.log import ConsistencyProof, LogCosignature, LoggedStatement, ProofFile
from meterhall.domain.protocol.statements import LogReceipt, StatementPosted
from meterhall.domain.transparency.errors import BadNote, BadTilePath, OutsideTree
from meterhall.marketplace.ledger.matters import ForeignMatter, UnknownAbout, UnknownMatter
from meterhall.marketplace.ledger.service import (
    BadStatement,
    ForeignStatement,
    StatementExists,
    UnknownEntry,
    UnknownParty,
    UnknownTransaction,
    WrongEnvironment,
    logged,
    post_statement,
    proof_file,
    statements_of,
)
from meterhall.marketplace.ledger.tree import (
    LogBroken,
    UnknownCheckpoint,
    UnknownTile,
    consistency,
    cosigned_note,
    latest,
    take_cosignature,
    tile,
)
from meterhall.web.api import endpoint, page
from meterhall.web.security import TokenAuth, caller

STATEMENT_REFUSALS = (
    BadSignature, BadStatement, ForeignStatement, WrongEnvironment, UnknownParty, TextHoldsPod, StatementExists,
    ForeignMatter, UnknownAbout, UnknownMatter,
)  # fmt: skip


def add_ledger(api: NinjaAPI) -> None:
    """Publish the calls."""
    _add_log(api)
    _add_statements(api, TokenAuth("market"))


def _add_log(api: NinjaAPI) -> None:
    """What anyone may read: the log itself, which says nothing of what was stated."""

    @endpoint(api, "GET", "/checkpoint", response=str, step="log", refuses=(LogBroken,), gives="text/plain")
    def get_checkpoint(request: HttpRequest) -> Any:
        """The newest checkpoint with its cosignatures (C2SP tlog-checkpoint)."""
        note = str(cosigned_note(latest()))
        return HttpResponse(note, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})

    @endpoint(api, "GET", "/tile/{path:place}", response=bytes, step="log", refuses=(BadTilePath, UnknownTile),
              gives="application/octet-stream")  # fmt: skip
    def get_tile(request: HttpRequest, place: str) -> Any:
        """A tile of hashes or a bundle of entries (C2SP tlog-tiles)."""
        return HttpResponse(
            tile(place),
            content_type="application/octet-stream",
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )

    @endpoint(api, "GET", "/v1/log/consistency", response=ConsistencyProof, step="log", refuses=(OutsideTree,))
    def get_consistency(request: HttpRequest, first: int, second: int) -> ConsistencyProof:
        """That the log of `first` entries is the beginning of the log of `second` (RFC 6962, 2.1.2)."""
        return consistency(first, second)


def _add_statements(api: NinjaAPI, market: TokenAuth) -> None:
    """What players post, and what only the parties may read."""

    @endpoint(api, "POST", "/v1/statements", response=LogReceipt, status=201, auth=market, step="statements",
              refuses=STATEMENT_REFUSALS)  # fmt: skip
    def post_statements(request: HttpRequest, body: StatementPosted) -> LogReceipt:
        """Notify the Market Place: a statement signed by the caller goes into the log."""
        return post_statement(body, caller(request))

    @endpoint(api, "GET", "/v1/transactions/{transaction}/statements", response=Page[LoggedStatement], auth=market,
              step="statements", refuses=(UnknownTransaction,))  # fmt: skip
    def get_transaction(
        request: HttpRequest, transaction: str, after: str | None = None, limit: int = 100
    ) -> Page[LoggedStatement]:
        """The statements of a transaction to whose parties the caller belongs, in the order of the log."""
        found = statements_of(transaction, caller(request))
        return page(found, logged, after=after, limit=limit, by="entry_id")

    @endpoint(api, "GET", "/v1/log/entries/{seq}/proof", response=ProofFile, auth=market, step="log",
              refuses=(UnknownEntry,))  # fmt: skip
    def get_proof(request: HttpRequest, seq: int) -> ProofFile:
        """The proof file of an entry, for its parties: `meterhall verify` checks it offline."""
        return proof_file(seq, caller(request))

    @endpoint(api, "POST", "/v1/log/cosignatures", response=None, status=204, auth=market, step="log",
              refuses=(UnknownCheckpoint, BadNote))  # fmt: skip
    def post_cosignature(request: HttpRequest, body: LogCosignature) -> None:
        """A witness has checked that the checkpoint goes on from all it saw before, and cosigns it."""
        take_cosignature(caller(request), body.size, body.line)
