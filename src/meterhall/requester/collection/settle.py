"""Answering a delivery: outcome, statement and signed receipt in one transaction; then the receipt goes out."""

from __future__ import annotations

from django.db import transaction

from meterhall.client.b2b import B2BClient
from meterhall.client.checks import Rejected
from meterhall.domain.protocol.base import Signed
from meterhall.domain.protocol.canonical import commitment, digest
from meterhall.domain.protocol.deliveries import RECEIPT_TYP, Manifest, Receipt, ReceiptTaken
from meterhall.domain.protocol.keys import sign
from meterhall.domain.protocol.statements import StatementType
from meterhall.requester.collection.models import Delivery, Version
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import in_present_key, state
from meterhall.web.platform import platform


def settle(version: Version, manifest: Manifest, rejected: Rejected | None = None) -> None:
    """Write down that a version was received, or why it is rejected; once, whatever is said later."""
    now = platform().now()
    receipt = Receipt(
        delivery_id=manifest.delivery_id,
        version=manifest.version,
        manifest=version.digest,
        received_at=now,
        outcome="rejected" if rejected else "received",
        readings=0 if rejected else manifest.readings,
        code=rejected.code if rejected else None,
        detail=rejected.detail if rejected else "",
    )
    jws = sign(receipt.document(), platform().transport_key, typ=RECEIPT_TYP)
    with transaction.atomic():
        mine = Version.objects.filter(pk=version.pk, outcome="")
        if not mine.update(outcome=receipt.outcome, receipt=jws, settled_at=now):
            return
        Delivery.objects.filter(pk=version.delivery_id, version=manifest.version).update(
            state=receipt.outcome, code=receipt.code or "", detail=receipt.detail[:300]
        )
        _say(manifest, version, receipt)


def _say(manifest: Manifest, version: Version, receipt: Receipt) -> None:
    kind: StatementType = "delivery.received" if receipt.outcome == "received" else "delivery.rejected"
    state(
        kind,
        transaction_id=manifest.subscription_id,
        subject=f"{manifest.delivery_id}:{manifest.version}",
        parties=(my_access_number(), manifest.provider),
        counts={"readings": receipt.readings, "parts": len(manifest.parts)},
        commitments={"manifest": commitment(manifest.commitment_salt, version.digest)},
    )


def send_receipts(client: B2BClient, delivery: Delivery) -> None:
    """Send the provider every answer it has not taken yet. Safe to repeat: the provider knows an answer it has."""
    for version in delivery.versions.exclude(receipt="").filter(receipted_at=None).only("pk", "receipt"):
        path = f"/v1/deliveries/{delivery.delivery_id}/receipt"
        jws = in_present_key(version.receipt, RECEIPT_TYP)
        client.call("POST", path, Signed(jws=jws), ReceiptTaken, key=digest(jws.encode())[-64:])
        Version.objects.filter(pk=version.pk).update(receipted_at=platform().now())
