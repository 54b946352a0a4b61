"""Meterhall: the open EU market hall for smart-metering data services."""

__version__ = "0.1.0"
