"""Back-office calls about customers: hand in a list, find out who holds each POD, fix what was mistyped."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI
from pydantic import Field

from meterhall.client.b2b import RemoteRefusal, RemoteUnreachable
from meterhall.domain.protocol.base import Message, Page
from meterhall.requester.customers.models import CustomerPoint
from meterhall.requester.customers.service import (
    CustomerPointChange,
    CustomerPointIn,
    CustomerPointView,
    PointTaken,
    UnknownPoint,
    change_point,
    find_point,
    localise,
    point_view,
    remove_point,
    take_points,
)
from meterhall.web.api import endpoint, page
from meterhall.web.staff.service import StaffAuth

REMOTE = (RemoteRefusal, RemoteUnreachable)


class CustomerList(Message):
    """Lines of a customer list."""

    lines: tuple[CustomerPointIn, ...] = Field(min_length=1, max_length=10_000)


class Taken(Message):
    """The lines as kept, in the order they came."""

    ids: tuple[int, ...]


class LocaliseIn(Message):
    """Which lines to ask about; empty: every line that has no provider yet."""

    ids: tuple[int, ...] = Field((), max_length=10_000)


class Localised(Message):
    resolved: int
    unresolved: int


def add_customers(api: NinjaAPI) -> None:
    """Publish the calls."""
    staff = StaffAuth()

    @endpoint(api, "POST", "/customers", response=Taken, status=201, auth=staff, step="4 localisation")
    def post_customers(request: HttpRequest, body: CustomerList) -> Taken:
        """Keep the lines of a customer list; a line that is there already stays."""
        return Taken(ids=tuple(point.pk for point in take_points(body.lines)))

    @endpoint(api, "GET", "/customers", response=Page[CustomerPointView], auth=staff, step="4 localisation")
    def get_customers(
        request: HttpRequest,
        reference: str | None = None,
        state: str | None = None,
        provider: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[CustomerPointView]:
        """The lines and what is known of them."""
        wanted = {"reference": reference, "state": state, "provider": provider}
        rows = CustomerPoint.objects.filter(**{name: value for name, value in wanted.items() if value})
        return page(rows, point_view, after=after, limit=limit)

    @endpoint(api, "POST", "/customers/localisations", response=Localised, auth=staff, step="4 localisation",
              calls_out=True, refuses=REMOTE)  # fmt: skip
    def post_localisation(request: HttpRequest, body: LocaliseIn) -> Localised:
        """Ask the Market Place who holds the PODs; only what names the operator is sent."""
        chosen = (
            CustomerPoint.objects.filter(pk__in=body.ids) if body.ids else CustomerPoint.objects.filter(provider="")
        )
        found = localise(list(chosen))
        return Localised(resolved=found.resolved, unresolved=found.unresolved)

    @endpoint(api, "PUT", "/customers/{number}", response=CustomerPointView, auth=staff, step="4 localisation",
              refuses=(UnknownPoint, PointTaken))  # fmt: skip
    def put_customer(request: HttpRequest, number: int, body: CustomerPointChange) -> CustomerPointView:
        """Correct the POD or the country of a line; it is then to be localised anew."""
        return point_view(change_point(find_point(number), body))

    @endpoint(api, "DELETE", "/customers/{number}", response=None, status=204, auth=staff, step="4 localisation",
              refuses=(UnknownPoint,))  # fmt: skip
    def delete_customer(request: HttpRequest, number: int) -> None:
        """Take a line off the list."""
        remove_point(find_point(number))
