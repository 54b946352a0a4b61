"""An OAuth 2.x authorization and resource server kit for machines that hold keys, free of any web framework.

Client credentials and authorization code, both with private_key_jwt (RFC 7523) and DPoP (RFC 9449) and nothing weaker;
PKCE (RFC 7636), pushed requests (RFC 9126), `metering_data` details (RFC 9396), JWT access tokens (RFC 9068), issuer
identification (RFC 9207), metadata (RFC 8414). Dispatch, grants and PKCE stand on Authlib; what it lacks is here.

    server = AuthorizationServer(Settings(issuer="https://grid.example", ...), stores, clock)
    answer = server.token(Call("POST", "https://grid.example/oauth/token", headers, form))

What is stored is behind the small protocols in `stores`.
"""

from meterhall.authserver.access_tokens import Access
from meterhall.authserver.calls import Answer, Call
from meterhall.authserver.errors import TokenProblem
from meterhall.authserver.nonces import Nonces
from meterhall.authserver.resource import ResourceServer
from meterhall.authserver.server import AuthorizationServer, Settings
from meterhall.authserver.stores import Stores

__all__ = [
    "Access",
    "Answer",
    "AuthorizationServer",
    "Call",
    "Nonces",
    "ResourceServer",
    "Settings",
    "Stores",
    "TokenProblem",
]
