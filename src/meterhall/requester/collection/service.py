"""Commands about data: ask for it, hear that it is ready or how it matched; and deliveries as the back office sees
them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Self

from django.db import transaction
from pydantic import Field, model_validator

from meterhall.client.b2b import RemoteRefusal
from meterhall.domain.errors import Conflict, NotFound
from meterhall.domain.protocol.base import (
    Compression,
    DirectionName,
    FormatName,
    GranularityName,
    Instant,
    Message,
    Period,
)
from meterhall.domain.protocol.deliveries import (
    DataRequest,
    DataRequested,
    ForecastAnswer,
    ForecastMade,
    GroupAnswer,
    GroupOf,
    Measure,
    Pseudonym,
    check_over,
)
from meterhall.domain.protocol.events import DeliveryReady
from meterhall.domain.protocol.offers import Transmission
from meterhall.requester.activations.models import Activation
from meterhall.requester.collection.manifests import manifest_of
from meterhall.requester.collection.models import DataAsked, Delivery, Version
from meterhall.web.membership.service import attestation_for
from meterhall.web.messaging.clients import provider_client
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import state
from meterhall.web.platform import platform
from meterhall.web.work.models import WorkState


class NotSent(Conflict):
    code = "activation_not_sent"
    title = "The activation has not reached its provider yet, or was refused."


class UnknownDelivery(NotFound):
    code = "unknown_delivery"
    title = "No such delivery has been announced to us."


class UnknownDataRequest(NotFound):
    code = "unknown_data_request"
    title = "There is no such data request of ours."


class DataRequestIn(Message):
    """What the back office asks of an activation."""

    activation: int
    period: Period
    granularity: GranularityName
    format: FormatName = "parquet"
    directions: tuple[DirectionName, ...] = ("import",)
    transmission: Transmission = "pull"
    compression: Compression = "none"
    pseudonyms: tuple[Pseudonym, ...] = ()
    group: bool = False
    over: GroupOf | None = None
    measures: tuple[Measure, ...] | None = None

    @model_validator(mode="after")
    def _over_a_group(self) -> Self:
        check_over(self.group, self.over, self.pseudonyms, self.measures)
        return self


class DataRequestView(Message):
    """A data request and what the provider said to it."""

    id: int
    activation: int
    state: str
    delivery_id: str | None
    code: str | None
    detail: str | None
    request: DataRequest
    created_at: Instant


class DeliveryView(Message):
    """A delivery as collected."""

    delivery_id: str
    provider: str
    activation: int | None
    version: int = Field(description="The newest version collected; what follows speaks of it.")
    announced_version: int
    state: str
    code: str | None
    detail: str | None
    match: str | None
    transmission: str
    reason: str | None
    period: Period | None
    granularity: str | None
    format: str | None
    group_size: int | None
    group: GroupAnswer | None = Field(description="Of a group of the provider's points: which, and how complete.")
    forecast: ForecastAnswer | None = Field(
        description="Of a forecast what it was made from, and of what there is none."
    )
    forecasts: tuple[ForecastMade, ...] = Field(description="How each curve of a forecast was made, and its error.")
    readings: int | None
    missing: int | None
    withdrawn: int | None
    announced_at: Instant
    settled_at: Instant | None
    receipted_at: Instant | None


def request_data(activation: Activation, body: DataRequestIn) -> DataAsked:
    """Keep a data request to be sent by the worker (step 8). Raises `NotSent`."""
    if not activation.remote_id:
        raise NotSent(field="/activation")
    wanted = body.model_dump(exclude={"activation"})
    request = DataRequest(activation_id=activation.remote_id, **wanted)
    now = platform().now()
    return DataAsked.objects.create(activation=activation, request=request.document(), created_at=now, due_at=now)


def send_request(asked: DataAsked) -> None:
    """Send a data request; a coded refusal is kept with it. Safe to repeat: it has its own fixed key."""
    subscription = asked.activation.subscription
    request = DataRequest.model_validate(asked.request)
    client = provider_client(subscription.provider, attestation_for)
    try:
        taken = client.call("POST", "/v1/data-requests", request, DataRequested, key=f"data-request-{asked.pk}")
    except RemoteRefusal as refusal:
        if not refusal.is_final:
            raise
        code, detail = refusal.remote_code[:60], refusal.remote_detail[:300]
        DataAsked.objects.filter(pk=asked.pk).update(state="refused", code=code, detail=detail)
        return
    with transaction.atomic():
        mine = DataAsked.objects.filter(pk=asked.pk, state="sending")
        if mine.update(state="taken", delivery_id=taken.delivery_id):
            _say_requested(request, taken, subscription.subscription_id, subscription.provider)


def _say_requested(request: DataRequest, taken: DataRequested, subscription_id: str, provider: str) -> None:
    state(
        "data.requested",
        transaction_id=subscription_id,
        subject=taken.delivery_id,
        parties=(my_access_number(), provider),
        counts={"pods": len(request.pseudonyms), "days": (request.period.until - request.period.first).days},
    )


def announce(provider: str, data: DeliveryReady) -> Delivery:
    """A provider says that a version is ready: have the worker collect it."""
    now = platform().now()
    with transaction.atomic():
        delivery, _ = Delivery.objects.get_or_create(
            provider=provider,
            delivery_id=data.delivery_id,
            defaults={"announced_at": now, "transmission": _agreed(data), "due_at": now},
        )
        if data.version > delivery.version:
            Delivery.objects.filter(pk=delivery.pk).update(version=data.version, announced_at=now)
            wake(delivery)
    return delivery


def _agreed(data: DeliveryReady) -> str:
    """How the delivery was agreed to come: as it was asked for, else by the activation's schedule."""
    asked = DataAsked.objects.filter(delivery_id=data.delivery_id).first()
    if asked is not None:
        return str(asked.request.get("transmission", "pull"))
    activation = Activation.objects.filter(remote_id=data.activation_id).first()
    return str((activation.schedule or {}).get("transmission", "pull")) if activation else "pull"


