"""The inbox for events, and the pull feed for those who host none: the same on every platform."""

from __future__ import annotations

import json

import structlog
from django.http import HttpRequest
from ninja import NinjaAPI
from pydantic import ValidationError

from meterhall.client.signatures import verify_request
from meterhall.domain.errors import InvalidInput, NotPermitted
from meterhall.domain.protocol.events import DATA, FROM_PROVIDERS, Event, FeedAcknowledgement, FeedPage
from meterhall.domain.protocol.keys import BadSignature, PublicKey
from meterhall.web.api import Body, endpoint
from meterhall.web.json_bodies import check_media_type
from meterhall.web.messaging.handlers import may_come_from
from meterhall.web.messaging.market_keys import marketplace_keys
from meterhall.web.messaging.models import Inbox, Outbox, Peer
from meterhall.web.messaging.peers import marketplace, transport_keys
from meterhall.web.platform import platform
from meterhall.web.security import TokenAuth, caller
from meterhall.web.work.models import WorkState

log = structlog.get_logger(__name__)
FEED_PAGE = 100


class ForeignEvent(NotPermitted):
    code = "foreign_event"
    title = "An event is sent by the party named in its source."


class EventMismatch(InvalidInput):
    code = "event_mismatch"
    title = "The webhook-id header and the event's id are the same."


def key_of(key_id: str) -> PublicKey | None:
    """The transport key behind an RFC 9421 `keyid` (`<access number>#<kid>`), if its owner may send here."""
    number, _, kid = key_id.partition("#")
    of_market = Peer.objects.filter(pk=number, is_marketplace=True).exists()
    keys = marketplace_keys(kid) if of_market else transport_keys(number)
    return next((key for key in keys if key.kid == kid), None)


def receive(request: HttpRequest) -> Inbox:
    """Check and keep an event; a repeated one is kept once. Raises `BadSignature` and the errors above."""
    check_media_type(request)
    sender = verify_request(
        request.method or "POST",
        platform().base_url + request.get_full_path(),
        dict(request.headers),
        request.body,
        key_of,
        now=platform().now(),
    )
    event = Event.model_validate_json(request.body)
    if event.sender != sender:
        raise ForeignEvent(field="/source")
    if not may_come_from(event.type, sender):
        raise ForeignEvent("Only the Market Place sends events of this type.", field="/type")
    if event.type not in FROM_PROVIDERS and sender != marketplace().access_number:
        raise ForeignEvent(f"Only the Market Place sends {event.type}.", field="/type")
    if event.type in FROM_PROVIDERS and (platform().role != "requester" or not _provides(sender)):
        raise ForeignEvent(f"{event.type} is sent by a provider to a requester.", field="/type")
    if request.headers.get("webhook-id") != event.id:
        raise EventMismatch(field="/id")
    _check_data(event)
    arrived, is_new = Inbox.objects.get_or_create(
        id=event.id,
        defaults={
            "sender": sender,
            "type": event.type,
            "body": event.canonical().decode(),
            "received_at": platform().now(),
            "due_at": platform().now(),
        },
    )
    log.info("event.received", type=event.type, id=event.id, sender=sender, new=is_new)
    return arrived


def _provides(sender: str) -> bool:
    """Whether the Market Place vouches for the sender as a provider."""
    return "provider" in Peer.objects.get(pk=sender).document.get("roles", ())


def _check_data(event: Event) -> None:
    try:
        DATA[event.type].model_validate(event.data)
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        path = "/data/" + "/".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{path}: {first['msg']}", field=path) from None


def add_inbox(api: NinjaAPI) -> None:
    """Publish `POST /v1/inbox`."""

    @endpoint(
        api, "POST", "/v1/inbox", response=None, status=202, idempotent=False, step="events",
        takes=Body("application/cloudevents+json", Event),
        refuses=(BadSignature, ForeignEvent, EventMismatch),
    )  # fmt: skip
    def post_inbox(request: HttpRequest) -> None:
        """Take an event (CloudEvents 1.0), signed (RFC 9421) by the sender; `webhook-id` is its id."""
        receive(request)


def add_feed(api: NinjaAPI, auth: TokenAuth) -> None:
    """Publish `GET /v1/events` and `POST /v1/events/acknowledgements`."""

    @endpoint(api, "GET", "/v1/events", response=FeedPage, auth=auth, step="events")
    def get_events(request: HttpRequest) -> FeedPage:
        """The oldest events for the caller that it has not acknowledged yet."""
        waiting = Outbox.objects.filter(
            kind=Outbox.Kind.EVENT, recipient=caller(request), work_state=WorkState.HELD
        ).order_by("created_at", "id")
        bodies = list(waiting.values_list("body", flat=True)[: FEED_PAGE + 1])
        events = tuple(Event.model_validate(json.loads(body)) for body in bodies[:FEED_PAGE])
        return FeedPage(events=events, more=len(bodies) > FEED_PAGE)

    @endpoint(api, "POST", "/v1/events/acknowledgements", response=None, status=204, auth=auth, step="events")
    def acknowledge_events(request: HttpRequest, body: FeedAcknowledgement) -> None:
        """Take events off the feed."""
        Outbox.objects.filter(
            kind=Outbox.Kind.EVENT, recipient=caller(request), work_state=WorkState.HELD, id__in=body.ids
        ).update(work_state=WorkState.DONE, sent_at=platform().now())
