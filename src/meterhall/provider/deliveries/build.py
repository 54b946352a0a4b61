"""Building a version of a delivery: curves into files, a signed manifest around them.

Files are written first, whole or not at all, under names of this attempt, and laid down with what is in them, as parts
of no version; then one short transaction makes them one, unless meanwhile something ended or another attempt was
faster. What a crash leaves is forgotten and swept when the work is taken up again, and of what is over by `retention`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet

from meterhall.domain.market import redelivers
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import commitment
from meterhall.domain.protocol.deliveries import (
    MANIFEST_TYP,
    DataRequest,
    ForecastAnswer,
    GroupOf,
    Manifest,
    NotForecast,
    Part,
)
from meterhall.domain.protocol.events import DeliveryReady
from meterhall.domain.protocol.keys import sign
from meterhall.provider.activations.decide import Frame
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import frame_of
from meterhall.provider.consents.epoch import epoch, hold_epoch
from meterhall.provider.deliveries.areas import Answer, answer, check_stretches, note_answer, told_stretches
from meterhall.provider.deliveries.changed import changed_points
from meterhall.provider.deliveries.curves import pods_a_part
from meterhall.provider.deliveries.drawing import (
    Drawing,
    Drawn,
    draw_curves,
    draw_forecasts,
    draw_group,
    draw_sum,
    folder,
)
from meterhall.provider.deliveries.entitled import (
    ITEMS_AT_ONCE,
    Entitled,
    accepted_in_pieces,
    entitled,
    may_be_had,
)
from meterhall.provider.deliveries.forecasts import told_by
from meterhall.provider.deliveries.groups import (
    check_sum,
    minimum_group,
    note_sum,
)
from meterhall.provider.deliveries.models import (
    FORGOTTEN,
    GOING_ON,
    NEVER_HAD,
    UNPUBLISHED,
    Delivery,
    DeliveryPart,
    DeliveryVersion,
    PartContent,
    PushJob,
)
from meterhall.provider.deliveries.service import NothingAccepted, live_parts
from meterhall.provider.metering.service import lake
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import notify, state
from meterhall.web.platform import platform
from meterhall.web.sets import pieces
from meterhall.web.work.engine import NotYet


@dataclass(frozen=True, slots=True)
class Plan:
    """What the next version consists of: parts that stay, parts that go and why, files that are new."""

    kept: list[DeliveryPart]
    gone: dict[int, str]
    drawn: list[Drawn]
    lake_cursor: str
    epoch: int
    absent: Sequence[NotForecast] = ()
    answer: Answer | None = None


def build(delivery: Delivery) -> None:
    """Build and publish the delivery's next version, unless nothing about it is new. Safe to repeat.

    Whatever its size, no more than a part of it is in memory: files and what is in them are laid down as they are made.
    """
    if delivery.state not in GOING_ON:
        sweep(delivery)
        return
    request = DataRequest.model_validate(delivery.request)
    if request.over is not None:
        _build_over(delivery, request, request.over)
        return
    forget_unfinished(delivery)
    seen, frame = epoch(), frame_of(delivery.activation)
    cursor = lake().changes(None, series_ids=[])[1]
    follows = frame.contract is None or redelivers(frame.contract)
    kept, gone = _sort_out(frame, list(live_parts(delivery)), changed_points(delivery) if follows else frozenset())
    gone |= {part.pk: part.replaced_reason for part in _withheld(delivery)}
    if delivery.version and not gone:
        Delivery.objects.filter(pk=delivery.pk).update(lake_cursor=cursor)
        sweep(delivery)
        return
    drawn = _drawn(delivery, request, _fresh(delivery, request, frame, kept))
    plan = Plan(kept, gone, drawn.files, cursor, seen, drawn.absent)
    if request.group or delivery.is_forecast:
        _publish_now(delivery, request, plan)
        return
    while True:
        plan = _settled(delivery, request, plan)
        if not (delivery.version or plan.drawn):
            raise NothingAccepted
        with suppress(_Moved):
            _publish(delivery, request, plan)
            return


class _Moved(Exception):
    """Something ended somewhere after the last look at what is to be published."""


def _publish_now(delivery: Delivery, request: DataRequest, plan: Plan) -> None:
    """Publish what cannot be looked at part by part; where something ended meanwhile all of it is made anew."""
    try:
        _publish(delivery, request, plan)
    except _Moved:
        raise NotYet(0.1) from None


def _settled(delivery: Delivery, request: DataRequest, plan: Plan) -> Plan:
    """The plan, after a look at each of its parts where something ended while they were made; again, until nothing
    does. Of a part that may not stay what still may is drawn anew."""
    while (seen := epoch()) != plan.epoch:
        frame = frame_of(Activation.objects.get(pk=delivery.activation_id))
        kept, gone = _sort_out(frame, plan.kept)
        rows = DeliveryPart.objects.in_bulk([one.row for one in plan.drawn])
        stay, _ = _sort_out(frame, [rows[one.row] for one in plan.drawn])
        staying = {part.pk for part in stay}
        drawn = [one for one in plan.drawn if one.row in staying]
        if len(kept) < len(plan.kept) or len(drawn) < len(plan.drawn):
            drawn += _drawn(delivery, request, _fresh(delivery, request, frame, [*kept, *stay])).files
        plan = replace(plan, kept=kept, gone=plan.gone | gone, drawn=drawn, epoch=seen)
    return plan


def _drawn(delivery: Delivery, request: DataRequest, fresh: Iterator[Entitled]) -> Drawing:
    """The files of these members, laid down."""
    if request.group or delivery.is_forecast:
        members = list(fresh)
        if not (members or delivery.version):
            raise NothingAccepted
        draw = draw_sum if request.group else draw_forecasts
        drawing = draw(delivery, request, members)
        return Drawing([_lay_down(delivery, one) for one in drawing.files], drawing.absent)
    files = draw_curves(delivery, request, fresh, pods_a_part(request, _pods(delivery, request)))
    # Of single curves nobody asks later who is in a part: that is laid down.
    return Drawing([replace(_lay_down(delivery, one), members=()) for one in files])


def _lay_down(delivery: Delivery, drawn: Drawn) -> Drawn:
    """Write down a file and what is in it; it is in no version yet, and nobody's to fetch."""
    with transaction.atomic():
        row = DeliveryPart.objects.create(
            delivery=delivery, number=drawn.part.number, path=drawn.path, document=drawn.part.document(),
            replaced_reason=UNPUBLISHED,
        )  # fmt: skip
        PartContent.objects.bulk_create(
            PartContent(part=row, item_id=one.item_id, first=days.first, until=days.until)
            for one in drawn.members
            for days in one.days
        )
    return replace(drawn, row=row.pk)


