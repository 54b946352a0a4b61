"""Commands about deliveries: request, receipt, supersede. Building the files is in `build`, the gate in `gate`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Case, QuerySet, Value, When

from meterhall.domain.errors import Conflict, Gone, InvalidInput, NotFound
from meterhall.domain.market import check_period
from meterhall.domain.protocol.agreements import ServiceContract
from meterhall.domain.protocol.base import Acknowledgement, Period
from meterhall.domain.protocol.canonical import commitment, new_id, new_salt
from meterhall.domain.protocol.deliveries import (
    MANIFEST_TYP,
    RECEIPT_TYP,
    DataRequest,
    DataRequested,
    Manifest,
    ManifestView,
    Receipt,
    ReceiptTaken,
)
from meterhall.domain.protocol.faults import inside
from meterhall.domain.protocol.keys import payload_of, verify
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings.civil import in_time
from meterhall.provider.activations.decide import Frame
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import acknowledge, find, frame_of
from meterhall.provider.deliveries.areas import check_stretches, told_stretches
from meterhall.provider.deliveries.curves import with_series
from meterhall.provider.deliveries.entitled import accepted_in_pieces, accepted_items, entitled
from meterhall.provider.deliveries.forecasts import check_count, check_forecast, is_forecast, told_by
from meterhall.provider.deliveries.groups import check_sum, minimum_group
from meterhall.provider.deliveries.models import Delivery, DeliveryPart, DeliveryVersion
from meterhall.web.messaging.peers import my_access_number, transport_keys
from meterhall.web.messaging.service import in_present_key, state
from meterhall.web.platform import platform
from meterhall.web.sets import pieces
from meterhall.web.work.models import WorkState

MOST_DAYS: Final = 3660
CLOCKS_DIFFER: Final = timedelta(seconds=60)


class OutsideActivation(InvalidInput):
    code = "outside_activation"
    title = "The activation does not cover the data asked for."


class FormatNotOffered(InvalidInput):
    code = "format_not_offered"
    title = "The contract's offer does not have this format or way of transmission."


class UnknownPseudonym(InvalidInput):
    code = "unknown_pseudonym"
    title = "The activation has no accepted POD of this pseudonym."


class NothingAccepted(Conflict):
    code = "nothing_accepted"
    title = "No POD of the activation is accepted."


class UnknownDelivery(NotFound):
    code = "unknown_delivery"
    title = "There is no such delivery, or it is not the caller's."


class NotReady(Conflict):
    code = "delivery_not_ready"
    title = "The delivery is still being prepared; `delivery.ready` follows."


class PartReplaced(Gone):
    code = "part_replaced"
    title = "The part is not in the newest manifest any more."


class ConsentRevoked(Gone):
    code = "consent_revoked"
    title = "A consent behind this part has ended; the newest manifest is without it."


class DeliveryRefused(Gone):
    code = "delivery_refused"
    title = "The delivery could not be made; the member `reason` has the code why."


class DeliveryExpired(Gone):
    code = "delivery_expired"
    title = "The files of this delivery are no longer kept; request the data anew."


class PeriodTooLong(InvalidInput):
    code = "period_too_long"
    title = "A request is for ten years at most, none of them before 1970 or after 2199."


class NoRepository(Conflict):
    code = "no_repository"
    title = "The contract names no repository to push to."


class ReceiptGiven(Conflict):
    code = "receipt_given"
    title = "The version has been received already; a receipt is final."


class WrongReceipt(InvalidInput):
    code = "wrong_receipt"
    title = "The receipt does not speak of a manifest that was published."


def request_data(request: DataRequest, requester: str) -> DataRequested:
    """Take a data request (step 8); the worker builds it. Raises the coded refusals above and `group_too_small`."""
    activation = find(request.activation_id, requester)
    _check(request, activation)
    with transaction.atomic():
        delivery = create_delivery(request, activation, "requested")
        said = acknowledge(activation, "data.acknowledged", {"deliveries": 1})
    return DataRequested(delivery_id=delivery.delivery_id, acknowledgement=Acknowledgement(statement=said.jws))


def create_delivery(request: DataRequest, activation: Activation, reason: str) -> Delivery:
    """Queue a delivery for building, in the caller's transaction."""
    now = platform().now()
    return Delivery.objects.create(
        delivery_id=new_id("dlv"),
        activation=activation,
        requester=activation.requester,
        request=request.document(),
        first=request.period.first,
        until=request.period.until,
        reason=reason,
        is_forecast=is_forecast(activation),
        salt=new_salt(),
        created_at=now,
        due_at=now,
    )


