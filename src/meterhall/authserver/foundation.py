"""What the kit takes from Authlib, which carries no annotations: its classes as `Any`, in one place."""

from __future__ import annotations

from typing import Any

from authlib.oauth2 import OAuth2Error as _OAuth2Error
from authlib.oauth2 import rfc6749, rfc7523, rfc7636
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.grants.base import BaseGrant as _BaseGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

OAuth2Error = _OAuth2Error
"""An exception has to be a class to the type checker, too."""

Dispatcher: Any = rfc6749.AuthorizationServer
Endpoint: Any = rfc6749.Endpoint
EndpointRequest: Any = rfc6749.EndpointRequest
OAuth2Request: Any = rfc6749.OAuth2Request
Payload: Any = BasicOAuth2Payload
ClientMixin: Any = rfc6749.ClientMixin
CodeMixin: Any = rfc6749.AuthorizationCodeMixin
BaseGrant: Any = _BaseGrant
ClientCredentialsGrant: Any = grants.ClientCredentialsGrant
AuthorizationCodeGrant: Any = grants.AuthorizationCodeGrant
CodeChallenge: Any = rfc7636.CodeChallenge
Assertion: Any = rfc7523.JWTBearerClientAssertion
