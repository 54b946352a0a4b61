"""Running certifications, and marking those that have run out."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from meterhall.marketplace.certification.models import Certification
from meterhall.marketplace.certification.service import RUN_S, announce, close_dead, run
from meterhall.marketplace.certification.service import lapse as lapse_certificates
from meterhall.web.platform import platform
from meterhall.web.work.engine import NotYet, every, works_on


@works_on(Certification, gettext_lazy("run the checks of a certification"), lease_s=RUN_S + 60)
def certify(row: Certification) -> None:
    """Announce the certifier, then run the checks; a run that was interrupted is run again."""
    if row.status == "pending":
        announce(row)
        raise NotYet(0.2)
    if row.status == "running":
        run(row)


@every(60)
def lapse() -> None:
    """Certificates end on their day; what the worker gave up is closed."""
    if platform().role == "marketplace":
        lapse_certificates()
        close_dead()
