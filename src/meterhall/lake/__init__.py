"""The meter-data lake: ingest, query, calculate."""

from meterhall.domain.readings.days import DayBlock
from meterhall.domain.readings.rows import Rows, SeriesSpec
from meterhall.lake.cursor import CursorExpired, InvalidCursor
from meterhall.lake.engine import EngineBlind, EngineUnavailable
from meterhall.lake.lake import Ingested, Lake, SeriesBlock, StaleVersion
from meterhall.lake.layout import ResolutionChanged
from meterhall.lake.table import LakeBusy

__all__ = [
    "CursorExpired",
    "DayBlock",
    "EngineBlind",
    "EngineUnavailable",
    "Ingested",
    "InvalidCursor",
    "Lake",
    "LakeBusy",
    "ResolutionChanged",
    "Rows",
    "SeriesBlock",
    "SeriesSpec",
    "StaleVersion",
]
