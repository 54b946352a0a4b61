"""Commands about deliveries: request, receipt, supersede. Building the files is in `build`, the gate in `gate`."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.db.models import QuerySet

from meterhall.domain.errors import Conflict, Gone, InvalidInput, NotFound
from meterhall.domain.privacy import check_group
from meterhall.domain.protocol.base import Acknowledgement
from meterhall.domain.protocol.canonical import commitment, new_id, new_salt
from meterhall.domain.protocol.deliveries import (
    RECEIPT_TYP,
    DataRequest,
    DataRequested,
    Manifest,
    ManifestView,
    Receipt,
    ReceiptTaken,
)
from meterhall.domain.protocol.keys import verify
from meterhall.domain.protocol.offers import DataScope
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import acknowledge, find, frame_of
from meterhall.provider.contracts.service import contract_in_force
from meterhall.provider.deliveries.models import Delivery, DeliveryPart, DeliveryVersion
from meterhall.web.messaging.peers import my_access_number, transport_keys
from meterhall.web.messaging.service import state
from meterhall.web.platform import platform
from meterhall.web.work.models import WorkState


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
        reason=reason,
        salt=new_salt(),
        created_at=now,
        due_at=now,
    )


def _check(request: DataRequest, activation: Activation) -> None:
    frame = frame_of(activation)
    if not _asked(request).within(frame.scope):
        raise OutsideActivation(field="/period")
    if not activation.is_sandbox:
        offer = contract_in_force(activation.subscription_id, activation.requester).offer
        if request.format not in offer.formats:
            raise FormatNotOffered(field="/format")
        if request.transmission not in offer.transmission:
            raise FormatNotOffered(field="/transmission")
    items = accepted_items(activation, request)
    if request.pseudonyms and len(items) < len(set(request.pseudonyms)):
        raise UnknownPseudonym(field="/pseudonyms")
    if not items:
        raise NothingAccepted
    if request.group:
        check_group(len({item.point_id for item in items}), minimum_group(activation))


def minimum_group(activation: Activation) -> int:
    """The fewest PODs a sum may stand for: the offer's, never below the provider's own."""
    own = platform().config.minimum_group
    if activation.is_sandbox:
        return own
    offer = contract_in_force(activation.subscription_id, activation.requester).offer
    return max(own, offer.minimum_group or own)


def _asked(request: DataRequest) -> DataScope:
    return DataScope(
        kind="aggregate" if request.group else "individual",
        directions=request.directions,
        granularities=(request.granularity,),
        period=request.period,
    )


def accepted_items(activation: Activation, request: DataRequest) -> list[ActivationItem]:
    """The accepted items a request speaks of."""
    items = activation.items.filter(state="accepted").select_related("point", "consent_item__consent")
    if request.pseudonyms:
        items = items.filter(pseudonym__in=request.pseudonyms)
    return list(items)


def mine(delivery_id: str, requester: str) -> Delivery:
    """The caller's delivery. Raises `UnknownDelivery`."""
    found = Delivery.objects.filter(delivery_id=delivery_id, requester=requester).select_related("activation").first()
    if found is None:
        raise UnknownDelivery
    return found


def newest(delivery: Delivery) -> DeliveryVersion:
    """The newest published version. Raises `NotReady`."""
    found = delivery.versions.order_by("-version").first()
    if found is None:
        raise NotReady(retry_after_s=1)
    return found


def manifest_view(delivery: Delivery) -> ManifestView:
    """The newest manifest with our signature."""
    version = newest(delivery)
    return ManifestView(manifest=Manifest.model_validate(version.manifest), jws=version.jws)


def supersede(delivery: Delivery, reason: str) -> int:
    """Queue the next version, once; its number."""
    queued = Delivery.objects.filter(pk=delivery.pk).exclude(work_state=WorkState.PENDING)
    if queued.update(
        work_state=WorkState.PENDING, due_at=platform().now(), leased_until=None, attempts=0, reason=reason
    ):
        delivery.refresh_from_db()
    return delivery.version + 1


def live_parts(delivery: Delivery) -> QuerySet[DeliveryPart]:
    """The parts of the newest manifest."""
    return delivery.parts.filter(replaced_reason="")


def take_receipt(delivery_id: str, requester: str, jws: str) -> ReceiptTaken:
    """The requester's signed receipt or rejection (step 10); the same one again is the same answer."""
    receipt = Receipt.model_validate(verify(jws, transport_keys(requester), typ=RECEIPT_TYP).document)
    delivery = mine(delivery_id, requester)
    version = delivery.versions.filter(version=receipt.version).first()
    if version is None or receipt.delivery_id != delivery_id or receipt.manifest != version.digest:
        raise WrongReceipt(field="/jws")
    with transaction.atomic():
        version.receipt, version.outcome = jws, receipt.outcome
        version.save(update_fields=["receipt", "outcome"])
        said = state(
            "receipt.acknowledged",
            transaction_id=delivery.activation.subscription_id,
            subject=f"{delivery_id}:{receipt.version}",
            parties=(my_access_number(), requester),
            counts={"readings": receipt.readings},
            commitments={"manifest": commitment(delivery.salt, version.digest)},
        )
    return ReceiptTaken(acknowledgement=Acknowledgement(statement=said.jws))


def covers_day(delivery: Delivery, day: date) -> bool:
    """Whether a UTC day touches the delivery's reading period."""
    period = DataRequest.model_validate(delivery.request).period
    return period.first.toordinal() - 1 <= day.toordinal() <= period.until.toordinal()