def check_scope(request: DataRequest, frame: Frame) -> None:
    """Whether activation and contract cover what is asked for, whichever PODs it is of. Raises the coded refusals."""
    _check_period(request.period)
    if not _asked(request, frame.scope).within(frame.scope):
        raise OutsideActivation(field=_beyond(request, frame.scope))
    if frame.scope.timing == "forecast":
        check_forecast(request)
    if frame.contract is not None:
        _check_contract(request, frame.contract)


def _check(request: DataRequest, activation: Activation) -> None:
    frame = frame_of(activation)
    check_scope(request, frame)
    forecast = frame.scope.timing == "forecast"
    told = told_by(request, forecast)
    if request.over is not None:
        if activation.is_sandbox or frame.scope.kind != "aggregate":
            raise OutsideActivation(field="/over")
        minimum = minimum_group(activation)
        check_stretches(told_stretches(told, request.over, minimum, forecast=forecast), told, minimum)
        return
    if not (request.pseudonyms or request.group or forecast):
        pieces_of_list = accepted_in_pieces(activation, request)
        if not any(entitled(frame, some, request.period) for some in pieces_of_list):
            raise NothingAccepted
        return
    items = accepted_items(activation, request)
    check_pseudonyms(request, items)
    may = entitled(frame, items, request.period)
    if not may:
        raise NothingAccepted
    if request.group:
        check_sum((one.member for one in with_series(request, may.values())), told, minimum_group(activation))
    elif forecast:
        check_count(request, len(may))


def check_pseudonyms(request: DataRequest, items: Iterable[ActivationItem]) -> None:
    """Whether each pseudonym of a request is an accepted item's. Raises `UnknownPseudonym`."""
    known = {item.pseudonym for item in items} if request.pseudonyms else set()
    for at, pseudonym in enumerate(request.pseudonyms):
        if pseudonym not in known:
            raise UnknownPseudonym(field=f"/pseudonyms/{at}")


def _check_period(period: Period) -> None:
    check_period(period, field="/period")
    if not in_time(period.first, period.until) or (period.until - period.first).days > MOST_DAYS:
        raise PeriodTooLong(field="/period")


def _check_contract(request: DataRequest, contract: ServiceContract) -> None:
    if request.format not in contract.offer.formats:
        raise FormatNotOffered(field="/format")
    if request.transmission not in contract.offer.transmission:
        raise FormatNotOffered(field="/transmission")
    if request.transmission == "push" and contract.repository is None:
        raise NoRepository(field="/transmission")


def _asked(request: DataRequest, scope: DataScope) -> DataScope:
    """What is asked for, as a scope. Who may have single curves may have their sum: it shows less, never more."""
    return DataScope(
        kind=scope.kind if request.group else "individual",
        timing=scope.timing,
        directions=request.directions,
        granularities=(request.granularity,),
        period=request.period,
    )


def _beyond(request: DataRequest, scope: DataScope) -> str:
    """The pointer to the first member of a request that goes beyond the scope."""
    if scope.kind == "aggregate" and not request.group:
        return "/group"
    if not set(request.directions) <= set(scope.directions):
        return "/directions"
    return "/granularity" if request.granularity not in scope.granularities else "/period"


def mine(delivery_id: str, requester: str) -> Delivery:
    """The caller's delivery. Raises `UnknownDelivery`."""
    found = Delivery.objects.filter(delivery_id=delivery_id, requester=requester).select_related("activation").first()
    if found is None:
        raise UnknownDelivery
    return found


