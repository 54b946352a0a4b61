"""Where a person lands at the provider's portal: each role at its own first page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from meterhall.web.accounts.access import person_of, role_required

FIRST_PAGE = {
    "operator": "staff:dashboard",
    "staff": "staff:dashboard",
    "signer": "contracts:list",
    "auditor": "staff:dashboard",
    "customer": "customer:home",
}


@require_safe
@role_required(*FIRST_PAGE)
def start(request: HttpRequest) -> HttpResponseBase:
    """On to the first page of the person's first role."""
    person = person_of(request)
    return redirect(next(page for role, page in FIRST_PAGE.items() if person.has_role(role)))
