"""Working files of readings into the lake, one after the other."""

from __future__ import annotations

from pathlib import Path

import structlog
from django.utils.translation import gettext_lazy

from meterhall.domain.errors import MeterhallError
from meterhall.provider.metering.drop_folder import look_into
from meterhall.provider.metering.drop_storage import look_elsewhere
from meterhall.provider.metering.models import Decision, IngestRun
from meterhall.provider.metering.release import carry_out
from meterhall.provider.metering.service import clear_unfinished, lake
from meterhall.provider.metering.working import work_in
from meterhall.web.platform import platform
from meterhall.web.storage import is_elsewhere
from meterhall.web.work.engine import LONG_S, NotYet, every, works_on
from meterhall.web.work.models import WorkState

log = structlog.get_logger(__name__)


@works_on(IngestRun, gettext_lazy("work in a file of readings"), lease_s=LONG_S)
def ingest(run: IngestRun) -> None:
    """In the order the files came, so that a later correction is never overtaken by what it corrects."""
    if IngestRun.objects.filter(pk__lt=run.pk, work_state=WorkState.PENDING).exists():
        raise NotYet(0.1)
    work_in(run)


@works_on(Decision, gettext_lazy("let rows in that were released"), lease_s=900)
def release(decision: Decision) -> None:
    """Let rows in that somebody looked into."""
    carry_out(decision)


@every(2)
def look_into_drop_folder() -> None:
    """Take what the meter-data system dropped, where a folder is set."""
    folder = platform().config.drop_folder
    if folder and not is_elsewhere(folder):
        look_into(Path(folder))


@every(15)
def look_into_drop_storage() -> None:
    """The same of a folder over SFTP or in a bucket. What hinders is logged, and tried again next time."""
    folder = platform().config.drop_folder
    if folder and is_elsewhere(folder):
        try:
            look_elsewhere(folder)
        except MeterhallError as refusal:
            log.warning("drop_folder.unreachable", code=refusal.code)


@every(3600)
def compact() -> None:
    """Rewrite crowded partitions of the lake."""
    lake().compact()


@every(3600)
def clear() -> None:
    """Remove files that were never taken whole."""
    clear_unfinished()
