"""The repository takes what a contract's provider signs, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.http.response import HttpResponse
from django.test import Client

from meterhall.client.signatures import SignedRequest
from meterhall.domain.protocol.base import Compression
from meterhall.domain.protocol.deliveries import MANIFEST_TYP, Manifest, ManifestView
from meterhall.domain.protocol.events import DeliveryReady
from meterhall.domain.protocol.keys import SigningKey, sign
from meterhall.requester.activations.models import Activation
from meterhall.requester.collection import collect
from meterhall.requester.collection.models import DataAsked, Delivery
from meterhall.requester.collection.repository import MOST_MANIFEST_BYTES
from meterhall.requester.collection.service import announce
from meterhall.requester.partners.models import Subscription
from meterhall.web.messaging.models import Peer
from meterhall.web.platform import Platform
from meterhall.web.work.engine import NotYet

from .conftest import (
    GRID,
    ME_URL,
    PSEUDONYMS,
    START,
    STRANGER,
    Clock,
    GridDouble,
    curve,
    make_subscription,
    ready,
    statements,
    work,
)

pytestmark = pytest.mark.django_db


def put(path: str, content: bytes, key: SigningKey, number: str = GRID, tamper: bytes = b"") -> HttpResponse:
    """A signed PUT into the repository."""
    kind = "application/octet-stream"
    request = httpx.Request("PUT", f"{ME_URL}/repository/{path}", content=content, headers={"Content-Type": kind})
    signed = next(SignedRequest(number, key).auth_flow(request))
    kept = ("content-digest", "signature", "signature-input")
    headers = {name: signed.headers[name] for name in kept}
    answer: HttpResponse = Client().put(f"/repository/{path}", content + tamper, content_type=kind, headers=headers)
    return answer


def push(grid: GridDouble, delivery_id: str, version: int = 1) -> list[int]:
    """Everything of a version, as a provider pushes it; the answers' statuses."""
    view = grid.manifests[delivery_id]
    base = f"{delivery_id}/{version}"
    answers = [
        put(f"{base}/parts/{part.number}", grid.files[delivery_id, part.number], grid.key)
        for part in view.manifest.parts
        if (delivery_id, part.number) in grid.files
    ]
    answers.append(put(f"{base}/manifest", view.canonical(), grid.key))
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("how", ["none", "zstd"])
def test_a_pushed_delivery_is_collected_without_a_pull(
    activation: Activation, grid: GridDouble, delivery_id: str, how: Compression
) -> None:
    grid.publish({1: [curve()], 2: [curve(PSEUDONYMS[1])]}, delivery_id, form="csv", how=how)
    assert push(grid, delivery_id) == [201, 201, 201]
    work()
    assert Delivery.objects.get().state == "received"
    assert grid.paths("/parts/1") == grid.paths(delivery_id) == []
    assert [receipt.outcome for receipt in grid.receipts()] == ["received"]
    assert len(statements("delivery.received")) == 1


