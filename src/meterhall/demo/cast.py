"""Who takes part in the demo, and which household gets into which trouble. Everybody and every POD is fictitious."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

from meterhall.demo.meters import END_DAY, FIRST_DAY, load
from meterhall.domain.identifiers import demonstration_gln
from meterhall.domain.pods import DEMONSTRATION_OPERATOR, demonstration_pod
from meterhall.domain.protocol.base import FormatName

Proof = Literal["card", "word", "none", "page"]
"""How a household consents: by signature card; not, but the requester says so; not at all; on the provider's page."""

MOVED_IN: Final = date(2016, 11, 1)
MISSING_DAY: Final = date(2016, 10, 12)
CORRECTED_DAY: Final = date(2016, 12, 5)
PURPOSE: Final = "Energy advice from your own load curve"
SANDBOX_NUMBER: Final = 90_000_001


@dataclass(frozen=True, slots=True)
class Household:
    """One point of delivery, its holder, and the real meter behind it."""

    pod: str
    meter: str
    holder: str
    proof: Proof = "card"
    previous_holder: str | None = None
    is_missing_a_day: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """A fictitious grid operator."""

    key: str
    name: str
    country: str
    zone: str
    scheme: str
    coverage: tuple[str, str]
    data: str
    format: FormatName
    transmission: Literal["pull", "push"]
    legal_id: str
    households: tuple[Household, ...]
    standing: bool = False
    """Whether contracts are signed under a standing acceptance, at once; else its signer signs each."""

    @property
    def sandbox_pod(self) -> str:
        return demonstration_pod(self.scheme, SANDBOX_NUMBER).value

    @property
    def meters(self) -> Mapping[str, str]:
        """Meter's name → POD."""
        return {home.meter: home.pod for home in self.households}


def _homes(scheme: str, meters: tuple[str, ...]) -> list[Household]:
    return [
        Household(demonstration_pod(scheme, number).value, meter, f"{scheme}-HOLDER-{number:03d}")
        for number, meter in enumerate(meters, 1)
    ]


def operators() -> tuple[Operator, ...]:
    """The three operators with their households; the last ones of each list are the ones in trouble."""
    belgian, american = load("opengrid_2016").names, load("citylearn").names
    italy, spain, belgium = _homes("IT", american), _homes("ES", belgian[12:]), _homes("BE", belgian[:12])
    italy[-2] = replace(italy[-2], proof="word")
    italy[-1] = replace(italy[-1], proof="none")
    spain[-2] = replace(spain[-2], previous_holder="ES-HOLDER-105")
    spain[-1] = replace(spain[-1], is_missing_a_day=True)
    belgium[-2] = replace(belgium[-2], proof="page")
    belgium[-1] = replace(belgium[-1], proof="page")
    prefix = DEMONSTRATION_OPERATOR["BE"]
    return (
        Operator(
            "italy", "Rete Dimostrativa (fictitious)", "IT", "Europe/Rome", "IT", ("operator_code", "999"),
            "citylearn", "parquet", "pull", demonstration_gln(11).value, tuple(italy),
        ),
        Operator(
            "spain", "Red de Demostración (fictitious)", "ES", "Europe/Madrid", "ES", ("operator_code", "9999"),
            "opengrid_2016", "csv", "push", demonstration_gln(12).value, tuple(spain),
        ),
        Operator(
            "belgium", "Demonet Brussel (fictitious)", "BE", "Europe/Brussels", "BE", ("identifier_prefix", prefix),
            "opengrid_2016", "espi", "pull", demonstration_gln(13).value, tuple(belgium), standing=True,
        ),
    )  # fmt: skip


TYPO_POD: Final = "ES9999000000000001ZZ"
"""A CUPS whose check letters are wrong."""
STRANGE_POD: Final = "IT998E00000001"
"""A well-formed Italian POD whose operator code stands in no table and no coverage."""
PERIOD: Final = (FIRST_DAY, END_DAY)
REQUESTER_LEGAL_ID: Final = demonstration_gln(21).value
