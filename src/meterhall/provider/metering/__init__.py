"""Meter data: series, ingest runs, quarantine; the values themselves are in the lake."""
