"""What a requester may ask a customer for: judged when the request is pushed, before anybody is sent to a page."""

from __future__ import annotations

from collections.abc import Callable

from meterhall.authserver.errors import InvalidDetails
from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.consents import MeteringDataDetail

Check = Callable[[str, tuple[MeteringDataDetail, ...]], None]
_checks: list[Check] = []


def on_details(check: Check) -> None:
    """Register what details are held against here: `check(client_id, details)`; a refusal it raises refuses them."""
    if check not in _checks:
        _checks.append(check)


def check_details(client_id: str, details: tuple[MeteringDataDetail, ...]) -> None:
    """Ask all that registered. Raises `InvalidDetails` under the refusal's own code and field."""
    for check in _checks:
        try:
            check(client_id, details)
        except MeterhallError as fault:
            raise InvalidDetails(fault.detail, code=fault.code, field=fault.field) from fault
