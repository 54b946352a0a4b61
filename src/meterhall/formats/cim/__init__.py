"""CIM ValidatedHistoricalData 1.04 (IEC 62325-451 as the EDDIE framework profiles it), in XML and in its JSON twin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meterhall.domain.readings import Curve
from meterhall.formats.base import Block, PartHeader
from meterhall.formats.cim import writer
from meterhall.formats.cim.json_reader import decode as decode_json
from meterhall.formats.cim.json_text import JsonText
from meterhall.formats.cim.xml_reader import decode as decode_xml
from meterhall.formats.cim.xml_text import XmlText


def encode_xml(curves: Iterable[Curve], header: PartHeader) -> Iterator[Block]:
    """The document in XML in blocks. Raises `EncodeError`."""
    return writer.encode(curves, header, XmlText())


def encode_json(curves: Iterable[Curve], header: PartHeader) -> Iterator[Block]:
    """The document in JSON in blocks. Raises `EncodeError`."""
    return writer.encode(curves, header, JsonText())


__all__ = ["decode_json", "decode_xml", "encode_json", "encode_xml"]
