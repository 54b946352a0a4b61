"""Calls about data: request it, fetch manifest and parts, follow changes, acknowledge."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI, Query

from meterhall.domain.market import PeriodEmpty
from meterhall.domain.privacy import GroupTooSmall
from meterhall.domain.protocol.base import Signed
from meterhall.domain.protocol.deliveries import (
    Changes,
    CurvesAsked,
    DataRequest,
    DataRequested,
    ManifestView,
    ReceiptTaken,
)
from meterhall.domain.protocol.keys import BadSignature
from meterhall.domain.readings import GranularityUnavailable
from meterhall.lake import CursorExpired, EngineBlind, EngineUnavailable
from meterhall.lake.cursor import InvalidCursor
from meterhall.provider.activations.service import ActivationEnded, UnknownActivation, find
from meterhall.provider.contracts.service import NoContract
from meterhall.provider.deliveries.areas import MonthNotBegun
from meterhall.provider.deliveries.changes import changes_since
from meterhall.provider.deliveries.forecasts import ForecastDay, ForecastTooMany
from meterhall.provider.deliveries.gate import RangeNotSatisfiable, open_part, respond
from meterhall.provider.deliveries.learner import ForecastMissing
from meterhall.provider.deliveries.live import TooManyOpen, TooManyPods, open_live, respond_live
from meterhall.provider.deliveries.service import (
    ConsentRevoked,
    DeliveryExpired,
    DeliveryRefused,
    FormatNotOffered,
    NoRepository,
    NothingAccepted,
    NotReady,
    OutsideActivation,
    PartReplaced,
    PeriodTooLong,
    ReceiptGiven,
    UnknownDelivery,
    UnknownPseudonym,
    WrongReceipt,
    manifest_view,
    mine,
    request_data,
    take_receipt,
)
from meterhall.web.api import endpoint
from meterhall.web.security import TokenAuth, caller

REQUEST_REFUSALS = (
    UnknownActivation, NoContract, ActivationEnded, OutsideActivation, FormatNotOffered, UnknownPseudonym,
    NothingAccepted, GroupTooSmall, MonthNotBegun, PeriodEmpty, PeriodTooLong, NoRepository, ForecastDay,
    ForecastTooMany, ForecastMissing, GranularityUnavailable,
)  # fmt: skip

PART_REFUSALS = (
    UnknownDelivery, NotReady, DeliveryRefused, DeliveryExpired, PartReplaced, ConsentRevoked, NoContract,
    ActivationEnded, RangeNotSatisfiable,
)  # fmt: skip
LIVE_REFUSALS = (
    UnknownActivation, NoContract, ActivationEnded, OutsideActivation, FormatNotOffered, UnknownPseudonym, TooManyPods,
    NothingAccepted, PeriodEmpty, PeriodTooLong, GranularityUnavailable, EngineUnavailable, EngineBlind, TooManyOpen,
)  # fmt: skip
FEED_REFUSALS = (
    UnknownActivation, CursorExpired, InvalidCursor, NoContract, ActivationEnded, OutsideActivation,
    EngineUnavailable, EngineBlind,
)  # fmt: skip


def add_deliveries(api: NinjaAPI) -> None:
    """Publish the calls."""
    data = TokenAuth("data", "sandbox")

    @endpoint(api, "POST", "/v1/data-requests", response=DataRequested, status=202, auth=data, step="8 data request",
              refuses=REQUEST_REFUSALS)  # fmt: skip
    def post_data_request(request: HttpRequest, body: DataRequest) -> DataRequested:
        """Ask for data of an activation; `delivery.ready` follows."""
        return request_data(body, caller(request))

    @endpoint(api, "GET", "/v1/deliveries/{delivery_id}", response=ManifestView, auth=data, step="9 delivery",
              refuses=(UnknownDelivery, NotReady, DeliveryRefused))  # fmt: skip
    def get_delivery(request: HttpRequest, delivery_id: str) -> ManifestView:
        """The newest manifest of a delivery, signed."""
        return manifest_view(mine(delivery_id, caller(request)))

    @endpoint(api, "GET", "/v1/deliveries/{delivery_id}/parts/{number}", response=bytes, auth=data, step="9 delivery",
              refuses=PART_REFUSALS, besides={206: bytes}, gives="application/octet-stream")  # fmt: skip
    def get_part(request: HttpRequest, delivery_id: str, number: int) -> Any:
        """A part, or the range of it asked for; aborted when a consent behind it ends."""
        return respond(request, open_part(mine(delivery_id, caller(request)), number))

    @endpoint(api, "POST", "/v1/deliveries/{delivery_id}/receipt", response=ReceiptTaken, status=201, auth=data,
              step="10 receipt", refuses=(UnknownDelivery, WrongReceipt, ReceiptGiven, BadSignature))  # fmt: skip
    def post_receipt(request: HttpRequest, delivery_id: str, body: Signed) -> ReceiptTaken:
        """Say what arrived and was verified, or why it is rejected; signed with the caller's transport key."""
        return take_receipt(delivery_id, caller(request), body.jws)

    @endpoint(api, "GET", "/v1/activations/{activation_id}/curves", response=bytes, auth=data, step="9 live",
              refuses=LIVE_REFUSALS, gives="application/octet-stream")  # fmt: skip
    def get_curves(request: HttpRequest, activation_id: str, asked: Query[CurvesAsked]) -> Any:
        """Curves as they are now, read while the caller waits; packed as its `Accept-Encoding` says, without ranges."""
        return respond_live(request, open_live(find(activation_id, caller(request)), asked))

    @endpoint(api, "GET", "/v1/activations/{activation_id}/changes", response=Changes, auth=data, step="9 feed",
              refuses=FEED_REFUSALS)  # fmt: skip
    def get_changes(request: HttpRequest, activation_id: str, since: str | None = None) -> Changes:
        """Values that are new or corrected since the cursor."""
        return changes_since(find(activation_id, caller(request)), since)
