"""ESPI 4.0 (NAESB REQ.21, Green Button): load curves as an Atom feed. Endpoints and OAuth live at the provider."""

from meterhall.formats.espi.reader import Apart, Loose, decode, decode_apart
from meterhall.formats.espi.writer import encode

__all__ = ["Apart", "Loose", "decode", "decode_apart", "encode"]
