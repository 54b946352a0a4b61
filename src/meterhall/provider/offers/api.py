"""Back-office calls about our offers and our certificate."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.client.b2b import RemoteRefusal, RemoteUnreachable
from meterhall.domain.protocol.offers import CertificationView, Offer, OfferView, Profile
from meterhall.provider.deliveries.learner import ForecastMissing
from meterhall.provider.offers.service import certification, draft_offer, publish_offer, request_certification
from meterhall.web.api import endpoint
from meterhall.web.staff.service import StaffAuth

REMOTE = (RemoteRefusal, RemoteUnreachable)
OFFERED = (*REMOTE, ForecastMissing)


def add_offers(api: NinjaAPI) -> None:
    """Publish the calls. They are calls to the Market Place and no transaction of ours."""
    staff = StaffAuth()

    @endpoint(api, "POST", "/certifications", response=CertificationView, status=202, auth=staff, step="1 certify",
              refuses=REMOTE, calls_out=True)  # fmt: skip
    def post_certification(request: HttpRequest, body: Profile) -> CertificationView:
        """Ask for a conformance run against our endpoints, with sandbox PODs."""
        return request_certification(body)

    @endpoint(api, "GET", "/certifications/{certification_id}", response=CertificationView, auth=staff,
              step="1 certify", refuses=REMOTE)  # fmt: skip
    def get_certification(request: HttpRequest, certification_id: str) -> CertificationView:
        """How a conformance run stands."""
        return certification(certification_id)

    @endpoint(api, "POST", "/offers", response=OfferView, status=201, auth=staff, step="1 offer", refuses=OFFERED,
              calls_out=True)  # fmt: skip
    def post_offer(request: HttpRequest, body: Offer) -> OfferView:
        """Register an offer as a draft."""
        return draft_offer(body)

    @endpoint(api, "POST", "/offers/{offer_id}/publication", response=OfferView, auth=staff, step="1 offer",
              refuses=OFFERED, calls_out=True)  # fmt: skip
    def post_publication(request: HttpRequest, offer_id: str) -> OfferView:
        """Publish a draft."""
        return publish_offer(offer_id)
