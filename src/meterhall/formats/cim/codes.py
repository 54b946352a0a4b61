"""The code lists of CIM ValidatedHistoricalData 1.04 (ENTSO-E, IEC 62325-451) as far as load curves need them.

CIM has six codes and ESPI fourteen. Where the code alone would be read as another quality, the `Period` gives ours in
words beside it: `reason.code` A95 (complementary information), `reason.text` "ESPI quality 9".
"""

from __future__ import annotations

from typing import Final

import numpy as np

from meterhall.domain.readings import Direction, Quality

NAMESPACE: Final = "https//eddie.energy/CIM/VHD_v1.04"
"""As the schema has it: there is no colon."""
MEASUREMENT, ACCESS_TO_METERED_DATA, ACTIVE_ENERGY = "A45", "A74", "8716867000030"
ACTIVE_POWER: Final = "8716867000016"
"""What peers often write beside a unit of energy."""
DELTA, NOT_AVAILABLE, COMPLEMENTARY = "4", "A02", "A95"
METERED_DATA_ADMINISTRATOR, ENERGY_SERVICE_COMPANY = "A58", "A45"
UNITS: Final = {"KWH": 3, "MWH": 6, "GWH": 9}
"""Power of ten of a unit, in Wh. There is no code for Wh."""

NET: Final = "A07"
"""Net production and consumption: production is positive. Ours is the other way round."""
UP, DOWN, BOTH = "A01", "A02", "A03"
BUSINESS: Final = {Direction.IMPORT: "A04", Direction.EXPORT: "A01", Direction.NET: NET}
FLOW: Final = {Direction.IMPORT: DOWN, Direction.EXPORT: UP, Direction.NET: BOTH}

QUALITY_WRITTEN: Final = {
    Quality.VALID: "A04",
    Quality.MANUALLY_EDITED: "A01",
    Quality.ESTIMATED_REFERENCE_DAY: "A03",
    Quality.ESTIMATED_INTERPOLATION: "A03",
    Quality.QUESTIONABLE: "A05",
    Quality.DERIVED: "A06",
    Quality.PROJECTED: "A03",
    Quality.MIXED: "A06",
    Quality.RAW: "A04",
    Quality.NORMALISED: "A01",
    Quality.OTHER: "A04",
    Quality.VALIDATED: "A04",
    Quality.VERIFIED: "A04",
    Quality.REVENUE: "A04",
}
QUALITY_READ: Final = {
    "A01": Quality.MANUALLY_EDITED,
    "A02": Quality.QUESTIONABLE,
    "A03": Quality.ESTIMATED_REFERENCE_DAY,
    "A04": Quality.VALIDATED,
    "A05": Quality.QUESTIONABLE,
    "A06": Quality.DERIVED,
    "A07": Quality.QUESTIONABLE,
    "": Quality.VALIDATED,
}
"""A point without a quality is as provided; one with a value that is called not available (A02), or temporary (A07, in
later versions), is in doubt."""
SPOKEN: Final = "ESPI quality "
"""How the text of a reason names a quality of ours."""
UNSPOKEN: Final = 255
SPOKEN_FOR: Final = np.full(256, UNSPOKEN, np.uint8)
"""By our quality: the same where CIM's code does not say it all, else `UNSPOKEN`."""
for _quality, _code in QUALITY_WRITTEN.items():
    if QUALITY_READ[_code] != _quality:
        SPOKEN_FOR[_quality] = _quality

_NATIONAL: Final = (
    "AD AL AM AT AU AZ BA BE BG CA CH CS CY CZ DE DK EE ES FI FR GB GE GI GR HR HU IE IT KG KZ LI LT LU LV MA MD MK NL"
    " NO NZ PL PT RO RU SE SI SK TR UA US"
)
COUNTRIES: Final = frozenset(_NATIONAL.split())
"""Those whose national coding scheme (`N` and the country) is in the list of version 1.04."""
