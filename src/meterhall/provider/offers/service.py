"""Commands about our offers and our certificate: each is a call to the Market Place, kept as it answered."""

from __future__ import annotations

from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.offers import CertificationView, Offer, OfferView, Profile
from meterhall.provider.deliveries.learner import require_library
from meterhall.provider.offers.models import OwnCertification, OwnOffer
from meterhall.web.messaging.clients import marketplace_client
from meterhall.web.platform import platform


def draft_offer(offer: Offer) -> OfferView:
    """Register an offer as a draft (step 1). Raises `ForecastMissing` where we could not make what it offers."""
    if offer.service_type == "forecast":
        require_library()
    return _keep(marketplace_client().call("POST", "/v1/offers", offer, OfferView, key=offer.fingerprint()[-64:]))


def publish_offer(offer_id: str) -> OfferView:
    """Publish a draft. The Market Place refuses it without a certificate (`not_certified`).

    Raises `ForecastMissing` where we could not make what it offers.
    """
    known = OwnOffer.objects.filter(pk=offer_id).first()
    if known is not None and known.document["offer"].get("service_type") == "forecast":
        require_library()
    path = f"/v1/offers/{offer_id}/publication"
    key = f"publish-{offer_id}-{known.version}" if known is not None else None
    return _keep(marketplace_client().call("POST", path, None, OfferView, key=key))


def _keep(view: OfferView) -> OfferView:
    OwnOffer.objects.update_or_create(
        offer_id=view.offer_id,
        defaults={
            "version": view.version,
            "status": view.status,
            "title": view.offer.title,
            "document": view.document(),
            "updated_at": platform().now(),
        },
    )
    return view


def request_certification(profile: Profile) -> CertificationView:
    """Ask the Market Place's certifier for a conformance run. What was asked and not answered is asked once."""
    key = digest(f"{profile.fingerprint()} {OwnCertification.objects.count()}".encode())[-64:]
    return _note(marketplace_client().call("POST", "/v1/certifications", profile, CertificationView, key=key))


def certification(certification_id: str) -> CertificationView:
    """How a conformance run stands."""
    return _note(marketplace_client().call("GET", f"/v1/certifications/{certification_id}", None, CertificationView))


def _note(view: CertificationView) -> CertificationView:
    OwnCertification.objects.update_or_create(
        certification_id=view.certification_id,
        defaults={"status": view.status, "document": view.document(), "requested_at": view.requested_at},
    )
    return view
