"""Refusals of the authorization server (RFC 6749, section 5.2) and of the resource server (RFC 9449, section 7.1).

OAuth2Error (Authlib)
└── Refusal             `error` is OAuth's word, `code` says more exactly what is wrong
    ├── InvalidRequest, InvalidClient, InvalidGrant, InvalidScope, InvalidDetails
    └── TokenProblem    at the token endpoint or at a resource
        ├── InvalidProof
        ├── NonceNeeded
        ├── TokenMissing
        └── InvalidToken
"""

from __future__ import annotations

from meterhall.authserver.foundation import OAuth2Error

DPOP_ALGORITHMS = ("Ed25519", "EdDSA", "ES256")
"""Signature algorithms of proofs. Assertions are made with players' transport keys, which are Ed25519."""


OF_AUTHLIB = {
    "unsupported_grant_type": "The grant is not one of `grant_types_supported` in the metadata.",
    "unsupported_response_type": "The response type is not one of `response_types_supported` in the metadata.",
}
"""What Authlib refuses by itself: OAuth's word, which is the code as well, and the sentence."""


class Refusal(OAuth2Error):
    """`code` is stable and finer than OAuth's `error`."""

    error = "invalid_request"
    code = "invalid_request"
    description = "The request is not valid."

    def __init__(self, description: str = "", *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(description=description or self.description)  # type: ignore[no-untyped-call]
        self.code = code or self.code
        self.field = field


class InvalidRequest(Refusal):
    pass


class InvalidClient(Refusal):
    error = "invalid_client"
    code = "invalid_client"
    description = "The client is not known here, or did not show that it is who it says."
    status_code = 401


class InvalidGrant(Refusal):
    error = "invalid_grant"
    code = "invalid_grant"
    description = "The code is not valid."


class InvalidScope(Refusal):
    error = "invalid_scope"
    code = "invalid_scope"
    description = "The client may not have this scope."


class InvalidDetails(Refusal):
    error = "invalid_authorization_details"
    code = "invalid_authorization_details"
    description = "The authorization details are not valid."


class NotNow(Refusal):
    error = "temporarily_unavailable"
    code = "unavailable"
    description = "Not available right now."
    status_code = 503


class TokenProblem(Refusal):
    """Something is wrong with a token or the proof beside it."""


class InvalidProof(TokenProblem):
    error = "invalid_dpop_proof"
    code = "invalid_dpop_proof"
    description = "The DPoP proof does not fit this request."


class NonceNeeded(TokenProblem):
    error = "use_dpop_nonce"
    code = "use_dpop_nonce"
    description = "The DPoP proof needs the nonce given with this answer."


class TokenMissing(TokenProblem):
    error = "invalid_token"
    code = "token_missing"
    description = "This call needs an access token: Authorization: DPoP <token>."


class InvalidToken(TokenProblem):
    error = "invalid_token"
    code = "invalid_token"
    description = "The access token is not valid here, or not any more."