def forget_unfinished(delivery: Delivery) -> None:
    """Forget the files of an attempt that came to no version."""
    # Which ones is settled by one statement: what another attempt publishes meanwhile is not deleted.
    delivery.parts.filter(replaced_reason=UNPUBLISHED).update(replaced_reason=FORGOTTEN)
    delivery.parts.filter(replaced_reason=FORGOTTEN).delete()


def _pods(delivery: Delivery, request: DataRequest) -> int:
    """Of how many PODs a version may be."""
    if delivery.version:
        return _once_in(delivery).count()
    return len(request.pseudonyms) or delivery.activation.items.filter(state="accepted").count()


def _fresh(delivery: Delivery, request: DataRequest, frame: Frame, kept: list[DeliveryPart]) -> Iterator[Entitled]:
    """What may be had and is in none of the parts that stay: at first of what the request speaks of; a later version is
    never of more than an earlier one."""
    stay = {part.pk for part in kept}
    spoken_of = _in_pieces(_once_in(delivery)) if delivery.version else accepted_in_pieces(delivery.activation, request)
    for some in spoken_of:
        having = _having(delivery, some, stay) if stay else set()
        yield from entitled(frame, [one for one in some if one.pk not in having], request.period).values()


def _having(delivery: Delivery, items: list[ActivationItem], parts: set[int]) -> set[int]:
    """Those of the items, by primary key, that are in one of these parts."""
    inside = PartContent.objects.filter(part__delivery=delivery)
    return {
        item
        for some in pieces(one.pk for one in items)
        for item, part in inside.filter(item__in=some).values_list("item", "part")
        if part in parts
    }


