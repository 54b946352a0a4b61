"""Commands about customers: take a list of PODs, find out who holds each. PODs stay here: only what names the operator
is sent to the Market Place."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import IntegrityError, transaction

from meterhall.domain.errors import Conflict, NotFound
from meterhall.domain.pods import InvalidPod, read
from meterhall.domain.protocol.base import Country, Message, ShortText
from meterhall.domain.protocol.localisation import (
    LocalisationAnswer,
    LocalisationItem,
    LocalisationReply,
    LocalisationRequest,
)
from meterhall.requester.customers.models import CustomerPoint
from meterhall.web.messaging.clients import marketplace_client

AT_A_TIME = 5_000


class UnknownPoint(NotFound):
    code = "unknown_customer_point"
    title = "There is no such line in the customer list."


class PointTaken(Conflict):
    code = "customer_point_exists"
    title = "This customer has this POD already."


class CustomerPointIn(Message):
    """A line of a customer list."""

    reference: ShortText
    pod: ShortText
    country: Country | None = None


class CustomerPointChange(Message):
    """What is corrected of a line."""

    pod: ShortText | None = None
    country: Country | None = None


class CustomerPointView(Message):
    """A line of a customer list and what is known of it."""

    id: int
    reference: str
    pod: str
    country: str | None
    scheme: str | None
    provider: str | None
    operator: str | None
    state: str
    code: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Localised:
    resolved: int
    unresolved: int


def take_points(lines: tuple[CustomerPointIn, ...]) -> list[CustomerPoint]:
    """Keep the lines as they are; a line that is there already stays."""
    with transaction.atomic():
        return [
            CustomerPoint.objects.get_or_create(
                reference=line.reference, pod=line.pod, defaults={"country": line.country or ""}
            )[0]
            for line in lines
        ]


def localise(points: list[CustomerPoint]) -> Localised:
    """Ask the Market Place who holds each point (step 4); every line gets its answer, or why there is none."""
    resolved = 0
    for at in range(0, len(points), AT_A_TIME):
        resolved += _localise(points[at : at + AT_A_TIME])
    return Localised(resolved, len(points) - resolved)


def _localise(points: list[CustomerPoint]) -> int:
    asked: list[tuple[CustomerPoint, LocalisationItem]] = []
    for point in points:
        item = _question(point)
        if item is not None:
            asked.append((point, item))
    if not asked:
        return 0
    request = LocalisationRequest(items=tuple(item for _, item in asked))
    reply = marketplace_client().call("POST", "/v1/localisations", request, LocalisationReply)
    return sum(_note(asked[answer.index][0], answer) for answer in reply.answers)


def _question(point: CustomerPoint) -> LocalisationItem | None:
    """What is asked about a point: never the POD. A POD that cannot be one is not asked about at all."""
    try:
        candidates = read(point.pod, country=point.country or None)
    except InvalidPod as fault:
        _save(point, state="invalid", code=fault.code, detail=fault.detail)
        return None
    if len(candidates) > 1:
        _save(point, state="ambiguous", code="pod_ambiguous", detail="The number fits several countries; say which.")
        return None
    pod = candidates[0].pod
    if CustomerPoint.objects.filter(reference=point.reference, pod=pod.value).exclude(pk=point.pk).exists():
        _save(point, state="invalid", code=PointTaken.code, detail=PointTaken.title)
        return None
    point.scheme, point.country, point.pod = pod.scheme, pod.country, pod.value
    point.save(update_fields=["scheme", "country", "pod"])
    return LocalisationItem(ref=str(point.pk), scheme=pod.scheme, operator_part=pod.operator_part)


def _note(point: CustomerPoint, answer: LocalisationAnswer) -> bool:
    """Whether exactly one enrolled provider holds the point."""
    enrolled = [one for one in answer.candidates if one.provider]
    if len(enrolled) == 1:
        one = enrolled[0]
        _save(
            point, state="localised", provider=one.provider or "", operator=one.operator, answer=answer.document(),
            code="", detail="",
        )  # fmt: skip
        return True
    if answer.candidates:
        names = ", ".join(sorted({one.operator for one in answer.candidates}))
        code = "several_providers" if enrolled else "operator_not_enrolled"
        _save(point, state="unresolved", code=code, detail="", operator=names[:200], answer=answer.document())
        return False
    _save(point, state="unresolved", code=answer.code or "", detail=answer.detail or "", answer=answer.document())
    return False


def _save(point: CustomerPoint, **values: object) -> None:
    for name, value in values.items():
        setattr(point, name, value)
    point.save()


def find_point(number: int) -> CustomerPoint:
    """Ours. Raises `UnknownPoint`."""
    found = CustomerPoint.objects.filter(pk=number).first()
    if found is None:
        raise UnknownPoint
    return found


def change_point(point: CustomerPoint, change: CustomerPointChange) -> CustomerPoint:
    """Correct a line; what was found out about it no longer counts. Raises `PointTaken`."""
    point.pod, point.country = change.pod or point.pod, change.country or ("" if change.pod else point.country)
    point.scheme = point.provider = point.operator = point.code = point.detail = ""
    point.state, point.answer = "new", None
    try:
        with transaction.atomic():
            point.save()
    except IntegrityError:
        raise PointTaken(field="/pod") from None
    return point


def remove_point(point: CustomerPoint) -> None:
    """Take a line off the list."""
    point.delete()


def point_view(point: CustomerPoint) -> CustomerPointView:
    """The line as the back office sees it."""
    return CustomerPointView(
        id=point.pk,
        reference=point.reference,
        pod=point.pod,
        country=point.country or None,
        scheme=point.scheme or None,
        provider=point.provider or None,
        operator=point.operator or None,
        state=point.state,
        code=point.code or None,
        detail=point.detail or None,
    )