def test_pushing_again_changes_nothing(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    push(grid, delivery_id)
    work()
    assert push(grid, delivery_id) == [201, 201]
    work()
    assert len(grid.receipts()) == 1


def test_a_part_never_changes(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    push(grid, delivery_id)
    answer = put(f"{delivery_id}/1/parts/1", b"another", grid.key)
    assert (answer.status_code, answer.json()["code"]) == (409, "part_differs")


def test_a_pushed_part_that_is_not_the_manifests_is_rejected(
    activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    grid.files[delivery_id, 1] = bytes(len(grid.files[delivery_id, 1]))
    push(grid, delivery_id)
    work()
    assert Delivery.objects.get().code == "digest_mismatch"


def test_a_part_that_was_not_pushed_is_pulled(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve()], 2: [curve(PSEUDONYMS[1])]}, delivery_id)
    held = grid.files.pop((delivery_id, 2))
    push(grid, delivery_id)
    grid.files[delivery_id, 2] = held
    work()
    assert Delivery.objects.get().state == "received"
    assert len(grid.paths("/parts/2")) == 1


def test_an_agreed_push_is_waited_for_and_then_pulled(
    activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock
) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    DataAsked.objects.create(
        activation=activation, request={"transmission": "push"}, delivery_id=delivery_id, state="taken",
        created_at=START, work_state="done",
    )  # fmt: skip
    announce(GRID, DeliveryReady(delivery_id=delivery_id, version=1, activation_id=activation.remote_id))
    work()
    assert grid.paths(delivery_id) == []
    clock.ahead += timedelta(minutes=3)
    work()
    assert ready(delivery_id).state == "received"


@pytest.mark.parametrize("tamper", [b"", b"x"])
def test_only_the_providers_own_signature_counts(
    activation: Activation, grid: GridDouble, delivery_id: str, tamper: bytes
) -> None:
    key = grid.key if tamper else SigningKey.generate()
    answer = put(f"{delivery_id}/1/parts/1", b"content", key, tamper=tamper)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert not Delivery.objects.exists()


def stranger(key: SigningKey) -> Peer:
    """A player we know and have no contract with."""
    return Peer.objects.create(
        access_number=STRANGER, name="S", document={}, b2b_url="https://s.example", transport_keys=[key.public.jwk()]
    )


@pytest.mark.parametrize("repository_url", [None, "https://elsewhere.example/repository", "no subscription"])
def test_a_push_needs_a_contract_that_names_this_repository(
    eso: Platform, delivery_id: str, repository_url: str | None
) -> None:
    key = SigningKey.generate()
    stranger(key)
    if repository_url != "no subscription":
        make_subscription(STRANGER, repository_url, mark="7")
    answer = put(f"{delivery_id}/1/parts/1", b"content", key, STRANGER)
    assert (answer.status_code, answer.json()["code"]) == (403, "no_push_agreed")


def test_a_contract_that_ended_lets_nothing_in(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    Subscription.objects.update(state="quit")
    assert put(f"{delivery_id}/1/parts/1", b"content", grid.key).status_code == 403


def test_another_providers_manifest_is_refused(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    key = SigningKey.generate()
    stranger(key)
    make_subscription(STRANGER, mark="7")
    answer = put(f"{delivery_id}/1/manifest", grid.manifests[delivery_id].canonical(), key, STRANGER)
    assert answer.json()["code"] == "bad_signature"


def test_the_manifest_is_of_the_version_in_its_address(
    activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    grid.publish({1: [curve()]}, delivery_id)
    answer = put(f"{delivery_id}/2/manifest", grid.manifests[delivery_id].canonical(), grid.key)
    assert (answer.status_code, answer.json()["code"]) == (422, "push_mismatch")


def test_too_much_is_refused(
    activation: Activation, grid: GridDouble, delivery_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterhall.requester.collection.api.MOST_PART_BYTES", 10)
    answer = put(f"{delivery_id}/1/parts/1", b"eleven byte", grid.key)
    assert (answer.status_code, answer.json()["code"]) == (413, "push_too_large")


@pytest.mark.parametrize("bad", ["..", "dlv_1", "dlv_" + "A" * 24])
def test_an_address_cannot_lead_elsewhere(activation: Activation, eso: Platform, grid: GridDouble, bad: str) -> None:
    answer = put(f"{bad}/1/parts/1", b"content", grid.key)
    assert answer.status_code in {404, 422}
    assert not list(Path(eso.home.path, "files").rglob("*.part"))


def test_a_version_pushed_while_the_one_before_is_begun_takes_its_place(
    activation: Activation, grid: GridDouble, delivery_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid.publish({1: [curve()], 2: [curve(PSEUDONYMS[1])]}, delivery_id)
    of = collect.activation_of

    def pushed_meanwhile(manifest: Manifest) -> Activation:
        if manifest.version == 1:
            grid.publish({1: [curve()], 3: [curve(PSEUDONYMS[1], 7)]}, delivery_id, version=2)
            assert push(grid, delivery_id, 2) == [201, 201, 201]
        return of(manifest)

    monkeypatch.setattr(collect, "activation_of", pushed_meanwhile)
    announce(GRID, DeliveryReady(delivery_id=delivery_id, version=1, activation_id=f"act_{'a' * 24}"))
    with pytest.raises(NotYet):
        collect.collect(Delivery.objects.get())
    work()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.version) == ("received", 2)
    assert list(delivery.versions.values_list("outcome", flat=True)) == ["superseded", "received"]
    assert [receipt.version for receipt in grid.receipts()] == [2]


def test_a_manifest_of_very_many_points_can_be_pushed(
    activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    few = grid.publish({1: [curve()]}, delivery_id)
    names = tuple(f"{number:08}-1111-5111-8111-111111111111" for number in range(200_000))
    many = few.model_copy(update={"parts": (few.parts[0].model_copy(update={"pseudonyms": names}),)})
    view = ManifestView(manifest=many, jws=sign(many.document(), grid.key, typ=MANIFEST_TYP)).canonical()
    assert len(view) > 16 * 1024 * 1024
    assert 5 * len(view) < MOST_MANIFEST_BYTES, "nor is one of a million too large"
    assert put(f"{delivery_id}/1/manifest", view, grid.key).status_code == 201
    assert Delivery.objects.get().version == 1
