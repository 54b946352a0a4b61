"""The resource server's side of DPoP (RFC 9449, section 7): whose call is it, and for which scopes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from meterhall.authserver.access_tokens import Access, read
from meterhall.authserver.calls import Call
from meterhall.authserver.dpop import check_proof
from meterhall.authserver.errors import InvalidProof, InvalidToken, TokenMissing
from meterhall.authserver.nonces import Nonces
from meterhall.authserver.stores import ClientStore, ReplayStore
from meterhall.domain.protocol.keys import SigningKey


class ResourceServer:
    """Checks calls that show an access token issued by `issuer` with `key`."""

    def __init__(
        self,
        issuer: str,
        key: SigningKey,
        clients: ClientStore,
        replays: ReplayStore,
        nonces: Nonces,
        clock: Callable[[], datetime],
    ) -> None:
        self._issuer = issuer
        self._key = key
        self._clients = clients
        self._replays = replays
        self._nonces = nonces
        self._clock = clock

    def access(self, call: Call) -> Access:
        """Who is calling, with the scopes that both the token and the client's row hold now.

        The row is read on each call, so that a suspended client's tokens stop at once. Raises `TokenProblem`s.
        """
        kind, _, token = (call.headers.get("Authorization") or "").partition(" ")
        if kind.lower() != "dpop" or not token:
            raise TokenMissing
        now = self._clock()
        access = read(token, self._issuer, self._key, now)
        proof = check_proof(call, self._nonces, now, token=token)
        if proof.jkt != access.jkt:
            raise InvalidProof("The access token is bound to another key than the proof's.", code="dpop_key_mismatch")
        client = self._clients.find(access.client_id)
        if client is None:
            raise InvalidToken("The client may have no access now.", code="client_stopped")
        if not self._replays.first_time(proof.mark, proof.until):
            raise InvalidProof("This DPoP proof was used before.", code="proof_replayed")
        return Access(access.client_id, tuple(scope for scope in access.scopes if scope in client.scopes), access.jkt)
