"""What the Market Place tells about our certificate."""

from __future__ import annotations

from meterhall.domain.protocol.events import CertificationFinished, Event
from meterhall.provider.offers.service import certification
from meterhall.web.messaging.handlers import on


@on("certification.finished", CertificationFinished)
def finished(event: Event, data: CertificationFinished) -> None:
    """A conformance run is over: fetch what it found."""
    certification(data.certification_id)
