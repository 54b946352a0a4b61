"""Calls about certifications."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.domain.pods import InvalidPod
from meterhall.domain.protocol.offers import CertificationView, Profile
from meterhall.marketplace.certification.service import (
    BadRunPeriod,
    CertificationRunning,
    NotAProvider,
    NotSandboxPod,
    UnknownCertification,
    find,
    request_certification,
    view,
)
from meterhall.web.api import endpoint
from meterhall.web.security import TokenAuth, caller

PROFILE_REFUSALS = (NotAProvider, NotSandboxPod, InvalidPod, BadRunPeriod, CertificationRunning)


def add_certification(api: NinjaAPI) -> None:
    """Publish the calls."""
    market = TokenAuth("market")

    @endpoint(api, "POST", "/v1/certifications", response=CertificationView, status=202, auth=market,
              step="1 certify", refuses=PROFILE_REFUSALS)  # fmt: skip
    def post_certification(request: HttpRequest, body: Profile) -> CertificationView:
        """Ask for a conformance run against the caller's endpoints, with sandbox PODs."""
        return request_certification(body, caller(request))

    @endpoint(api, "GET", "/v1/certifications/{certification_id}", response=CertificationView, auth=market,
              step="1 certify", refuses=(UnknownCertification,))  # fmt: skip
    def get_certification(request: HttpRequest, certification_id: str) -> CertificationView:
        """A certification of the caller: how it stands and what each check found."""
        return view(find(certification_id, caller(request)))
