"""Building, pushing, scheduling and superseding deliveries in the background."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.events import Event, PlayerChanged
from meterhall.provider.deliveries.areas import freeze_begun
from meterhall.provider.deliveries.build import build, sweep
from meterhall.provider.deliveries.changed import changed_points
from meterhall.provider.deliveries.follow import close_ended, follow_ends, follow_values
from meterhall.provider.deliveries.models import Delivery, PushJob
from meterhall.provider.deliveries.push import push_version
from meterhall.provider.deliveries.retention import expire_files, sweep_over
from meterhall.provider.deliveries.schedules import run_schedules
from meterhall.provider.deliveries.service import supersede
from meterhall.web.messaging.handlers import on
from meterhall.web.platform import platform
from meterhall.web.work.engine import LONG_S, NotYet, every, works_on
from meterhall.web.work.models import WorkState


@works_on(Delivery, gettext_lazy("build a delivery"), lease_s=LONG_S)
def build_delivery(delivery: Delivery) -> None:
    """Build the next version; a refusal ends a delivery that has none, with its code."""
    try:
        build(delivery)
    except MeterhallError as refusal:
        if refusal.status >= 500:
            raise
        Delivery.objects.filter(pk=delivery.pk, version=0).update(state="refused", code=refusal.code)
        sweep(delivery)
        return
    # Read anew, not refreshed: by the lease on its own row the worker sees whether somebody asked again meanwhile.
    if changed_points(Delivery.objects.get(pk=delivery.pk)):
        raise NotYet(0.1)


@works_on(PushJob, gettext_lazy("put a delivery into a repository"), lease_s=900)
def push(job: PushJob) -> None:
    """Put a version into the contract's repository."""
    push_version(job)


@on("player.admitted", PlayerChanged)
def admitted(event: Event, data: PlayerChanged) -> None:
    """A requester was let in again: what was corrected, revoked or kept back from a push meanwhile is delivered now."""
    mine = Delivery.objects.filter(requester=data.player.access_number)
    supersede(mine)
    kept_back = PushJob.objects.filter(version__delivery__in=mine, pushed_at=None, work_state=WorkState.DONE)
    kept_back.update(work_state=WorkState.PENDING, due_at=platform().now(), attempts=0)


@every(1)
def follow_consents() -> None:
    """When something ended: write it down, and supersede what was delivered under it."""
    follow_ends()


@every(2)
def follow_readings() -> None:
    """When delivered values changed: supersede those deliveries, so that the requester gets the correction."""
    follow_values()


@every(60)
def schedules() -> None:
    """Create the scheduled deliveries whose day, week or month is over and whose readings are in."""
    run_schedules()


@every(3600)
def groups() -> None:
    """Settle who is in a group in the month that has begun."""
    freeze_begun()


@every(3600)
def retention() -> None:
    """Remove what is kept no longer; and the files of deliveries whose activation has ended."""
    close_ended()
    expire_files()
    sweep_over()