def newest(delivery: Delivery) -> DeliveryVersion:
    """The newest published version. Raises `NotReady`, or `DeliveryRefused` where none will come.

    Its manifest, which may be large, is read when it is asked for.
    """
    found = delivery.versions.order_by("-version").defer("manifest", "jws").first()
    if found is None and delivery.state == "refused":
        raise DeliveryRefused(members={"reason": delivery.code})
    if found is None:
        raise NotReady(retry_after_s=1)
    return found


def manifest_view(delivery: Delivery) -> ManifestView:
    """The newest manifest with our signature."""
    return view_of(newest(delivery))


def view_of(version: DeliveryVersion) -> ManifestView:
    """A version's manifest, signed with the key we have now."""
    jws = in_present_key(version.jws, MANIFEST_TYP)
    return ManifestView(manifest=Manifest.model_validate(version.manifest), jws=jws)


def supersede(deliveries: QuerySet[Delivery] | Iterable[Delivery]) -> None:
    """Queue the next version of published deliveries. One that is being built is built once more after that: its lease
    is left alone, and the worker sees by a later `due_at` that somebody asked."""
    now = platform().now()
    due_at = Case(When(leased_until=None, then=Value(now)), default=Value(now + timedelta(microseconds=1)))
    for some in pieces(one.pk for one in deliveries):
        mine = Delivery.objects.filter(pk__in=some, state="published")
        mine.update(work_state=WorkState.PENDING, attempts=0, due_at=due_at)


def live_parts(delivery: Delivery) -> QuerySet[DeliveryPart]:
    """The parts of the newest manifest."""
    return delivery.parts.filter(replaced_reason="")


@inside("/jws")
def take_receipt(delivery_id: str, requester: str, jws: str) -> ReceiptTaken:
    """The requester's signed receipt or rejection (step 10); the same one again, under whichever of its keys, gets the
    same answer.

    A rejection may be followed by a receipt, when the second attempt went well; a receipt is final.
    """
    receipt = Receipt.model_validate(verify(jws, transport_keys(requester), typ=RECEIPT_TYP).document)
    delivery = mine(delivery_id, requester)
    with transaction.atomic():
        version = delivery.versions.select_for_update().filter(version=receipt.version).first()
        if receipt.delivery_id != delivery_id:
            raise WrongReceipt(field="/delivery_id")
        if version is None:
            raise WrongReceipt(field="/version")
        if receipt.manifest != version.digest:
            raise WrongReceipt(field="/manifest")
        if not version.receipt or payload_of(version.receipt) != payload_of(jws):
            _check_receipt(receipt, version)
            _note_receipt(receipt, version, jws, delivery)
    return ReceiptTaken(acknowledgement=Acknowledgement(statement=version.acknowledgement))


def _check_receipt(receipt: Receipt, version: DeliveryVersion) -> None:
    if version.outcome == "received":
        raise ReceiptGiven
    if (receipt.outcome == "rejected") != (receipt.code is not None):
        raise WrongReceipt("A rejection says why, by its code; a receipt has none.", field="/code")
    readings = Manifest.model_validate(version.manifest).readings
    if receipt.outcome == "received" and receipt.readings != readings:
        raise WrongReceipt(f"The manifest announced {readings} readings.", field="/readings")
    if not version.published_at - CLOCKS_DIFFER <= receipt.received_at <= platform().now() + CLOCKS_DIFFER:
        raise WrongReceipt("It is dated before the manifest or in the future.", field="/received_at")


def _note_receipt(receipt: Receipt, version: DeliveryVersion, jws: str, delivery: Delivery) -> None:
    said = state(
        "receipt.acknowledged",
        transaction_id=delivery.activation.subscription_id,
        subject=f"{delivery.delivery_id}:{receipt.version}",
        parties=(my_access_number(), delivery.requester),
        counts={"readings": receipt.readings},
        commitments={"manifest": commitment(delivery.salt, version.digest)},
    )
    version.receipt, version.outcome, version.code = jws, receipt.outcome, receipt.code or ""
    version.acknowledgement = said.jws
    version.save(update_fields=["receipt", "outcome", "code", "acknowledgement"])


def covers_day(delivery: Delivery, day: date) -> bool:
    """Whether a UTC day touches the delivery's reading period."""
    return delivery.first.toordinal() - 1 <= day.toordinal() <= delivery.until.toordinal()