def _once_in(delivery: Delivery) -> QuerySet[ActivationItem]:
    """The items of which something was in a version, by their position."""
    published = PartContent.objects.filter(part__delivery=delivery).exclude(part__replaced_reason__in=NEVER_HAD)
    return ActivationItem.objects.filter(pk__in=published.values("item")).order_by("position")


def _in_pieces(items: QuerySet[ActivationItem]) -> Iterator[list[ActivationItem]]:
    last, items = -1, items.select_related("point", "consent_item")
    while some := list(items.filter(position__gt=last)[:ITEMS_AT_ONCE]):
        last = some[-1].position
        yield some


def _build_over(delivery: Delivery, request: DataRequest, over: GroupOf) -> None:
    """The one version of a group of our own points. It is not corrected: what changed would be one member's change."""
    if delivery.version:
        sweep(delivery)
        return
    seen = epoch()
    frame_of(delivery.activation)
    cursor = lake().changes(None, series_ids=[])[1]
    told, known_at = told_by(request, delivery.is_forecast), delivery.created_at if delivery.is_forecast else None
    minimum = minimum_group(delivery.activation)
    stretches = told_stretches(told, over, minimum, forecast=delivery.is_forecast)
    check_stretches(stretches, told, minimum)
    found = answer(delivery, told, over, stretches, minimum, known_at)
    forget_unfinished(delivery)
    drawn = draw_group(delivery, request, [], found.curves, ZoneInfo(platform().config.zone))
    files = [_lay_down(delivery, one) for one in drawn.files]
    _publish_now(delivery, request, Plan([], {}, files, cursor, seen, drawn.absent, found))


def _sort_out(
    frame: Frame, parts: Iterable[DeliveryPart], changed: Set[int] = frozenset()
) -> tuple[list[DeliveryPart], dict[int, str]]:
    """The parts that stay: all in them still allowed, no value in them changed; and why the others go."""
    kept: list[DeliveryPart] = []
    gone: dict[int, str] = {}
    for part in parts:
        if may_be_had(part, frame) is None:
            gone[part.pk] = "revocation"
        elif changed and not changed.isdisjoint(part.contents.values_list("item__point", flat=True)):
            gone[part.pk] = "correction"
        else:
            kept.append(part)
    return kept, gone


def _withheld(delivery: Delivery) -> list[DeliveryPart]:
    """Parts taken away since the newest version was published."""
    newest = delivery.versions.order_by("-version").first()
    if newest is None:
        return []
    listed = [part["number"] for part in newest.manifest["parts"]]
    return list(delivery.parts.filter(number__in=listed).exclude(replaced_reason=""))


def _publish(delivery: Delivery, request: DataRequest, plan: Plan) -> None:
    before = delivery.versions.order_by("-version").first()
    manifest, told = _manifest(delivery, request, before, plan), told_by(request, delivery.is_forecast)
    with transaction.atomic():
        if hold_epoch() != plan.epoch:
            raise _Moved
        held = Delivery.objects.select_for_update().get(pk=delivery.pk)
        if (held.version, held.state) != (delivery.version, delivery.state):
            raise NotYet(0.1)
        if plan.answer is not None:
            check_stretches([one.stretch for one in plan.answer.stretches], told, minimum_group(delivery.activation))
            note_answer(delivery, told, plan.answer)
        elif request.group and plan.drawn:
            members = plan.drawn[0].members
            check_sum(members, told, minimum_group(delivery.activation))
            group = plan.drawn[0].group
            withheld = group is not None and any(one.withheld for one in group.months)
            note_sum(delivery, told, {one.point_id for one in members}, withheld)
        for reason in set(plan.gone.values()):
            for some in pieces(key for key, why in plan.gone.items() if why == reason):
                DeliveryPart.objects.filter(pk__in=some).update(replaced_reason=reason)
        laid = DeliveryPart.objects.filter(replaced_reason=UNPUBLISHED)
        rows = [laid.filter(pk__in=some) for some in pieces(one.row for one in plan.drawn)]
        if sum(some.update(replaced_reason="") for some in rows) != len(plan.drawn):
            raise NotYet(0.1)  # another attempt has begun anew
        version = _version(delivery, manifest)
        if request.transmission == "push":
            PushJob.objects.create(version=version, due_at=manifest.created_at)
        delivery.version, delivery.state, delivery.lake_cursor = manifest.version, "published", plan.lake_cursor
        delivery.save(update_fields=["version", "state", "lake_cursor"])
        _tell(delivery, manifest)
    sweep(delivery)


