"""Refusals of calls whose token or proof is not right (401), with the challenge RFC 9449 wants beside.

NotAuthenticated      401
└── Challenged        answered with WWW-Authenticate and, where needed, DPoP-Nonce
    ├── TokenMissing  no token
    ├── InvalidToken  unknown, over, or its client is stopped
    ├── InvalidProof  the DPoP proof does not fit
    └── NonceNeeded   the proof needs the nonce given with the answer
"""

from __future__ import annotations

from typing import ClassVar, Final

from meterhall.authserver.errors import DPOP_ALGORITHMS, TokenProblem
from meterhall.domain.errors import NotAuthenticated


class Challenged(NotAuthenticated):
    """`reason` says it more exactly than `code`; `header` is the one at fault; `nonce` is for the next proof."""

    oauth_error: ClassVar[str] = ""
    header: ClassVar[str] = "Authorization"

    def __init__(self, detail: str = "", *, reason: str = "", nonce: str = "") -> None:
        members = {"reason": reason} if reason and reason != self.code else None
        super().__init__(detail, field=f"/{self.header}", members=members)
        self.nonce = nonce

    def headers(self) -> dict[str, str]:
        """`WWW-Authenticate`, and `DPoP-Nonce` where there is one."""
        error = f'error="{self.oauth_error}", error_description="{self.title}", ' if self.oauth_error else ""
        challenge = {"WWW-Authenticate": f'DPoP {error}algs="{" ".join(DPOP_ALGORITHMS)}"'}
        return challenge | ({"DPoP-Nonce": self.nonce} if self.nonce else {})


class TokenMissing(Challenged):
    code = "token_missing"
    title = "This call needs an access token: Authorization: DPoP <token>."


class InvalidToken(Challenged):
    code = "invalid_token"
    title = "The access token is not valid here, or not any more."
    oauth_error = "invalid_token"


class InvalidProof(Challenged):
    code = "invalid_dpop_proof"
    title = "The DPoP proof does not fit this request."
    oauth_error = "invalid_dpop_proof"
    header = "DPoP"


class NonceNeeded(Challenged):
    code = "use_dpop_nonce"
    title = "The DPoP proof needs the nonce given with this answer."
    oauth_error = "use_dpop_nonce"
    header = "DPoP"


BY_ERROR: Final[dict[str, type[Challenged]]] = {
    "invalid_token": InvalidToken,
    "invalid_dpop_proof": InvalidProof,
    "use_dpop_nonce": NonceNeeded,
}


def challenged(fault: TokenProblem, nonce: str) -> Challenged:
    """The refusal of a call for a fault the kit found."""
    if fault.code == TokenMissing.code:
        return TokenMissing(nonce=nonce)
    return BY_ERROR[fault.error](fault.description, reason=fault.code, nonce=nonce)
