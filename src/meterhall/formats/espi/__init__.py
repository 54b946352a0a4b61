"""ESPI 4.0 (NAESB REQ.21, Green Button): load curves as an Atom feed. Endpoints and OAuth live at the provider."""

from meterhall.formats.espi.reader import decode
from meterhall.formats.espi.writer import encode

__all__ = ["decode", "encode"]
