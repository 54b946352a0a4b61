"""Folders elsewhere: deliveries pushed to an SFTP server and a bucket, and readings taken from them. Real servers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.deliveries import ManifestView
from meterhall.provider.consents.models import Consent
from meterhall.provider.consents.service import revoke
from meterhall.provider.deliveries import push
from meterhall.provider.deliveries.models import AccessLog, Delivery, PushJob
from meterhall.provider.deliveries.push import StorageDiffers
from meterhall.provider.metering import drop_storage
from meterhall.provider.metering.drop_storage import look_elsewhere
from meterhall.provider.metering.models import IngestRun
from meterhall.web import storage
from meterhall.web.home import write_private
from meterhall.web.messaging.models import Outbox
from meterhall.web.storage import BadStorage, StorageMissing, StorageUnknown, StorageUnreachable, opened
from tests.platform.provider.conftest import HOLDER, World
from tests.storage_servers import PASSWORD, S3, SECRET, Sftp, s3, sftp

FEW = Period(first=date(2026, 3, 1), until=date(2026, 3, 3))


@pytest.fixture(params=["sftp", "s3"])
def there(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Iterator[Sftp | S3]:
    """Either server, with its entry in the home."""
    folder = tmp_path / "there"
    folder.mkdir()
    with sftp(folder) if request.param == "sftp" else s3() as server:
        known(world, server.entry())
        yield server


@pytest.fixture
def far(world: World, tmp_path: Path) -> Iterator[Sftp]:
    """The SFTP server alone."""
    folder = tmp_path / "there"
    folder.mkdir()
    with sftp(folder) as server:
        known(world, server.entry())
        yield server


def known(world: World, text: str) -> None:
    write_private(world.home.path / "storage.toml", text.encode())


def job_for(world: World, monkeypatch: pytest.MonkeyPatch, address: str) -> PushJob:
    """A version of a delivery that a contract says is to be pushed to an address."""
    points = world.points(1)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 3))
    delivery = world.deliver(world.activated(points), period=FEW)
    contract = SimpleNamespace(repository=SimpleNamespace(url=address))
    monkeypatch.setattr(push, "contract_in_force", lambda subscription, requester: contract)
    return PushJob.objects.create(version=delivery.versions.get())


def files(address: str) -> dict[str, bytes]:
    """Every file under an address, by its path there."""
    with opened(address) as place:
        found = place.fs.find(place.path or "/")
        start = len(place.path.rstrip("/")) + 1
        return {one[start:]: place.fs.cat_file(one) for one in found if one[start:]}


def test_parts_and_manifest_are_put_where_the_contract_says_whole_and_once(
    world: World, there: Sftp | S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for(world, monkeypatch, f"{there.address}/in/coop")
    push.push_version(job)
    found = files(f"{there.address}/in/coop")
    base = f"{Delivery.objects.get().pk}/1"
    assert set(found) == {f"{base}/parts/1", f"{base}/manifest"}, "nothing half, nothing elsewhere"
    view = ManifestView.model_validate_json(found[f"{base}/manifest"])
    assert view.manifest.parts[0].digest == digest(found[f"{base}/parts/1"])
    assert set(files(there.address)) == {f"in/coop/{name}" for name in found}
    assert Outbox.objects.filter(type="delivery.pushed").count() == 1
    assert AccessLog.objects.filter(kind="push").count() == 1
    PushJob.objects.update(pushed_at=None)  # a crash before it was noted: all is there, and is left
    before = there.written if isinstance(there, Sftp) else None
    push.push_version(PushJob.objects.get())
    assert files(f"{there.address}/in/coop") == found
    assert before is None or isinstance(there, S3) or there.written == before


def test_a_transfer_that_broke_is_gone_on_with(world: World, far: Sftp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "GATE_BLOCK_BYTES", 1000)
    job = job_for(world, monkeypatch, f"{far.address}/in")
    far.breaks_after = 6000
    with pytest.raises(StorageUnreachable) as refusal:
        push.push_version(job)
    assert PASSWORD not in repr(refusal.value) + str(refusal.value.members)
    [partial] = far.folder.rglob("*.partial")
    had = partial.stat().st_size
    assert 0 < had <= 6000
    far.written = 0
    push.push_version(job)
    [part] = [file for file in far.folder.rglob("*") if file.name == "1" and file.is_file()]
    manifest = next(file for file in far.folder.rglob("manifest"))
    assert far.written == part.stat().st_size - had + manifest.stat().st_size
    view = ManifestView.model_validate_json(manifest.read_bytes())
    assert digest(part.read_bytes()) == view.manifest.parts[0].digest


def test_what_lies_there_of_another_file_is_not_gone_on_with(
    world: World, far: Sftp, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for(world, monkeypatch, f"{far.address}/in")
    folder = far.folder / "in" / Delivery.objects.get().pk / "1" / "parts"
    folder.mkdir(parents=True)
    (folder / "1.partial").write_bytes(b"something else")
    (folder / "1").write_bytes(b"something else again")
    push.push_version(job)
    view = ManifestView.model_validate_json((folder.parent / "manifest").read_bytes())
    assert digest((folder / "1").read_bytes()) == view.manifest.parts[0].digest


def test_what_arrives_changed_is_removed_and_sent_again(
    world: World, far: Sftp, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for(world, monkeypatch, f"{far.address}/in")
    far.flips = True
    with pytest.raises(StorageDiffers):
        push.push_version(job)
    assert not [file for file in far.folder.rglob("*") if file.is_file()]
    push.push_version(job)
    assert Outbox.objects.filter(type="delivery.pushed").count() == 1


def test_a_withdrawal_midway_leaves_nothing_there(world: World, far: Sftp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "GATE_BLOCK_BYTES", 64)
    job = job_for(world, monkeypatch, f"{far.address}/in")
    gone = iter([True])
    still_open = push.Opened.still_open

    def looks(gate: push.Opened) -> bool:
        if far.written >= 128 and next(gone, False):
            revoke(
                Consent.objects.get().pk,
                HOLDER,
                tuple(Consent.objects.get().items.values_list("point__handle", flat=True)),
            )
        return still_open(gate)

    monkeypatch.setattr(push.Opened, "still_open", looks)
    push.push_version(job)
    assert far.written >= 128
    assert not [file for file in far.folder.rglob("*") if file.is_file()]
    assert not Outbox.objects.filter(type="delivery.pushed").exists()


@pytest.mark.parametrize("follows", [True, False])
def test_a_piece_that_broke_off_goes_when_the_customer_withdraws_before_it_is_gone_on_with(
    world: World, far: Sftp, monkeypatch: pytest.MonkeyPatch, follows: bool
) -> None:
    monkeypatch.setattr(push, "GATE_BLOCK_BYTES", 1000)
    job = job_for(world, monkeypatch, f"{far.address}/in")
    PushJob.objects.update(work_state="held", attempts=2)
    far.breaks_after = 6000
    with pytest.raises(StorageUnreachable):
        push.push_version(job)
    assert [*far.folder.rglob("*.partial")]
    consent = Consent.objects.get()
    revoke(consent.pk, HOLDER, tuple(consent.items.values_list("point__handle", flat=True)))
    if follows:
        world.follow()
        assert Delivery.objects.get().version == 2
    push.push_version(PushJob.objects.get())
    assert not [file for file in far.folder.rglob("*") if file.is_file()]


def test_nothing_is_sent_where_the_home_has_no_entry_or_another_key_answers(
    world: World, there: Sftp | S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_for(world, monkeypatch, f"{there.address}/in")
    known(world, '["sftp://elsewhere.example"]\nuser = "a"\npassword = "b"\nhost_key = "ssh-ed25519 AAAA"\n')
    with pytest.raises(StorageUnknown):
        push.push_version(job)
    wrong = (
        {"host_key": there.host_key[:-8] + "AAAAAAA="}
        if isinstance(there, Sftp)
        else {"endpoint": "http://127.0.0.1:9"}
    )
    known(world, there.entry(**wrong))
    with pytest.raises(StorageUnreachable) as refusal:
        push.push_version(job)
    assert not any(secret in f"{refusal.value!r}{refusal.value.members}" for secret in (PASSWORD, SECRET))
    known(world, there.entry())
    assert files(there.address) == {}


def test_a_key_of_the_home_lets_in_as_well(world: World, far: Sftp) -> None:
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    (world.home.path / "storage").mkdir()
    write_private(world.home.path / "storage" / "advisor", text)
    known(world, far.entry(without="password", key_file="storage/advisor"))
    with pytest.raises(StorageUnreachable), opened(f"{far.address}/in"):
        pass
    far.user_key = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode().split()[1]
    with opened(f"{far.address}/in") as place:
        assert place.size("/in/nothing") is None


@pytest.mark.parametrize(
    "address",
    ["sftp://me@host/in", "sftp://host/a/../b", "s3://bucket/a?x=1", "s3://bucket/%2e%2e", "s3:///a", "file:///etc"],
)
def test_an_address_is_written_plainly(world: World, address: str) -> None:
    with pytest.raises(BadStorage), opened(address):
        pass


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("what", 0o600, "TOML"),
        ('["sftp://host"]\nuser = "a"\nhost_key = "ssh-ed25519 AAAA"\n', 0o600, "either password or key_file"),
        ('["sftp://host"]\nuser = "a"\npassword = "hush-hush"\n', 0o600, "host_key"),
        ('["sftp://host"]\nuser = "a"\npassword = "b"\nhost_key = "ssh-ed25519 AAAA"\n', 0o644, "chmod 600"),
    ],
)
def test_a_faulty_entry_is_named_and_its_secret_is_not(world: World, text: str, mode: int, said: str) -> None:
    known(world, text)
    (world.home.path / "storage.toml").chmod(mode)
    with pytest.raises(BadStorage, match=said) as refusal, opened("sftp://host/in"):
        pass
    assert "hush-hush" not in str(refusal.value)


def test_without_the_libraries_it_is_said_what_to_install(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "find_spec", lambda name: None)
    with pytest.raises(StorageMissing, match="pip install"), opened("s3://bucket"):
        pass


def drop(address: str, name: str, content: str) -> None:
    with opened(address) as place:
        path = place.at(*name.split("/"))
        place.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        with place.fs.open(path, "wb") as file:
            file.write(content.encode())


def test_files_dropped_elsewhere_are_taken_once_they_lie_still(world: World, there: Sftp | S3) -> None:
    pod = world.points()[0].pod
    address = f"{there.address}/drop"
    rows = f"pod,start,energy_wh\n{pod},2026-03-01T00:00:00Z,100\n"
    drop(address, "PT15M/day.csv", rows)
    for left in ("PT15M/coming.csv.part", "PT15M/.hidden", "PT7M13S/odd.csv", "loose.csv"):
        drop(address, left, rows)
    assert look_elsewhere(address, still_s=3600) == 0, "seen for the first time"
    assert (look_elsewhere(address, still_s=0), look_elsewhere(address, still_s=0)) == (1, 0)
    world.work()
    [run] = IngestRun.objects.all()
    assert (run.name, run.days_written, run.quarantined) == ("day.csv", 1, 0)
    assert set(files(address)) == {
        "PT15M/taken/day.csv", "PT15M/coming.csv.part", "PT15M/.hidden", "PT7M13S/odd.csv", "loose.csv"
    }  # fmt: skip
    drop(address, "PT15M/day.csv", rows)  # a crash before it was moved: the same again is the same run
    assert look_elsewhere(address, still_s=0) == 1
    assert IngestRun.objects.count() == 1
    assert {"PT15M/taken/day.csv", "PT15M/taken/day-2.csv"} <= set(files(address))


def test_a_file_that_grows_between_looks_is_left(world: World, there: Sftp | S3) -> None:
    address = f"{there.address}/drop"
    drop(address, "PT15M/day.csv", "pod,start")
    look_elsewhere(address, still_s=3600)
    seen = dict(drop_storage._seen)
    drop(address, "PT15M/day.csv", "pod,start,energy_wh\n")
    look_elsewhere(address, still_s=3600)
    assert {path: since for path, (_, since) in seen.items()} != {
        path: since for path, (_, since) in drop_storage._seen.items()
    }
    assert not IngestRun.objects.exists()


def test_a_file_that_cannot_be_taken_moves_aside_with_the_reason(world: World, there: Sftp | S3) -> None:
    profiles = world.home.path / "intake"
    profiles.mkdir(exist_ok=True)
    (profiles / "broken.toml").write_text("form = 7\n")
    address = f"{there.address}/drop"
    drop(address, "broken/day.csv", "pod,start,energy_wh\n")
    assert look_elsewhere(address, still_s=0) == 0
    found = files(address)
    assert set(found) == {"broken/refused/day.csv", "broken/refused/day.csv.reason.txt"}
    assert found["broken/refused/day.csv.reason.txt"].strip()


def test_a_folder_that_is_not_there_yet_is_empty(world: World, there: Sftp | S3) -> None:
    assert look_elsewhere(f"{there.address}/nothing", still_s=0) == 0


def test_refusals_have_a_code(world: World) -> None:
    with pytest.raises(MeterhallError) as refusal, opened("s3://bucket"):
        pass
    assert refusal.value.code == "storage_unknown"
