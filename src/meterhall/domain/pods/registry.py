"""The registry of schemes: all of them in one tuple, and by code. Grammar and checks live in the families' modules."""

from __future__ import annotations

from typing import Final

from meterhall.domain.pods import bare_number, cups, eic_point, gsrn, italy, metering_code
from meterhall.domain.pods.scheme import Scheme

SCHEMES: Final[tuple[Scheme, ...]] = (
    *italy.SCHEMES,
    *cups.SCHEMES,
    *metering_code.SCHEMES,
    *gsrn.SCHEMES,
    *bare_number.SCHEMES,
    *eic_point.SCHEMES,
)
BY_CODE: Final = {scheme.code: scheme for scheme in SCHEMES}
