"""Asking for data and bringing it whole (steps 8 to 10). A run that was killed goes on where it stopped: what was asked
for, the bytes that came and the receipt that was made are in the home."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from meterhall.client.advice import advice_for
from meterhall.client.checks import Rejected, check_bytes, check_content, decode
from meterhall.client.desk import Desk
from meterhall.client.downloads import Came, TooLong, bring, drop, length, partial_of
from meterhall.client.errors import RemoteRefusal, RemoteUnreachable
from meterhall.client.manifests import BadManifest, read_manifest
from meterhall.client.patience import TimedOut
from meterhall.client.together import together
from meterhall.domain.errors import Gone, InvalidInput
from meterhall.domain.protocol.base import Jws, Message, Signed
from meterhall.domain.protocol.canonical import commitment, new_salt
from meterhall.domain.protocol.deliveries import (
    RECEIPT_TYP,
    DataRequest,
    DataRequested,
    Manifest,
    ManifestView,
    Part,
    Receipt,
    ReceiptTaken,
)
from meterhall.domain.protocol.keys import BadSignature, sign, signed_digest
from meterhall.domain.protocol.statements import StatementPosted, StatementType
from meterhall.domain.readings import Curve

ENDED = frozenset({"consent_revoked", "part_replaced"})
KIND = "delivery"
Arrived = Callable[[Part, int], None]
"""Told how many bytes of a part are here."""


class DeliveryRefused(Gone):
    code = "delivery_not_made"
    title = "The provider could not make the delivery."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The provider could not make the delivery: {reason}.")
        self.reason = reason

    @property
    def advice(self) -> str:
        return advice_for(self.reason)


class DeliveryRejected(InvalidInput):
    code = "delivery_rejected"
    title = "What came is not what the provider's manifest says; it was rejected and nothing of it is shown."


class Receipted(Message):
    """The answer to a version, made once and sent until it is taken."""

    version: int
    jws: Jws
    statement_id: str
    statement: StatementPosted


class DeliveryKept(Message):
    """A delivery that is under way."""

    key: str
    request: DataRequest
    delivery_id: str | None = None
    receipt: Receipted | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """A delivery whose every part was checked."""

    manifest: Manifest
    curves: list[Curve]


class _Superseded(Exception):
    """The manifest in hand is not the newest any more."""


@dataclass
class Collector:
    """Brings one delivery of an activation."""

    desk: Desk
    provider: str
    subscription_id: str
    pseudonyms: frozenset[str]

    def collect(self, request: DataRequest, timeout_s: float) -> Collected:
        """Ask, wait, bring, check, answer. The same request again goes on with what is under way.

        Raises `DeliveryRefused`, `DeliveryRejected`, `TimedOut`, and like `Line.call`.
        """
        name = request.fingerprint()
        kept = self.desk.memory.get(KIND, name, DeliveryKept) or DeliveryKept(key=new_salt(), request=request)
        self.desk.memory.put(KIND, name, kept)
        if kept.delivery_id is None:
            kept = self._ask(name, kept)
        try:
            found = self._newest(kept, timeout_s)
            self._answer(name, kept, found.manifest, found.digest)
        except DeliveryRefused:
            self._over(name, kept)
            raise
        except RemoteRefusal as refusal:
            if refusal.remote_status in {404, 410}:
                self._over(name, kept)
            raise
        except Rejected as fault:
            self._over(name, kept)
            raise DeliveryRejected(f"{fault.detail} ({fault.code})") from None
        self._over(name, kept)
        return Collected(found.manifest, found.curves)

    def _ask(self, name: str, kept: DeliveryKept) -> DeliveryKept:
        request = kept.request
        line = self.desk.provider(self.provider)
        try:
            taken = line.call("POST", "/v1/data-requests", request, DataRequested, key=kept.key)
        except RemoteRefusal as refusal:
            if refusal.is_final:
                self.desk.memory.forget(KIND, name)
            raise
        kept = kept.model_copy(update={"delivery_id": taken.delivery_id})
        self.desk.memory.put(KIND, name, kept)
        days = (request.period.until - request.period.first).days
        made = self.desk.statement(
            "data.requested",
            self.provider,
            transaction_id=self.subscription_id,
            subject=taken.delivery_id,
            counts={"pods": len(request.pseudonyms), "days": days},
        )
        self.desk.notify(*made)
        return kept

    def _newest(self, kept: DeliveryKept, timeout_s: float) -> _Found:
        """The newest version, whole. A version that is replaced while it is brought gives way to the next."""
        until = time.monotonic() + timeout_s
        while True:
            found = self._manifest(kept, until)
            try:
                found.curves = self._bring_all(found.manifest)
            except _Superseded:
                if time.monotonic() > until:
                    raise TimedOut("The version that follows was not published; wait again.") from None
                self.desk.pace.sleep(0.5)
                continue
            except Rejected as fault:
                self._answer(kept.request.fingerprint(), kept, found.manifest, found.digest, fault)
                raise
            return found

    def _manifest(self, kept: DeliveryKept, until: float) -> _Found:
        seen: list[ManifestView] = []

        def look() -> bool:
            self.desk.tell("wait", 0, None, "delivery")
            try:
                path = f"/v1/deliveries/{kept.delivery_id}"
                seen.append(self.desk.provider(self.provider).call("GET", path, None, ManifestView))
            except RemoteRefusal as refusal:
                if refusal.remote_code == "delivery_not_ready":
                    return False
                if refusal.remote_code == "delivery_refused":
                    raise DeliveryRefused(str(refusal.problem_document.get("reason", "unknown"))) from refusal
                raise
            return True

        self.desk.pace.until(look, until - time.monotonic(), "The delivery")
        jws = seen[-1].jws
        manifest = self._read(jws, kept.delivery_id or "")
        ours = (kept.request.activation_id, self.subscription_id)
        if (manifest.activation_id, manifest.subscription_id) != ours:
            raise BadManifest("The manifest is for an activation that was not asked.", field="/activation_id")
        return _Found(manifest, signed_digest(jws))

    def _read(self, jws: str, delivery_id: str) -> Manifest:
        """The manifest under the keys known; once more under those the Market Place knows now."""
        who = {"provider": self.provider, "delivery_id": delivery_id, "requester": self.desk.me}
        try:
            return read_manifest(jws, self.desk.transport_keys(self.provider), **who)
        except BadSignature:
            return read_manifest(jws, self.desk.transport_keys(self.provider, anew=True), **who)

    def path_of(self, delivery_id: str, part: Part) -> Path:
        """Where a part is while it is on its way; named by its digest, so that an unchanged part is kept."""
        return self.desk.home.files / delivery_id / f"{part.digest[-32:]}.part"

    def _bring_all(self, manifest: Manifest) -> list[Curve]:
        """Every part, each checked against the manifest before anything is shown. Raises `Rejected`."""
        curves: list[Curve] = []
        together(
            manifest.parts,
            partial(self._checked, manifest, self._progress(manifest)),
            lambda _, found: curves.extend(found),
        )
        return curves

    def _progress(self, manifest: Manifest) -> Arrived:
        """Tells, one thread at a time, how much of all parts is here, whenever more of one has come."""
        total = sum(part.size_bytes for part in manifest.parts)
        here: dict[int, int] = {}
        telling = threading.Lock()

        def arrived(part: Part, size: int) -> None:
            with telling:
                here[part.number] = size
                self.desk.tell("download", sum(here.values()), total, "bytes")

        return arrived

    def _checked(self, manifest: Manifest, arrived: Arrived, part: Part) -> list[Curve]:
        """The curves of a part. On a thread of its own."""
        target = self.path_of(manifest.delivery_id, part)
        self._bring(manifest, part, target, partial(arrived, part))
        check_bytes(target, part)
        found = decode(target, part, manifest)
        check_content(found, part, manifest, self._foreign)
        arrived(part, part.size_bytes)
        return found

    def _foreign(self, pseudonyms: Iterable[str]) -> set[str]:
        return set(pseudonyms) - self.pseudonyms

    def _bring(self, manifest: Manifest, part: Part, target: Path, came: Came) -> None:
        line, attempt, since = self.desk.provider(self.provider), 0, time.monotonic()
        while True:
            before = length(partial_of(target))
            self.desk.pace.hold(line.client.base_url)
            try:
                bring(line.client, manifest.delivery_id, part.number, part.size_bytes, target, came)
                return
            except TooLong:
                raise Rejected("digest_mismatch", f"Part {part.number} is longer than the manifest says.") from None
            except (RemoteRefusal, RemoteUnreachable) as fault:
                if isinstance(fault, RemoteRefusal) and fault.remote_status == 410 and fault.remote_code in ENDED:
                    drop(target)
                    raise _Superseded from fault
                if length(partial_of(target)) > before:
                    attempt, since = 0, time.monotonic()
                self.desk.pace.before_again(line.client.base_url, attempt, since, fault)
                attempt += 1

    def _answer(
        self, name: str, kept: DeliveryKept, manifest: Manifest, digest: str, rejected: Rejected | None = None
    ) -> None:
        """Send the receipt or rejection, and state it; made once, whatever is killed in between."""
        receipt = kept.receipt
        if receipt is None or receipt.version != manifest.version:
            receipt = self._make(manifest, digest, rejected)
            self.desk.memory.put(KIND, name, kept.model_copy(update={"receipt": receipt}))
        path, key = f"/v1/deliveries/{manifest.delivery_id}/receipt", f"receipt-{receipt.statement_id}"
        line = self.desk.provider(self.provider)
        line.call("POST", path, Signed(jws=receipt.jws), ReceiptTaken, key=key)
        self.desk.notify(receipt.statement_id, receipt.statement)

    def _make(self, manifest: Manifest, digest: str, rejected: Rejected | None) -> Receipted:
        receipt = Receipt(
            delivery_id=manifest.delivery_id,
            version=manifest.version,
            manifest=digest,
            received_at=datetime.now(UTC),
            outcome="rejected" if rejected else "received",
            readings=0 if rejected else manifest.readings,
            code=rejected.code if rejected else None,
            detail=rejected.detail if rejected else "",
        )
        kind: StatementType = "delivery.rejected" if rejected else "delivery.received"
        statement_id, posted = self.desk.statement(
            kind,
            self.provider,
            transaction_id=manifest.subscription_id,
            subject=f"{manifest.delivery_id}:{manifest.version}",
            counts={"readings": receipt.readings, "parts": len(manifest.parts)},
            commitments={"manifest": commitment(manifest.commitment_salt, digest)},
        )
        jws = sign(receipt.document(), self.desk.key, typ=RECEIPT_TYP)
        return Receipted(version=manifest.version, jws=jws, statement_id=statement_id, statement=posted)

    def _over(self, name: str, kept: DeliveryKept) -> None:
        """Nothing of the delivery is left in the home. Its files go first: who is killed between knows of it still."""
        if kept.delivery_id:
            shutil.rmtree(self.desk.home.files / kept.delivery_id, ignore_errors=True)
        self.desk.memory.forget(KIND, name)


@dataclass
class _Found:
    """A manifest with its digest and, once they are here, its curves."""

    manifest: Manifest
    digest: str
    curves: list[Curve]

    def __init__(self, manifest: Manifest, digest: str) -> None:
        self.manifest, self.digest, self.curves = manifest, digest, []