def wake(delivery: Delivery) -> None:
    """Have the worker look at the delivery again."""
    Delivery.objects.filter(pk=delivery.pk).update(work_state=WorkState.PENDING, due_at=platform().now(), attempts=0)


def note_match(delivery_id: str, version: int, matched: bool) -> None:
    """The Market Place compared both sides' statements on a version."""
    ours = Version.objects.filter(delivery__delivery_id=delivery_id, version=version)
    ours.update(match="matched" if matched else "mismatched")


def find_delivery(delivery_id: str) -> Delivery:
    """Ours. Raises `UnknownDelivery`."""
    found = Delivery.objects.filter(delivery_id=delivery_id).first()
    if found is None:
        raise UnknownDelivery
    return found


def find_request(number: int) -> DataAsked:
    """Ours. Raises `UnknownDataRequest`."""
    found = DataAsked.objects.filter(pk=number).first()
    if found is None:
        raise UnknownDataRequest
    return found


def request_view(asked: DataAsked) -> DataRequestView:
    """A data request as the back office sees it."""
    return DataRequestView(
        id=asked.pk,
        activation=asked.activation_id,
        state=asked.state,
        delivery_id=asked.delivery_id or None,
        code=asked.code or None,
        detail=asked.detail or None,
        request=DataRequest.model_validate(asked.request),
        created_at=asked.created_at,
    )


@lru_cache(maxsize=1000)
def _said(version: int, digest: str) -> Mapping[str, Any]:
    """What the back office sees of a manifest; read once, since it never changes and may name a million PODs."""
    manifest = manifest_of(Version.objects.get(pk=version))
    return {
        "reason": manifest.reason,
        "period": manifest.period,
        "granularity": manifest.granularity,
        "format": manifest.format,
        "group_size": manifest.group_size,
        "group": manifest.group,
        "forecast": manifest.forecast,
        "forecasts": tuple(one for part in manifest.parts for one in part.forecasts or ()),
        "readings": manifest.readings,
        "missing": sum(part.missing for part in manifest.parts),
        "withdrawn": len(manifest.withdrawn),
    }


_UNSAID: Final[Mapping[str, Any]] = {
    "reason": None, "period": None, "granularity": None, "format": None, "group_size": None, "group": None,
    "forecast": None, "forecasts": (), "readings": None, "missing": None, "withdrawn": None,
}  # fmt: skip


def delivery_view(delivery: Delivery) -> DeliveryView:
    """A delivery as the back office sees it: its newest version."""
    version = delivery.versions.defer("manifest", "jws", "receipt").last()
    said = _said(version.pk, version.digest) if version else _UNSAID
    return DeliveryView(
        delivery_id=delivery.delivery_id,
        provider=delivery.provider,
        activation=delivery.activation_id,
        version=version.version if version else 0,
        announced_version=delivery.version,
        state=delivery.state,
        code=delivery.code or None,
        detail=delivery.detail or None,
        match=(version.match or None) if version else None,
        transmission=delivery.transmission,
        **said,
        announced_at=delivery.announced_at,
        settled_at=version.settled_at if version else None,
        receipted_at=version.receipted_at if version else None,
    )
