"""Readings: what a value is, in which series, of which quality. No storage and no file format lives here."""

from meterhall.domain.readings.curves import MISSING, Direction, LoadCurve, Quality, Series

__all__ = ["MISSING", "Direction", "LoadCurve", "Quality", "Series"]
