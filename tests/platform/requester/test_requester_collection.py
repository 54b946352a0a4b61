"""A delivery is collected once, whole and checked, or rejected with the reason; what a customer revokes is erased."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from meterhall.client import checks
from meterhall.domain.protocol.base import Compression, FormatName, Period
from meterhall.domain.protocol.canonical import commitment, digest
from meterhall.domain.protocol.deliveries import ForecastAnswer, ManifestView
from meterhall.domain.protocol.events import ConsentChanged
from meterhall.domain.protocol.keys import SigningKey, sign, verify
from meterhall.domain.readings import MISSING
from meterhall.requester.activations.models import Activation, ActivationItem, ConsentKnown
from meterhall.requester.analysis.service import load_curve, subject_of
from meterhall.requester.collection.models import Delivery, Series, Version, Withdrawal
from meterhall.requester.collection.service import note_match
from meterhall.requester.collection.store import lake, spec, store, withdraw
from meterhall.requester.collection.withdrawal import hear
from meterhall.web.platform import Platform

from .conftest import (
    CONSENT,
    FIRST,
    GRID,
    GROUP,
    ME,
    PODS,
    PSEUDONYMS,
    START,
    STRANGER,
    Clock,
    GridDouble,
    curve,
    ready,
    statements,
    work,
)

pytestmark = pytest.mark.django_db


def values(pseudonym: str = PSEUDONYMS[0]) -> list[int]:
    """What the lake has of a pseudonym over the period."""
    series = Series.objects.get(pseudonym=pseudonym)
    block = next(iter(lake().read([spec(series)], START, START + timedelta(minutes=15 * 284))))
    found: list[int] = block.mantissas.tolist()
    return found


@pytest.mark.parametrize("form", get_args(FormatName))
def test_collects_stores_and_receipts(activation: Activation, grid: GridDouble, delivery_id: str, form: str) -> None:
    manifest = grid.publish({1: [curve(gaps=(5, 6)), curve(PSEUDONYMS[1], 9000)]}, delivery_id, form=form)
    delivery = ready(delivery_id)
    assert (delivery.state, delivery.activation) == ("received", activation)
    assert values()[:8] == [100, 101, 102, 103, 104, MISSING, MISSING, 107]
    assert values(PSEUDONYMS[1]) == list(range(9000, 9284))
    (receipt,) = grid.receipts()
    assert (receipt.outcome, receipt.readings, receipt.manifest) == ("received", 566, manifest.fingerprint())


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_packed_parts_are_unpacked_and_gone_on_with_where_they_broke_off(
    activation: Activation, grid: GridDouble, delivery_id: str, form: str, how: Compression
) -> None:
    manifest = grid.publish({1: [curve(gaps=(5, 6)), curve(PSEUDONYMS[1], 9000)]}, delivery_id, form=form, how=how)
    grid.broken = [300]
    assert ready(delivery_id).state == "received"
    assert [request.headers.get("Range") for request in grid.paths("/parts/1")] == [None, "bytes=300-"]
    assert values()[:8] == [100, 101, 102, 103, 104, MISSING, MISSING, 107]
    assert values(PSEUDONYMS[1]) == list(range(9000, 9284))
    (receipt,) = grid.receipts()
    assert (receipt.outcome, receipt.readings, receipt.manifest) == ("received", 566, manifest.fingerprint())


@pytest.mark.parametrize("said", ["gzip", "zstd", "none"])
def test_a_part_that_is_not_packed_as_its_manifest_says_is_rejected(
    activation: Activation, grid: GridDouble, delivery_id: str, said: Compression
) -> None:
    manifest = grid.publish({1: [curve()]}, delivery_id, form="csv", how="gzip" if said == "zstd" else "zstd")
    resign(grid, delivery_id, parts=(manifest.parts[0].model_copy(update={"compression": said}),))
    assert ready(delivery_id).code == "unreadable"
    assert not Series.objects.exists()


@pytest.mark.parametrize("how", ["gzip", "zstd"])
@pytest.mark.parametrize("change", [lambda content: content[:-5], lambda content: content + b"more"])
def test_a_packed_part_that_ends_too_soon_or_goes_on_is_rejected_whatever_its_digest(
    activation: Activation, grid: GridDouble, delivery_id: str, how: Compression, change: Callable[[bytes], bytes]
) -> None:
    manifest = grid.publish({1: [curve()]}, delivery_id, form="csv", how=how)
    content = grid.files[delivery_id, 1] = change(grid.files[delivery_id, 1])
    part = manifest.parts[0].model_copy(update={"size_bytes": len(content), "digest": digest(content)})
    resign(grid, delivery_id, parts=(part,))
    assert ready(delivery_id).code == "unreadable"


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_part_that_unpacks_to_too_much_is_rejected(
    activation: Activation, grid: GridDouble, delivery_id: str, how: Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MOST_BYTES", 10_000)
    grid.publish({1: [curve()]}, delivery_id, form="csv", how=how)
    assert len(grid.files[delivery_id, 1]) < 10_000
    delivery = ready(delivery_id)
    assert (delivery.state, delivery.code) == ("rejected", "unreadable")
    assert "larger than 10000 bytes" in delivery.detail


def test_receipt_and_statement_say_the_same_as_the_provider(
    eso: Platform, activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    manifest = grid.publish({1: [curve()]}, delivery_id)
    ready(delivery_id)
    (said,) = statements("delivery.received")
    assert said["subject"] == f"{delivery_id}:1"
    assert said["transaction"] == manifest.subscription_id
    assert said["commitments"]["manifest"] == commitment(manifest.commitment_salt, manifest.fingerprint())
    assert said["parties"] == [ME, GRID]
    version = Version.objects.get()
    assert verify(version.receipt, [eso.transport_key.public], typ="meterhall-receipt+jws")
    assert version.receipted_at is not None


def test_nothing_of_the_file_stays_on_disk(
    eso: Platform, activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    ready(delivery_id)
    assert not [file for file in Path(eso.home.path, "files").rglob("*") if file.is_file()]


def test_collecting_again_changes_nothing(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    ready(delivery_id)
    cursor = lake().changes(None)[1]
    Delivery.objects.update(work_state="pending", due_at=START)
    ready(delivery_id)
    assert lake().changes(cursor)[0] == []
    assert len(grid.receipts()) == 1
    assert len(statements("delivery.received")) == 1


def test_a_killed_worker_stores_a_part_once(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    manifest = grid.publish({1: [curve()]}, delivery_id)
    store([curve()], manifest.parts[0], manifest)
    cursor = lake().changes(None)[1]
    ready(delivery_id)
    assert lake().changes(cursor)[0] == []


def test_a_broken_body_goes_on_from_the_bytes_on_disk(
    activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    grid.broken = [700, 900]
    assert ready(delivery_id).state == "received"
    ranges = [request.headers.get("Range") for request in grid.paths("/parts/1")]
    assert ranges == [None, "bytes=700-", "bytes=1600-"]


def test_a_body_that_brings_nothing_is_left_for_later(
    activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    grid.broken = [0] * 3
    delivery = ready(delivery_id)
    assert (delivery.state, delivery.attempts) == ("received", 2)
    assert len(grid.paths("/parts/1")) == 4


def test_another_file_is_rejected(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    grid.files[delivery_id, 1] = bytes(len(grid.files[delivery_id, 1]))
    delivery = ready(delivery_id)
    assert (delivery.state, delivery.code) == ("rejected", "digest_mismatch")
    (receipt,) = grid.receipts()
    assert (receipt.outcome, receipt.code, receipt.readings) == ("rejected", "digest_mismatch", 0)
    assert len(statements("delivery.rejected")) == 1
    assert statements("delivery.received") == []
    assert not Series.objects.exists()


def test_a_longer_file_is_rejected(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    grid.files[delivery_id, 1] += b"more"
    assert ready(delivery_id).code == "digest_mismatch"


def test_what_cannot_be_read_is_rejected(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    manifest = grid.publish({1: [curve()]}, delivery_id)
    noise = b"no parquet at all"
    grid.files[delivery_id, 1] = noise
    part = manifest.parts[0].model_copy(update={"size_bytes": len(noise), "digest": digest(noise)})
    resign(grid, delivery_id, parts=(part,))
    assert ready(delivery_id).code == "unreadable"


def resign(grid: GridDouble, delivery_id: str, key: SigningKey | None = None, **changes: object) -> None:
    """The manifest with changes, signed anew."""
    manifest = grid.manifests[delivery_id].manifest.model_copy(update=changes)
    jws = sign(manifest.document(), key or grid.key, typ="meterhall-manifest+jws")
    grid.manifests[delivery_id] = ManifestView(manifest=manifest, jws=jws)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"readings": 285}, "incomplete"),
        ({"readings": 283}, "incomplete"),
        ({"pseudonyms": (PSEUDONYMS[1],)}, "format_invalid"),
    ],
)
def test_content_is_held_against_the_manifest(
    activation: Activation, grid: GridDouble, delivery_id: str, change: dict[str, object], code: str
) -> None:
    manifest = grid.publish({1: [curve()]}, delivery_id)
    resign(grid, delivery_id, parts=(manifest.parts[0].model_copy(update=change),))
    assert ready(delivery_id).code == code
    assert not Series.objects.exists()


def test_a_point_that_was_not_activated_is_rejected(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve(GROUP)]}, delivery_id)
    assert ready(delivery_id).code == "format_invalid"


def test_nothing_is_stored_when_the_second_part_is_bad(
    activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    grid.publish({1: [curve()], 2: [curve(PSEUDONYMS[1])]}, delivery_id)
    grid.files[delivery_id, 2] = bytes(len(grid.files[delivery_id, 2]))
    assert ready(delivery_id).state == "rejected"
    assert not Series.objects.exists()


def test_negative_values_are_rejected(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve(first=-10)]}, delivery_id)
    assert ready(delivery_id).code == "format_invalid"


@pytest.mark.parametrize(
    "change", [{"requester": GRID}, {"activation_id": f"act_{'b' * 24}"}, {"subscription_id": f"sub_{'6' * 24}"}]
)
def test_a_manifest_for_somebody_else_is_refused(
    activation: Activation, grid: GridDouble, delivery_id: str, change: dict[str, str]
) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    resign(grid, delivery_id, **change)
    delivery = ready(delivery_id)
    assert (delivery.state, delivery.code) == ("refused", "bad_manifest")
    assert grid.paths("/parts/1") == []


def vouch(grid: GridDouble, key: SigningKey) -> None:
    """The Market Place says that the provider has this key."""
    jwk = key.public.jwk()
    grid.hall[f"/v1/players/{GRID}"] = {
        "access_number": GRID, "organisation": "Grid", "country": "IT", "roles": ["provider"], "activity": "dso",
        "legal_id": {"kind": "GLN", "value": "9520000000004"}, "contact": "x", "status": "admitted",
        "endpoints": {"b2b": "https://grid.example:8443"}, "keys": {"transport": [jwk], "contract": [jwk]},
    }  # fmt: skip


def test_a_strangers_manifest_is_refused(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    vouch(grid, grid.key)
    grid.publish({1: [curve()]}, delivery_id)
    resign(grid, delivery_id, SigningKey.generate())
    assert ready(delivery_id).code == "bad_signature"


def test_a_refusal_keeps_the_providers_code(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.refusals[delivery_id] = (404, "unknown_delivery")
    delivery = ready(delivery_id)
    assert (delivery.state, delivery.code, delivery.work_state) == ("refused", "unknown_delivery", "done")


def test_a_correction_is_a_new_version_and_keeps_untouched_parts(
    activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock
) -> None:
    grid.publish({1: [curve()], 2: [curve(PSEUDONYMS[1])]}, delivery_id)
    ready(delivery_id)
    before = clock()
    clock.ahead += timedelta(minutes=1)
    corrected = curve()
    corrected.mantissas[3] = 7
    grid.publish({2: [curve(PSEUDONYMS[1])], 3: [corrected]}, delivery_id, version=2, reason="correction")
    delivery = ready(delivery_id, 2)
    assert (delivery.state, delivery.version) == ("received", 2)
    assert len(grid.paths("/parts/2")) == 1
    series = Series.objects.get(pseudonym=PSEUDONYMS[0])
    end = START + timedelta(hours=1)
    assert next(iter(lake().read([spec(series)], START, end))).mantissas.tolist() == [100, 101, 102, 7]
    known_then = next(iter(lake().read([spec(series)], START, end, as_known_at=before)))
    assert known_then.mantissas.tolist() == [100, 101, 102, 103]
    assert [receipt.version for receipt in grid.receipts()] == [1, 2]


def test_a_part_whose_consent_ended_gives_way_to_the_next_manifest(
    activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock
) -> None:
    grid.publish({1: [curve(), curve(PSEUDONYMS[1])]}, delivery_id)
    grid.broken, grid.gone = [50], {}

    def supersede() -> None:
        grid.publish(
            {2: [curve(PSEUDONYMS[1])]}, delivery_id, version=2, reason="revocation", withdrawn=(PSEUDONYMS[0],)
        )

    grid.answers = [answer(0, "ended", "consent_revoked"), answer(1, "accepted", None)]
    grid.gone, grid.on_gone = {1: "consent_revoked"}, supersede
    delivery = ready(delivery_id)
    assert delivery.state == "announced"
    clock.ahead += timedelta(seconds=5)
    work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.version) == ("received", 2)
    assert [receipt.version for receipt in grid.receipts()] == [2]
    assert [one.pseudonym for one in Series.objects.all()] == [PSEUDONYMS[1]]


def answer(place: int, state: str, code: str | None) -> dict[str, object]:
    made = {"pod": PODS[place], "state": state, "pseudonym": PSEUDONYMS[place], "consent_id": CONSENT}
    return made | ({"code": code} if code else {})


def test_what_a_customer_revoked_is_erased_and_said(
    eso: Platform, activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock
) -> None:
    grid.publish({1: [curve(), curve(PSEUDONYMS[1])]}, delivery_id)
    ready(delivery_id)
    grid.answers = [answer(0, "ended", "consent_revoked"), answer(1, "ended", "consent_revoked")]
    hear(GRID, ConsentChanged(consent_id=CONSENT, state="revoked", at=clock()))
    hear(GRID, ConsentChanged(consent_id=CONSENT, state="revoked", at=Withdrawal.objects.get().heard_at))
    work()
    assert set(values()) == {MISSING}
    (said,) = statements("processing.ended")
    assert (said["transaction"], said["counts"]) == (CONSENT, {"erased": 2})
    assert set(ActivationItem.objects.values_list("code", flat=True)) == {"consent_revoked"}


def test_a_partial_revocation_erases_only_the_points_it_means(
    activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock
) -> None:
    grid.publish({1: [curve(), curve(PSEUDONYMS[1])]}, delivery_id)
    ready(delivery_id)
    grid.answers = [answer(0, "accepted", None), answer(1, "ended", "consent_revoked")]
    hear(GRID, ConsentChanged(consent_id=CONSENT, state="partly_revoked", at=clock()))
    work()
    assert values()[0] == 100
    assert set(values(PSEUDONYMS[1])) == {MISSING}


@pytest.mark.parametrize(("code", "kept"), [("consent_revoked", MISSING), ("consent_expired", 100)])
def test_a_manifest_without_a_point_erases_it_where_the_customer_revoked(
    activation: Activation, grid: GridDouble, delivery_id: str, code: str, kept: int
) -> None:
    grid.publish({1: [curve(), curve(PSEUDONYMS[1], 9000)]}, delivery_id)
    ready(delivery_id)
    grid.answers = [answer(0, "ended", code), answer(1, "accepted", None)]
    withdrawn = (PSEUDONYMS[0],)
    grid.publish({2: [curve(PSEUDONYMS[1], 9000)]}, delivery_id, version=2, reason="revocation", withdrawn=withdrawn)
    assert ready(delivery_id, 2).state == "received"
    assert values()[0] == kept
    assert values(PSEUDONYMS[1])[0] == 9000


def test_an_expired_consent_erases_nothing(
    activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock
) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    ready(delivery_id)
    hear(GRID, ConsentChanged(consent_id=CONSENT, state="expired", at=clock()))
    work()
    assert values()[0] == 100
    assert statements("processing.ended")[0]["counts"] == {"erased": 0}


def test_a_part_on_its_way_in_does_not_survive_a_withdrawal(
    activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = grid.publish({1: [curve()]}, delivery_id)
    put = type(lake()).put

    def revoked_meanwhile(self: object, *args: object, **kwargs: object) -> object:
        withdraw(GRID, [PSEUDONYMS[0]], clock())
        return put(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(type(lake()), "put", revoked_meanwhile)
    store([curve()], manifest.parts[0], manifest)
    assert set(values()) == {MISSING}


def test_an_aggregate_is_a_series_of_its_own(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve(GROUP, 50_000)]}, delivery_id, group_size=12)
    assert ready(delivery_id).state == "received"
    assert Series.objects.get().group_size == 12
    assert values(GROUP)[0] == 50_000


def test_a_coarser_scale_is_kept_exactly_and_a_finer_one_rejected(
    activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    ready(delivery_id)
    coarse = curve(first=1, scale=3)
    grid.publish({2: [coarse]}, delivery_id, version=2)
    ready(delivery_id, 2)
    assert values()[:2] == [1000, 2000]
    grid.publish({3: [curve(scale=-1)]}, delivery_id, version=3)
    assert ready(delivery_id, 3).code == "format_invalid"
    assert values()[:2] == [1000, 2000]


def test_the_match_is_noted(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    ready(delivery_id)
    note_match(delivery_id, 1, False)
    assert Delivery.objects.get().match == "mismatched"


def test_empty_curves_are_no_series(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    empty = curve(gaps=tuple(range(284)))
    grid.publish({1: [empty]}, delivery_id)
    assert ready(delivery_id).state == "received"
    assert np.all(np.array(values()) == MISSING)


def test_another_provider_cannot_end_a_consent_that_is_not_its_own(
    activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock
) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    ready(delivery_id)
    hear(GRID, ConsentChanged(consent_id=CONSENT, state="granted", at=clock()))
    hear(STRANGER, ConsentChanged(consent_id=CONSENT, state="revoked", at=clock()))
    work()
    assert values()[0] == 100
    assert ConsentKnown.objects.get().state == "granted"
    assert statements("processing.ended")[0]["counts"] == {"erased": 0}


def test_a_manifest_under_a_key_nobody_knows_yet_is_believed_once_the_market_place_vouches_for_it(
    activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    fresh = SigningKey.generate()
    grid.publish({1: [curve()]}, delivery_id)
    resign(grid, delivery_id, fresh)
    vouch(grid, fresh)
    assert ready(delivery_id).state == "received"


def test_forecasts_are_kept_apart_from_readings_of_the_same_point(
    activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    ready(delivery_id)
    other = f"dlv_{'b' * 24}"
    grid.publish({1: [curve(first=500)]}, other, forecast=ForecastAnswer(known_at=START))
    assert ready(other).state == "received"
    assert Series.objects.filter(pseudonym=PSEUDONYMS[0]).count() == 2
    subject, days = subject_of(PSEUDONYMS[0]), Period(first=FIRST, until=FIRST + timedelta(days=1))
    read, expected = (
        load_curve(replace(subject, is_forecast=one), "import", days).mantissas[:20].tolist() for one in (False, True)
    )
    assert [one - other for one, other in zip(expected, read, strict=True)] == [400] * 20
    withdraw(GRID, [PSEUDONYMS[0]], START)
    assert not Series.objects.exclude(first_day=None).exists(), "what a customer takes back is gone from both"
