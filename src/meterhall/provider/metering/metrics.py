"""Figures of ingest: rows that came, rows set aside, and files refused as a whole."""

from __future__ import annotations

from django.db.models import Sum

from meterhall.provider.metering.models import IngestRun
from meterhall.web.metrics import at_scrape, gauge

ROWS = gauge("meterhall_ingest_rows", "Rows of readings handed in so far: stored, or set aside by a rule.", "result")
REFUSED = gauge("meterhall_ingest_refused", "Files of readings refused as a whole.")


@at_scrape
def ingest() -> None:
    found = IngestRun.objects.aggregate(rows=Sum("rows", default=0), aside=Sum("quarantined", default=0))
    ROWS.labels("stored").set(found["rows"] - found["aside"])
    ROWS.labels("set_aside").set(found["aside"])
    REFUSED.set(IngestRun.objects.exclude(problem="").count())
