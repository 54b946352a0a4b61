"""Metering-point master data from CIM AccountingPoint (AP) 1.04: POD, country, delivery address, class of customer.

What the document has no element for is not read out of it: grid area, zone, what the connection can carry, days of a
holder or of a meter. Contract parties and what is told of them are passed over: nobody here needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from meterhall.formats.base import DecodeError
from meterhall.formats.xml import clear, elements

NAMESPACE: Final = "htthttp://www.eddie.energy/AP/EDD04/20240422"
"""As the schema has it."""
_N: Final = f"{{{NAMESPACE}}}"
_STREET: Final = ("streetName", "buildingNumber", "staircaseNumber", "floorNumber", "doorNumber", "addressSuffix")
ELECTRICITY: Final = ("", "0", "1", "2")
"""`CommodityKind` as in ESPI 4.0: 0 none said, 1 electricity metered a second time, 2 electricity metered first."""


@dataclass(frozen=True, slots=True)
class AccountingPoint:
    """A point as the document says it; a text is empty, and `country` None, where nothing is said.

    `field` is the pointer to its element. `class_of_customer` is the load profile, which names it (`H0`, `G0`, …).
    """

    field: str
    pod: str
    country: str | None
    postal_code: str
    municipality: str
    address: str
    class_of_customer: str
    has_address: bool


def read_accounting_points(source: bytes | BinaryIO) -> Iterator[AccountingPoint]:
    """The electrical points of a document, one at a time; a document of any size is read in bounded memory.

    Raises `DecodeError` naming the element, also for a document type, entities, and a point of another commodity.
    """
    for number, element in enumerate(elements(source, (f"{_N}AccountingPoint",), root=f"{_N}AccountingPoint_Envelope")):
        yield _point(element, f"/AccountingPoint/{number}")
        clear(element)


def _text(element: Any, path: str) -> str:
    return " ".join((element.findtext("/".join(f"{_N}{name}" for name in path.split("/"))) or "").split())


def _point(element: Any, at: str) -> AccountingPoint:
    pod = _text(element, "mRID/value")
    if not pod:
        raise DecodeError("A point has no identifier.", field=f"{at}/mRID/value")
    if _text(element, "commodity") not in ELECTRICITY:
        raise DecodeError("The point is not one of electricity.", field=f"{at}/commodity")
    scheme = _text(element, "mRID/codingScheme")
    where = _delivery(element, at)
    parts = [] if where is None else [text for name in _STREET if (text := _text(where, name))]
    return AccountingPoint(
        field=at,
        pod=pod,
        country=scheme[1:] if len(scheme) == 3 and scheme.startswith("N") else None,
        postal_code="" if where is None else _text(where, "postalCode"),
        municipality="" if where is None else _text(where, "cityName"),
        address=" ".join(parts),
        class_of_customer=_text(element, "loadProfileType"),
        has_address=where is not None,
    )


def _delivery(element: Any, at: str) -> Any:
    """The address where the energy is delivered: where the bill goes is another."""
    path = f"{_N}AddressList/{_N}Address"
    found = [one for one in element.iterfind(path) if _text(one, "addressRole") == "delivery"]
    if len(found) > 1:
        raise DecodeError("A point has two addresses of delivery.", field=f"{at}/AddressList")
    return found[0] if found else None
