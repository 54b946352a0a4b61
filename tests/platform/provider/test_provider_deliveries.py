"""Deliveries: what is in them, what replaces them, and what the gate lets out."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import httpx
import pytest

from meterhall.domain.errors import InvalidInput, MeterhallError
from meterhall.domain.privacy import GroupTooSmall
from meterhall.domain.protocol.activations import ActivationItem as ItemIn
from meterhall.domain.protocol.activations import Refresh, Schedule
from meterhall.domain.protocol.base import FormatName, GranularityName, Period
from meterhall.domain.protocol.deliveries import RECEIPT_TYP, DataRequest, Manifest, Receipt
from meterhall.domain.protocol.keys import BadSignature, SigningKey, header_of, payload_of, sign, signed_digest
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import MISSING
from meterhall.formats import FORMATS
from meterhall.formats.packing import unpacked
from meterhall.lake.cursor import InvalidCursor
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import refresh
from meterhall.provider.consents.models import Consent
from meterhall.provider.consents.service import revoke
from meterhall.provider.deliveries import curves as curve_reading
from meterhall.provider.deliveries import entitled as entitled_items
from meterhall.provider.deliveries.changes import changes_since
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.follow import follow_ends
from meterhall.provider.deliveries.gate import open_part
from meterhall.provider.deliveries.models import AccessLog, Delivery, PartContent, PushJob
from meterhall.provider.deliveries.promises import at_risk
from meterhall.provider.deliveries.retention import expire_files
from meterhall.provider.deliveries.schedules import run_schedules
from meterhall.provider.deliveries.service import (
    DeliveryExpired,
    NothingAccepted,
    OutsideActivation,
    ReceiptGiven,
    WrongReceipt,
    live_parts,
    manifest_view,
    newest,
    take_receipt,
)
from meterhall.provider.deliveries.tasks import admitted
from meterhall.provider.metering.service import take_readings
from meterhall.provider.points.models import Point
from meterhall.web.messaging.models import Outbox, Peer
from meterhall.web.platform import platform
from tests.platform.provider.conftest import HOLDER, MARCH, OTHER, REQUESTER, SUMS, World


def manifest(delivery: Delivery) -> Manifest:
    return Manifest.model_validate(newest(delivery).manifest)


def curves(delivery: Delivery) -> dict[str, list[int]]:
    """The mantissas of each usage point in the newest version."""
    found: dict[str, list[int]] = {}
    for part in live_parts(delivery):
        content = unpacked((folder() / part.path).read_bytes(), part.document["compression"], 100_000_000)
        for curve in FORMATS[delivery.request["format"]].decode(content):
            found[curve.series.usage_point] = curve.mantissas.tolist()
    return found


def test_a_delivery_has_every_slot_of_the_period_and_says_what_is_missing(world: World) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 20))
    delivery = world.deliver(world.activated(points))
    made = manifest(delivery)
    slots = 30 * 96 - 4  # the clock goes forward on the 29th
    there = 19 * 96 + 4  # from midnight in Rome, which is 23:00 UTC
    assert (made.readings, sum(part.missing for part in made.parts)) == (2 * there, 2 * (slots - there))
    assert [len(values) for values in curves(delivery).values()] == [slots, slots]


def test_withdrawing_for_one_point_leaves_untouched_parts_as_they_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve_reading, "PODS_A_PART", 2)
    points = world.points(4)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 5))
    activation = world.activated(points)
    delivery = world.deliver(activation, period=Period(first=date(2026, 3, 1), until=date(2026, 3, 3)))
    before = manifest(delivery)
    consent = activation.items.first().consent_item.consent
    revoke(consent.pk, HOLDER, (points[0].handle,))
    world.follow()
    delivery.refresh_from_db()
    after = manifest(delivery)
    assert (after.version, after.reason, after.supersedes) == (2, "revocation", before.fingerprint())
    assert after.withdrawn == (activation.items.get(position=0).pseudonym,)
    assert before.parts[1] == after.parts[0], "the part without the withdrawn point is the same file"
    assert len(after.parts[1].pseudonyms) == 1
    assert [file.name.split("-")[0] for file in sorted((folder() / delivery.pk).iterdir())] == ["2", "3"]


FEW = Period(first=date(2026, 3, 1), until=date(2026, 3, 3))


def many(world: World, count: int, first: int = 0) -> list[Point]:
    points = world.points(count, first=first)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 3))
    return points


def test_a_sum_is_over_all_and_has_no_single_value(world: World) -> None:
    points = many(world, 6)
    delivery = world.deliver(world.activated(points, SUMS), period=FEW, granularity="PT1H", group=True)
    made = manifest(delivery)
    [(name, values)] = curves(delivery).items()
    assert (made.group_size, made.parts[0].pseudonyms) == (6, (name,))
    assert values[:2] == [6 * 406, 6 * 406]
    assert name not in set(delivery.activation.items.values_list("pseudonym", flat=True))


def test_too_small_a_group_is_refused_at_once(world: World) -> None:
    activation = world.activated(many(world, 4), SUMS)
    with pytest.raises(GroupTooSmall):
        world.deliver(activation, period=FEW, granularity="PT1H", group=True)


def test_two_sums_must_not_differ_by_a_few_whoever_asks(world: World) -> None:
    points = many(world, 7)
    world.deliver(world.activated(points[:6], SUMS), period=FEW, granularity="PT1H", group=True)
    theirs = world.activated(points, SUMS, requester=OTHER)
    with pytest.raises(GroupTooSmall):
        world.deliver(theirs, period=FEW, granularity="PT1H", group=True)
    later = Period(first=date(2026, 3, 3), until=date(2026, 3, 5))
    assert world.deliver(theirs, period=later, granularity="PT1H", group=True).state == "published"


def test_a_member_known_only_in_sums_is_not_left_over_by_single_curves(world: World) -> None:
    points = many(world, 6)
    world.deliver(world.activated(points[:5]), period=FEW, granularity="PT1H")
    with pytest.raises(GroupTooSmall):
        world.deliver(world.activated(points, SUMS), period=FEW, granularity="PT1H", group=True)


def test_of_a_list_of_points_there_are_mean_and_median_too_with_how_complete(world: World) -> None:
    points = many(world, 11)
    activation = world.activated(points, SUMS)
    asked = {"period": FEW, "granularity": "PT1H", "group": True}
    with pytest.raises(GroupTooSmall) as refused:
        world.deliver(activation, **asked, measures=("p90",))
    assert refused.value.field == "/measures"
    delivery = world.deliver(activation, **asked, measures=("sum", "mean", "p50"))
    group = manifest(delivery).group
    assert group is not None
    found = curves(delivery)
    assert {one.measure: set(found[one.pseudonym]) for one in group.curves} == {
        "sum": {11 * 406}, "mean": {406}, "p50": {406}
    }  # fmt: skip
    [told] = group.months
    assert (group.over, told.pods, told.values, told.expected, told.withheld) == (None, 11, 11 * 48, 11 * 48, 0)


def test_a_slot_of_which_one_member_is_most_is_withheld_from_a_sum_too(world: World) -> None:
    points = many(world, 6)
    at = datetime(2026, 3, 2, 9, tzinfo=UTC).isoformat()
    take_readings(f"pod,start,energy_wh\n{points[0].pod},{at},5000".encode(), "PT15M")
    world.work()
    scope = SUMS.model_copy(update={"granularities": ("PT15M", "PT1H")})
    delivery = world.deliver(world.activated(points, scope), period=FEW, granularity="PT15M", group=True)
    [values] = curves(delivery).values()
    assert values.count(MISSING) == 1
    again = world.activated(points, scope, requester=OTHER)
    assert world.deliver(again, period=FEW, granularity="PT15M", group=True).state == "published"
    other = world.deliver(again, period=FEW, granularity="PT1H", group=True)
    assert (other.state, other.code) == ("refused", "group_granularity")


def test_a_withdrawal_empties_a_sum_rather_than_giving_the_member_away(world: World) -> None:
    points = many(world, 6)
    activation = world.activated(points, SUMS)
    delivery = world.deliver(activation, period=FEW, granularity="PT1H", group=True)
    consent = activation.items.first().consent_item.consent
    revoke(consent.pk, HOLDER, (points[0].handle,))
    world.follow()
    delivery.refresh_from_db()
    after = manifest(delivery)
    assert (after.version, after.parts, len(after.withdrawn)) == (2, (), 1)


def test_only_sums_are_had_under_a_contract_of_sums(world: World) -> None:
    activation = world.activated(many(world, 6), SUMS)
    with pytest.raises(OutsideActivation) as fault:
        world.deliver(activation, period=FEW, granularity="PT1H")
    assert fault.value.field == "/group"
    with pytest.raises(OutsideActivation):
        changes_since(activation, None)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"period": Period(first=date(2025, 3, 1), until=date(2026, 3, 2))}, "outside_activation", "/period"),
        ({"granularity": "PT30M"}, "outside_activation", "/granularity"),
        ({"directions": ("export",)}, "outside_activation", "/directions"),
        ({"period": Period(first=date(2026, 3, 2), until=date(2026, 3, 2))}, "period_empty", "/period"),
        ({"period": Period(first=date(1, 1, 1), until=date(9999, 1, 1))}, "period_too_long", "/period"),
        ({"period": Period(first=date(9999, 12, 1), until=date(9999, 12, 31))}, "period_too_long", "/period"),
        ({"transmission": "push"}, "format_not_offered", "/transmission"),
        ({"pseudonyms": ("0" * 36,)}, "unknown_pseudonym", "/pseudonyms/0"),
    ],
)
def test_what_is_beyond_the_activation_is_refused_by_name(
    world: World, changes: dict[str, object], code: str, field: str
) -> None:
    activation = world.activated(many(world, 1))
    with pytest.raises(MeterhallError) as fault:
        world.deliver(activation, **changes)
    assert (fault.value.code, fault.value.field) == (code, field)


def test_civil_days_have_one_value_each_and_an_incomplete_day_none(world: World) -> None:
    points = many(world, 1)
    delivery = world.deliver(world.activated(points), period=Period(first=date(2026, 3, 1), until=date(2026, 3, 4)),
                             granularity="P1D", format="jsonl")  # fmt: skip
    part = manifest(delivery).parts[0]
    assert (part.readings, part.missing) == (2, 1)


def test_nothing_accepted_is_refused(world: World) -> None:
    activation = world.activated(many(world, 1))
    revoke(activation.items.first().consent_item.consent_id, HOLDER)
    with pytest.raises(NothingAccepted):
        world.deliver(activation)


def test_a_day_outside_the_delivery_changes_nothing(world: World) -> None:
    points = many(world, 1)
    delivery = world.deliver(world.activated(points), period=FEW)
    world.follow()
    world.readings(points, date(2026, 3, 20), date(2026, 3, 21))
    world.follow()
    delivery.refresh_from_db()
    assert delivery.version == 1


def test_asking_for_the_next_version_during_a_build_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from meterhall.provider.deliveries import tasks

    points = many(world, 2)
    activation = world.activated(points)
    consent = activation.items.first().consent_item.consent
    built = tasks.build

    def build_and_withdraw(delivery: Delivery) -> None:
        built(delivery)
        if not Consent.objects.filter(state="partly_revoked").exists():
            revoke(consent.pk, HOLDER, (points[0].handle,))
            follow_ends()

    monkeypatch.setattr(tasks, "build", build_and_withdraw)
    delivery = world.deliver(activation, period=FEW)
    assert (delivery.version, manifest(delivery).reason) == (2, "revocation")


def receipt(world: World, delivery: Delivery, **changes: object) -> str:
    made = manifest(delivery)
    said = {
        "delivery_id": delivery.pk, "version": made.version, "manifest": made.fingerprint(),
        "received_at": world.clock(), "outcome": "received", "readings": made.readings,
    } | changes  # fmt: skip
    key = world.keys[REQUESTER]
    return sign(Receipt(**said).document(), key, typ=RECEIPT_TYP)  # type: ignore[arg-type]


def test_a_receipt_is_checked_taken_once_and_answered_the_same_again(world: World) -> None:
    delivery = world.deliver(world.activated(many(world, 1)), period=FEW)
    for wrong, member in (
        ({"manifest": "sha-256:" + 64 * "0"}, "/manifest"), ({"version": 7}, "/version"),
        ({"delivery_id": "dlv_" + "0" * 24}, "/delivery_id"), ({"readings": 5}, "/readings"),
        ({"code": "unreadable"}, "/code"), ({"outcome": "rejected"}, "/code"),
        ({"received_at": world.clock() - timedelta(days=1)}, "/received_at"),
        ({"received_at": world.clock() + timedelta(days=1)}, "/received_at"),
    ):  # fmt: skip
        with pytest.raises(WrongReceipt) as refused:
            take_receipt(delivery.pk, REQUESTER, receipt(world, delivery, **wrong))
        assert refused.value.field == f"/jws{member}"
    unknown = {**payload_of(receipt(world, delivery)), "code": "did_not_like_it"}
    with pytest.raises(InvalidInput) as misfit:
        take_receipt(delivery.pk, REQUESTER, sign(unknown, world.keys[REQUESTER], typ=RECEIPT_TYP))
    assert misfit.value.field == "/jws/code"
    with pytest.raises(BadSignature):
        take_receipt(delivery.pk, OTHER, receipt(world, delivery))
    no = receipt(world, delivery, outcome="rejected", code="incomplete")
    take_receipt(delivery.pk, REQUESTER, no)
    yes = receipt(world, delivery)
    first = take_receipt(delivery.pk, REQUESTER, yes)
    said = Outbox.objects.count()
    assert take_receipt(delivery.pk, REQUESTER, yes) == first
    fresh = SigningKey.generate()
    Peer.objects.filter(pk=REQUESTER).update(transport_keys=[fresh.public.jwk()])
    again = sign(payload_of(yes), fresh, typ=RECEIPT_TYP)
    assert take_receipt(delivery.pk, REQUESTER, again) == first, "the same word under the requester's next key"
    Peer.objects.filter(pk=REQUESTER).update(transport_keys=[world.keys[REQUESTER].public.jwk()])
    assert Outbox.objects.count() == said
    with pytest.raises(ReceiptGiven):
        take_receipt(delivery.pk, REQUESTER, no)


def test_files_go_after_their_time_and_say_so(world: World) -> None:
    delivery = world.deliver(world.activated(many(world, 1)), period=FEW)
    world.clock.now += timedelta(days=29)
    assert expire_files() == 0
    world.clock.now += timedelta(days=2)
    assert expire_files() == 1
    delivery.refresh_from_db()
    assert not (folder() / delivery.pk).exists()
    with pytest.raises(DeliveryExpired):
        open_part(delivery, 1)
    assert manifest(delivery).readings, "the manifest stays"


def test_a_schedule_waits_for_the_day_and_its_readings_and_delivers_each_day_once(world: World) -> None:
    world.clock.now = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
    points = many(world, 1)
    points[0].series.update(until_day=date(2026, 3, 2))
    subscription = world.contract()
    consent = world.consent(points, subscription)
    activation = world.activate(
        subscription, [(points[0].pod, f"consent:{consent.pk}")], schedule=Schedule(format="csv", granularity="PT1H")
    )
    assert (run_schedules(), run_schedules()) == (1, 0), "yesterday, once"
    world.clock.now = datetime(2026, 3, 2, 22, 59, tzinfo=UTC)
    points[0].series.update(until_day=date(2026, 3, 3))
    assert run_schedules() == 0, "in Rome the day is not over"
    world.clock.now = datetime(2026, 3, 2, 23, 1, tzinfo=UTC)
    assert run_schedules() == 1
    world.clock.now = datetime(2026, 3, 4, 1, 0, tzinfo=UTC)
    assert run_schedules() == 0, "its readings are waited for"
    world.clock.now = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
    assert run_schedules() == 1, "but not for ever"
    world.work()
    made = Delivery.objects.filter(activation=activation).order_by("first")
    assert [(one.first, manifest(one).reason) for one in made] == [
        (date(2026, 3, day), "scheduled") for day in (1, 2, 3)
    ]


def followed(activation: Activation, since: str | None) -> tuple[set[str], str]:
    """Whose values the feed shows since a cursor, and the cursor after it."""
    seen: set[str] = set()
    while True:
        page = changes_since(activation, since)
        seen |= {one.pseudonym for one in page.items}
        since = page.cursor
        if not page.more:
            return seen, since


def test_a_point_accepted_later_is_shown_from_its_beginning(world: World) -> None:
    first, second = many(world, 2)
    hourly = DataScope(granularities=("PT1H",), period=MARCH)
    activation = world.activated([first], hourly)
    seen, cursor = followed(activation, None)
    assert len(seen) == 1
    world.clock.now += timedelta(minutes=1)
    consent = world.consent([second], activation.subscription_id, hourly)
    refresh(activation.pk, REQUESTER, Refresh(add=(ItemIn(pod=second.pod, proof=f"consent:{consent.pk}"),)))
    world.work()
    more, later = followed(activation, cursor)
    assert len(more) == 1
    assert not more & seen
    assert followed(activation, later) == (set(), later)
    assert followed(activation, None)[0] == seen | more


@pytest.mark.parametrize("held", ["[null,null,1e999,0]", "[" * 20_000, "{}", "7", '["x",null,null,0,0,0,0]', "[1,2,3]"])
def test_a_cursor_is_one_of_this_very_feed(world: World, held: str) -> None:
    activation = world.activated(many(world, 1), DataScope(granularities=("PT1H",), period=MARCH))
    with pytest.raises(InvalidCursor):
        changes_since(activation, base64.urlsafe_b64encode(held.encode()).decode())
    other = world.activated(many(world, 1), DataScope(granularities=("PT1H",), period=MARCH))
    with pytest.raises(InvalidCursor):
        changes_since(activation, changes_since(other, None).cursor)


def test_a_month_is_delivered_when_it_is_over_and_a_missed_promise_is_seen(world: World) -> None:
    world.clock.now = datetime(2026, 3, 14, 7, 0, tzinfo=UTC)
    points = many(world, 1)
    points[0].series.update(until_day=date(2026, 3, 31))
    scope = DataScope(granularities=("PT1H", "P1D"), period=Period(first=date(2026, 2, 10), until=date(2026, 4, 20)))
    subscription = world.contract()
    consent = world.consent(points, subscription, scope=scope)
    items = [(points[0].pod, f"consent:{consent.pk}")]
    activation = world.activate(subscription, items, scope, Schedule(every="P1M", format="csv", granularity="P1D"))
    assert (run_schedules(), run_schedules()) == (1, 0), "what the contract has of the month before, once"
    world.work()
    world.clock.now = datetime(2026, 3, 31, 21, 59, tzinfo=UTC)
    assert run_schedules() == 0, "in Rome the month is not over"
    world.clock.now = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
    assert run_schedules() == 0, "its last day is waited for"
    assert at_risk() == []
    world.clock.now = datetime(2026, 4, 2, 7, 0, tzinfo=UTC)
    [risk] = [one for one in at_risk() if one.kind == "activation"]
    assert (risk.subject, risk.due) == (activation.pk, datetime(2026, 4, 1, 22, 0, tzinfo=UTC))
    assert run_schedules() == 1, "half of the promised time is over"
    world.clock.now = datetime(2026, 5, 5, 7, 0, tzinfo=UTC)
    assert run_schedules() == 1, "as far as the contract goes"
    assert run_schedules() == 0
    made = Delivery.objects.filter(activation=activation).order_by("first").values_list("first", "until")
    assert list(made) == [
        (date(2026, 2, 10), date(2026, 3, 1)), (date(2026, 3, 1), date(2026, 4, 1)),
        (date(2026, 4, 1), date(2026, 4, 20)),
    ]  # fmt: skip


def test_the_feed_shows_each_change_once_in_the_contracted_granularity(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from meterhall.provider.deliveries import changes as feed

    monkeypatch.setattr(feed, "PAGE_DAYS", 2)
    points = many(world, 2)
    activation = world.activated(points, DataScope(granularities=("PT1H", "P1D"), period=MARCH))
    seen, cursor, pages = [], None, 0
    while True:
        page = changes_since(activation, cursor)
        seen += page.items
        cursor, pages = page.cursor, pages + 1
        if not page.more:
            break
    assert pages > 1
    assert {one.resolution for one in seen} == {"PT1H"}
    assert {one.start for one in seen} == {
        datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    }, "from midnight in Rome on, not before"  # fmt: skip
    assert len(seen) == 6
    assert changes_since(activation, cursor).items == ()
    world.readings(points[:1], date(2026, 3, 2), date(2026, 3, 3), wh=500)
    [news] = changes_since(activation, cursor).items
    assert news.values[0] == 4 * 500 + 6
    logged = AccessLog.objects.filter(kind="feed").order_by().values_list("granularity", "directions")
    assert [*map(tuple, logged.distinct())] == [("PT1H", ["import"])], (
        "what was shown, not the coarsest that is contracted"
    )
    with pytest.raises(InvalidCursor):
        changes_since(activation, "nonsense")


def test_a_push_that_was_noted_is_not_stated_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from meterhall.provider.deliveries import push

    activation = world.activated(many(world, 1))
    delivery = world.deliver(activation, period=FEW)
    job = PushJob.objects.create(version=delivery.versions.get())
    repository = SimpleNamespace(repository=SimpleNamespace(url="https://peer.example/repository"))
    monkeypatch.setattr(push, "contract_in_force", lambda subscription, requester: repository)
    put: list[str] = []

    def fails_once(url: str, *how: object) -> None:
        put.append(url)
        if len(put) == 1:
            raise OSError

    monkeypatch.setattr(push, "_put", fails_once)
    with pytest.raises(OSError):  # noqa: PT011 - the line broke
        push.push_version(job)
    push.push_version(job)
    push.push_version(job)
    assert Outbox.objects.filter(type="delivery.pushed").count() == 1
    assert AccessLog.objects.filter(kind="push").count() == 1, "tried twice, had once"


def test_a_push_goes_on_with_the_part_it_broke_off_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from meterhall.provider.deliveries import push

    monkeypatch.setattr(curve_reading, "PODS_A_PART", 1)
    delivery = world.deliver(world.activated(many(world, 3)), period=FEW)
    job = PushJob.objects.create(version=delivery.versions.get())
    repository = SimpleNamespace(repository=SimpleNamespace(url="https://peer.example/repository"))
    monkeypatch.setattr(push, "contract_in_force", lambda subscription, requester: repository)
    put: list[str] = []

    def breaks_at_the_second(url: str, *how: object) -> None:
        assert url.startswith(f"https://peer.example/repository/{delivery.pk}/1/"), "the contract's address, no other"
        put.append(url.rpartition("/")[2])
        if len(put) == 2:
            raise OSError

    monkeypatch.setattr(push, "_put", breaks_at_the_second)
    with pytest.raises(OSError):  # noqa: PT011 - the line broke
        push.push_version(job)
    push.push_version(PushJob.objects.get(pk=job.pk))
    assert put == ["1", "2", "2", "3", "manifest"]


def test_who_is_admitted_again_gets_the_correction_of_meanwhile(world: World) -> None:
    points = many(world, 1)
    delivery = world.deliver(world.activated(points), period=FEW)
    Peer.objects.filter(pk=REQUESTER).update(status="suspended")
    world.readings(points, date(2026, 3, 2), date(2026, 3, 3), wh=500)
    world.follow()
    delivery.refresh_from_db()
    assert delivery.version == 1
    Peer.objects.filter(pk=REQUESTER).update(status="admitted")
    data = SimpleNamespace(player=SimpleNamespace(access_number=REQUESTER))
    admitted(None, data)  # type: ignore[arg-type]
    world.work()
    delivery.refresh_from_db()
    assert delivery.version == 2


@pytest.mark.parametrize(
    ("form", "grain", "days", "directions", "most"),
    [
        ("parquet", "PT15M", 30, 1, 50),
        ("parquet", "PT15M", 365, 1, 50),
        ("parquet", "PT15M", 365, 2, 28),
        ("parquet", "PT15M", 3650, 2, 2),
        ("csv", "PT15M", 365, 1, 34),
        ("csv", "PT5M", 365, 1, 11),
        ("csv", "P1D", 365, 1, 34),
        ("cim", "PT15M", 365, 1, 12),
        ("cim", "PT5M", 365, 1, 4),
        ("cim", "PT15M", 3650, 2, 1),
    ],
)
def test_the_longer_the_period_and_the_text_and_the_finer_the_slots_the_fewer_points_are_in_a_part(
    form: FormatName, grain: GranularityName, days: int, directions: int, most: int
) -> None:
    period = Period(first=date(2016, 1, 1), until=date(2016, 1, 1) + timedelta(days=days))
    asked = DataRequest(
        activation_id=f"act_{'0' * 24}",
        period=period,
        granularity=grain,
        format=form,
        directions=("import", "export")[:directions],
    )
    assert curve_reading.pods_a_part(asked) == most


def test_of_many_points_there_are_larger_parts_and_no_more_of_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve_reading, "PODS_A_PART", 1)
    monkeypatch.setattr(curve_reading, "PARTS", 2)
    monkeypatch.setattr(entitled_items, "ITEMS_AT_ONCE", 2)
    points = many(world, 5)
    activation = world.activated(points)
    ActivationItem.objects.filter(position=1).update(state="refused")
    delivery = world.deliver(activation, period=FEW)
    accepted = list(activation.items.filter(state="accepted").values_list("pseudonym", flat=True))
    assert [set(part.pseudonyms) for part in manifest(delivery).parts] == [set(accepted[:2]), set(accepted[2:])]
    assert PartContent.objects.filter(part__delivery=delivery).count() == 4


def test_a_manifest_is_shown_under_the_key_there_is_now(world: World) -> None:
    delivery = world.deliver(world.activated(many(world, 1)), period=FEW)
    before = manifest_view(delivery)
    platform().__dict__["transport_key"] = fresh = SigningKey.generate()
    after = manifest_view(delivery)
    assert after.manifest == before.manifest
    assert header_of(after.jws)["kid"] == fresh.kid
    assert signed_digest(after.jws) == signed_digest(before.jws) == delivery.versions.get().digest


def test_a_pushed_body_breaks_off_when_the_customer_withdraws_midway(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from meterhall.provider.deliveries import push

    points = many(world, 1)
    delivery = world.deliver(world.activated(points), period=FEW)
    job = PushJob.objects.create(version=delivery.versions.get())
    repository = SimpleNamespace(repository=SimpleNamespace(url="https://peer.example/repository"))
    monkeypatch.setattr(push, "contract_in_force", lambda subscription, requester: repository)
    monkeypatch.setattr(push, "GATE_BLOCK_BYTES", 64)
    put: list[str] = []

    def takes(request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        for block in request.stream:
            put.append(request.url.path)
            assert len(block) <= 64
            if len(put) == 2:
                revoke(Consent.objects.get().pk, HOLDER, (points[0].handle,))
        return httpx.Response(201)

    platform().__dict__["http"] = httpx.Client(transport=Streaming(takes))
    push.push_version(job)
    assert put == [f"/repository/{delivery.pk}/1/parts/1"] * 2, "nothing after the withdrawal, and no manifest"
    assert not Outbox.objects.filter(type="delivery.pushed").exists()


class Streaming(httpx.BaseTransport):
    """Hands requests over with their bodies unread."""

    def __init__(self, takes: Callable[[httpx.Request], httpx.Response]) -> None:
        self.handle_request = takes  # type: ignore[method-assign]
