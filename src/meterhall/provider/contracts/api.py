"""Back-office calls about contracts. Signing one is for a person, on the portal."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.domain.protocol.base import Instant, Message, Page
from meterhall.provider.contracts.models import Contract
from meterhall.provider.contracts.signing import UnknownContract
from meterhall.web.api import endpoint, page
from meterhall.web.staff.service import StaffAuth


class ContractView(Message):
    """A contract as we keep it."""

    subscription_id: str
    requester: str
    requester_name: str
    state: str
    digest: str
    access_from: Instant
    access_until: Instant
    signed: Literal["no", "signer", "standing_acceptance"]
    signed_at: Instant | None = None
    ended_at: Instant | None = None


def view(row: Contract) -> ContractView:
    """The contract as the back office sees it."""
    return ContractView(
        subscription_id=row.subscription_id,
        requester=row.requester,
        requester_name=row.requester_name,
        state=row.state,
        digest=row.digest,
        access_from=row.access_from,
        access_until=row.access_until,
        signed="standing_acceptance" if row.signed_under else "signer" if row.signed_at else "no",
        signed_at=row.signed_at,
        ended_at=row.ended_at,
    )


def add_contracts(api: NinjaAPI) -> None:
    """Publish the calls."""
    staff = StaffAuth()

    @endpoint(api, "GET", "/contracts", response=Page[ContractView], auth=staff, step="5 contract")
    def get_contracts(
        request: HttpRequest, state: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[ContractView]:
        """The contracts under our offers; `state=requester_signed` are those that wait for us."""
        rows = Contract.objects.filter(state=state) if state else Contract.objects.all()
        return page(rows, view, after=after, limit=limit)

    @endpoint(api, "GET", "/contracts/{subscription_id}", response=ContractView, auth=staff, step="5 contract",
              refuses=(UnknownContract,))  # fmt: skip
    def get_contract(request: HttpRequest, subscription_id: str) -> ContractView:
        """One contract."""
        found = Contract.objects.filter(pk=subscription_id).first()
        if found is None:
            raise UnknownContract
        return view(found)
