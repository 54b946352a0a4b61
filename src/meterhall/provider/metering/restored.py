"""After a restore: the lake may know files of readings that the database does not, since it was copied after it."""

from __future__ import annotations

from meterhall.provider.metering.models import IngestRun
from meterhall.provider.metering.service import lake
from meterhall.web.backup import after_restore
from meterhall.web.platform import platform
from meterhall.web.work.models import WorkState


@after_restore
def count_on() -> None:
    """Files to come are numbered after every one the lake has: with a number it knows, it would take none of them."""
    last = lake().last_transaction("ingest") or 0
    newest = IngestRun.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    now = platform().now()
    for number in range(newest + 1, last + 1):
        IngestRun.objects.create(
            pk=number, file="", digest=f"restored-{number}", resolution_s=0, received_at=now, finished_at=now,
            due_at=now, work_state=WorkState.DONE, problem="Read before the restore.",
        )  # fmt: skip
