"""Reading what a grid operator hands in: any described file, in blocks of bounded size. Storing it is the service's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from meterhall.domain.readings.granularity import Granularity
from meterhall.provider.metering.intake.blocks import BadReadingsFile, Block
from meterhall.provider.metering.intake.curves import OF_CURVES, read_curves
from meterhall.provider.metering.intake.profile import (
    PLAIN,
    BadProfile,
    Profile,
    UnknownProfile,
    check_fits,
    load_profile,
    profile_of,
)
from meterhall.provider.metering.intake.rows import read_table
from meterhall.provider.metering.intake.tables import TABLES

ESPI = re.compile(rb"http://(www\.w3\.org/2005/Atom|naesb\.org/espi)")
CIM_JSON = re.compile(rb'(\[\s*)?\{\s*"(messageDocumentHeader\.[A-Za-z.]+|MarketDocument)"')


def format_of(path: Path) -> str:
    """The format of a file by its content: csv, parquet, arrow, jsonl, espi, cim or cim_json."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:6] == b"ARROW1" or head[:4] == b"\xff\xff\xff\xff":
        return "arrow"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"<":
        return "espi" if ESPI.search(text) else "cim"
    if CIM_JSON.match(text):
        return "cim_json"
    return "jsonl" if text[:1] == b"{" else "csv"


def read_blocks(path: Path, profile: Profile, grain: Granularity) -> Iterator[Block]:
    """The rows of a file as its profile describes it, block by block, every row in one of them.

    Raises `BadReadingsFile` where the file as a whole cannot be read; a row that cannot be read says so itself.
    """
    form = profile.format or format_of(path)
    return (read_table if form in TABLES else read_curves)(path, form, profile, grain)


__all__ = [
    "OF_CURVES",
    "PLAIN",
    "BadProfile",
    "BadReadingsFile",
    "Block",
    "Profile",
    "UnknownProfile",
    "check_fits",
    "format_of",
    "load_profile",
    "profile_of",
    "read_blocks",
]
