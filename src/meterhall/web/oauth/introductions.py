"""The `attestation` beside a token request: the Market Place's word by which a platform takes in a client it meets."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from meterhall.authserver import Call
from meterhall.authserver.errors import InvalidClient, InvalidRequest, NotNow
from meterhall.domain.errors import MeterhallError

Hook = Callable[[str, str], None]
_hooks: list[Hook] = []


def on_attestation(hook: Hook) -> None:
    """Register what this platform does with an attestation: `hook(client_id, jws)`, before the client is looked up.

    A refusal (`MeterhallError`) it raises refuses the token, under its own code.
    """
    if hook not in _hooks:
        _hooks.append(hook)


def introduce(call: Call) -> None:
    """Hand the attestation of a call, if it has one, to the hooks."""
    attestation = _only(call, "attestation")
    if not attestation:
        return
    client_id = _only(call, "client_id")
    if not client_id:
        raise InvalidRequest("An attestation comes with the client_id it speaks of.", field="/client_id")
    for hook in _hooks:
        try:
            hook(client_id, attestation)
        except ValidationError:
            raise InvalidClient(
                "The attestation cannot be read.", code="bad_attestation", field="/attestation"
            ) from None
        except MeterhallError as fault:
            kind = NotNow if fault.status >= 500 else InvalidClient
            raise kind(fault.detail, code=fault.code, field=fault.field) from fault


def _only(call: Call, name: str) -> str:
    return next(iter(call.form.get(name, [])), "")
