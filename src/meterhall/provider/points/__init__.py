"""Metering points: the POD, its zone and area, and who held it from when until when."""