def _version(delivery: Delivery, manifest: Manifest) -> DeliveryVersion:
    return DeliveryVersion.objects.create(
        delivery=delivery,
        version=manifest.version,
        manifest=manifest.document(),
        digest=manifest.fingerprint(),
        jws=sign(manifest.document(), platform().transport_key, typ=MANIFEST_TYP),
        published_at=manifest.created_at,
    )


def sweep(delivery: Delivery) -> None:
    """Remove the files that are in no part that may be had, and what came to no version."""
    forget_unfinished(delivery)
    place, wanted = folder() / delivery.delivery_id, {Path(part.path).name for part in live_parts(delivery)}
    for file in place.glob("*"):
        if file.name not in wanted:
            file.unlink(missing_ok=True)
    if not wanted:
        with suppress(OSError):  # somebody is writing into it, or it is gone
            place.rmdir()


def _manifest(delivery: Delivery, request: DataRequest, before: DeliveryVersion | None, plan: Plan) -> Manifest:
    parts = [Part.model_validate(part.document) for part in plan.kept] + [one.part for one in plan.drawn]
    had = set(_pseudonyms(Manifest.model_validate(before.manifest))) if before else set()
    have = {name for part in parts for name in part.pseudonyms}
    why = "revocation" if "revocation" in plan.gone.values() else "correction"
    return Manifest(
        delivery_id=delivery.delivery_id,
        version=delivery.version + 1,
        supersedes=before.digest if before else None,
        reason=why if before else delivery.reason,
        activation_id=delivery.activation.activation_id,
        subscription_id=delivery.activation.subscription_id,
        provider=my_access_number(),
        requester=delivery.requester,
        created_at=platform().now(),
        period=Period(first=delivery.first, until=delivery.until),
        granularity=request.granularity,
        format=request.format,
        group_size=_group_size(request, plan),
        group=plan.answer.group if plan.answer else next((one.group for one in plan.drawn), None),
        forecast=_forecast(delivery, before, plan),
        commitment_salt=delivery.salt,
        parts=tuple(sorted(parts, key=lambda part: part.number)),
        withdrawn=tuple(sorted(had - have)),
    )


def _forecast(delivery: Delivery, before: DeliveryVersion | None, plan: Plan) -> ForecastAnswer | None:
    """What is said of a forecast; what could not be forecast at first is not tried again."""
    if not delivery.is_forecast:
        return None
    said = Manifest.model_validate(before.manifest).forecast if before else None
    return said or ForecastAnswer(known_at=delivery.created_at, absent=tuple(plan.absent))


def _group_size(request: DataRequest, plan: Plan) -> int | None:
    if plan.answer is not None:
        return min(month.pods for month in plan.answer.group.months)
    return len({one.point_id for drawn in plan.drawn for one in drawn.members}) if request.group else None


def _pseudonyms(manifest: Manifest) -> Iterator[str]:
    return (name for part in manifest.parts for name in part.pseudonyms)


def _tell(delivery: Delivery, manifest: Manifest) -> None:
    state(
        "delivery.published",
        transaction_id=manifest.subscription_id,
        subject=f"{manifest.delivery_id}:{manifest.version}",
        parties=(manifest.provider, manifest.requester),
        counts={
            "readings": manifest.readings,
            "missing": sum(part.missing for part in manifest.parts),
            "parts": len(manifest.parts),
        },
        commitments={"manifest": commitment(manifest.commitment_salt, manifest.fingerprint())},
    )
    ready = DeliveryReady(
        delivery_id=manifest.delivery_id, version=manifest.version, activation_id=manifest.activation_id
    )
    notify(manifest.requester, "delivery.ready", manifest.delivery_id, ready)
