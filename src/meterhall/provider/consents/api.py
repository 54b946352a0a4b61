"""Calls about consents: bring evidence, say that the data is needed no longer."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.domain.protocol.consents import ConsentView, Evidence, EvidenceView, Termination
from meterhall.domain.protocol.keys import BadSignature
from meterhall.provider.activations.service import consent_granted
from meterhall.provider.consents.evidence import BadEvidence
from meterhall.provider.consents.judging import take_evidence
from meterhall.provider.consents.judging import view as evidence_view
from meterhall.provider.consents.models import Consent
from meterhall.provider.consents.service import UnknownConsent, terminate, view
from meterhall.web.api import endpoint
from meterhall.web.security import TokenAuth, caller


def add_consents(api: NinjaAPI) -> None:
    """Publish the calls."""
    data = TokenAuth("data")

    @endpoint(api, "POST", "/v1/evidence", response=EvidenceView, status=201, auth=data, step="7 consent",
              refuses=(BadEvidence, BadSignature))  # fmt: skip
    def post_evidence(request: HttpRequest, body: Evidence) -> EvidenceView:
        """Bring proof of a customer's consent; it is judged by the provider's policy."""
        taken = take_evidence(body, caller(request))
        if taken.consent is not None:
            consent_granted(taken.consent)
        return evidence_view(taken)

    @endpoint(api, "GET", "/v1/consents/{consent_id}", response=ConsentView, auth=data, step="7 consent",
              refuses=(UnknownConsent,))  # fmt: skip
    def get_consent(request: HttpRequest, consent_id: str) -> ConsentView:
        """A consent given to the caller."""
        found = Consent.objects.filter(consent_id=consent_id, requester=caller(request)).first()
        if found is None:
            raise UnknownConsent
        return view(found)

    @endpoint(api, "POST", "/v1/consents/{consent_id}/termination", response=ConsentView, auth=data,
              step="7 consent", refuses=(UnknownConsent,))  # fmt: skip
    def terminate_consent(request: HttpRequest, consent_id: str, body: Termination) -> ConsentView:
        """The caller needs the data no longer; it ends at once."""
        return view(terminate(consent_id, caller(request)))
