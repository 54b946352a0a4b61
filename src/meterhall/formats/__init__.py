"""File formats of load curves: Parquet, Arrow, CSV, ESPI (Green Button), CIM, JSON lines. Usable on its own.

Each writes what a curve says and nothing else: the usage point's pseudonym, start and length of the slots, direction,
the exact value in Wh, its quality, when it became known. A missing value stays missing in all of them; zero is a value.

    >>> from datetime import UTC, datetime
    >>> import numpy as np
    >>> from meterhall.domain.readings import MISSING, LoadCurve, Series
    >>> from meterhall.formats import FORMATS, PartHeader
    >>> start, known = datetime(2026, 3, 29, 22, tzinfo=UTC), datetime(2026, 3, 30, 5, tzinfo=UTC)
    >>> values, quality = np.array([120, MISSING, 0]), np.array([17, 0, 8], np.uint8)
    >>> curve = LoadCurve(Series("meter-1", 900), start, values, quality, known)
    >>> blocks = FORMATS["csv"].encode([curve], PartHeader("dlv_1"))
    >>> print(b"".join(blocks).decode(), end="")
    usage_point,start,resolution,direction,energy_wh,quality,available_at
    meter-1,2026-03-29T22:00:00Z,PT15M,import,120,17,2026-03-30T05:00:00Z
    meter-1,2026-03-29T22:15:00Z,PT15M,import,,,2026-03-30T05:00:00Z
    meter-1,2026-03-29T22:30:00Z,PT15M,import,0,8,2026-03-30T05:00:00Z
    >>> feed = b"".join(FORMATS["espi"].encode([curve], PartHeader("dlv_1", default_zone="Europe/Madrid")))
    >>> [(len(read), int(read.present.sum())) for read in FORMATS["espi"].decode(feed)]
    [(3, 2)]

Curves of civil days, weeks and months (`domain.readings.CivilCurve`) go through the same doors.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meterhall.formats import arrow, cim, csv_rows, espi, json_lines, json_rows, parquet
from meterhall.formats.base import Block, DecodeError, EncodeError, FileTooLarge, Format, PartHeader

FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        form.name: form
        for form in (
            Format("parquet", "application/vnd.apache.parquet", "parquet", parquet.encode, parquet.decode, 8),
            Format("arrow", "application/vnd.apache.arrow.stream", "arrows", arrow.encode, arrow.decode, 48),
            Format("csv", "text/csv", "csv", csv_rows.encode, csv_rows.decode, 112),
            Format("espi", "application/atom+xml", "xml", espi.encode, espi.decode, 200),
            Format("cim", "application/xml", "xml", cim.encode_xml, cim.decode_xml, 304),
            Format("cim_json", "application/json", "json", cim.encode_json, cim.decode_json, 208),
            Format("jsonl", "application/x-ndjson", "jsonl", json_lines.encode, json_lines.decode, 24),
            Format("jsonl_rows", "application/x-ndjson", "jsonl", json_rows.encode, json_rows.decode, 208),
        )
    }
)
"""The formats by the names offers and data requests use."""

__all__ = ["FORMATS", "Block", "DecodeError", "EncodeError", "FileTooLarge", "Format", "PartHeader"]
