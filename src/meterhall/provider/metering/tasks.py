"""Working files of readings into the lake, one after the other."""

from __future__ import annotations

from meterhall.provider.metering.models import IngestRun
from meterhall.provider.metering.service import lake, work_in
from meterhall.web.work.engine import NotYet, every, works_on
from meterhall.web.work.models import WorkState


@works_on(IngestRun, lease_s=900)
def ingest(run: IngestRun) -> None:
    """In the order the files came, so that a later correction is never overtaken by what it corrects."""
    if IngestRun.objects.filter(pk__lt=run.pk, work_state=WorkState.PENDING).exists():
        raise NotYet(0.1)
    work_in(run)


@every(3600)
def compact() -> None:
    """Rewrite crowded partitions of the lake."""
    lake().compact()
