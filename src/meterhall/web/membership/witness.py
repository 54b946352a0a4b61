"""Witnessing the Market Place's log: remember its last checkpoint, check that the next goes on from it, cosign that.

Whoever rewrites the log, or shows one history to us and another to others, is found out here: the two checkpoints,
both signed by the log, are kept as the proof.
"""

from __future__ import annotations

import httpx
import structlog
from django.db import transaction

from meterhall.client.b2b import RemoteRefusal
from meterhall.client.errors import unreachable
from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.log import ConsistencyProof, LogCosignature
from meterhall.domain.transparency.checkpoints import Checkpoint, hash_from, open_checkpoint, witness_name
from meterhall.domain.transparency.errors import BadProof
from meterhall.domain.transparency.merkle import verify_consistency
from meterhall.domain.transparency.notes import COSIGNATURE, Note, VerifierKey, cosign
from meterhall.web.membership.models import LogFinding, SeenCheckpoint
from meterhall.web.membership.service import contact_marketplace
from meterhall.web.messaging.clients import marketplace_client
from meterhall.web.messaging.models import Identity, Peer
from meterhall.web.messaging.peers import marketplace, my_access_number
from meterhall.web.platform import platform

log = structlog.get_logger(__name__)


class LogForked(MeterhallError):
    status = 502
    code = "log_forked"
    title = "The Market Place's log does not go on from what it showed before."


def witness_key() -> str | None:
    """The key by which others check our cosignatures (C2SP vkey); None where we are no witness."""
    known = _log_key_of_peer()
    number = Identity.objects.values_list("access_number", flat=True).first()
    if platform().role == "marketplace" or known is None or number is None:
        return None
    name = witness_name(VerifierKey.parse(known).name, number)
    return str(VerifierKey.of(name, COSIGNATURE, platform().transport_key.public))


def _log_key_of_peer() -> str | None:
    document = Peer.objects.filter(is_marketplace=True).values_list("document", flat=True).first()
    return document.get("log_key") if document else None


def look_at_log() -> Checkpoint | None:
    """Fetch the newest checkpoint, check it against the last one seen, cosign it. None where there is no log.

    Raises `LogForked` after keeping the finding; errors of the line as `B2BClient.call`.
    """
    seen = SeenCheckpoint.objects.first()
    key = VerifierKey.parse(seen.log_key) if seen else _first_key()
    if key is None:
        return None
    note = Note.parse(_get("/checkpoint").text)
    try:
        checkpoint = open_checkpoint(note, key)
    except MeterhallError as fault:
        raise _found("signature", fault.detail, seen, note) from fault
    if seen is not None:
        _check_growth(seen, Checkpoint.parse(Note.parse(seen.note).text), checkpoint, note)
    _remember(seen, key, checkpoint, note)
    _cosign(checkpoint, key, note)
    return checkpoint


def _first_key() -> VerifierKey | None:
    known = _log_key_of_peer() or contact_marketplace().log_key
    return VerifierKey.parse(known) if known else None


def _get(path: str) -> httpx.Response:
    base = marketplace().b2b_url
    try:
        response = platform().http.get(base + path)
    except httpx.TransportError as fault:
        raise unreachable(base, fault) from fault
    if response.is_error:
        raise RemoteRefusal(response)
    return response


def _check_growth(seen: SeenCheckpoint, before: Checkpoint, now: Checkpoint, note: Note) -> None:
    """That the log goes on from what we saw: it neither shrank nor changed."""
    if now.size < before.size:
        raise _found("shrunk", f"the log went back from {before.size} to {now.size} entries.", seen, note)
    try:
        path: tuple[str, ...] = ()
        if 0 < before.size < now.size:
            found = _get(f"/v1/log/consistency?first={before.size}&second={now.size}")
            path = ConsistencyProof.model_validate_json(found.content).path
        verify_consistency(before.size, now.size, [hash_from(step) for step in path], before.root, now.root)
    except (BadProof, RemoteRefusal) as fault:
        if isinstance(fault, RemoteRefusal) and fault.remote_status >= 500:
            raise
        detail = f"the trees of {before.size} and {now.size} entries are not one log: {fault.detail}"
        raise _found("fork", detail, seen, note) from fault


def _found(kind: str, detail: str, seen: SeenCheckpoint | None, note: Note) -> LogForked:
    """Keep the evidence once, say it loudly each time."""
    before = seen.note if seen else ""
    log.error("log.forked", kind=kind, detail=detail)
    LogFinding.objects.get_or_create(
        kind=kind, before=before, now=str(note), defaults={"detail": detail, "found_at": platform().now()}
    )
    return LogForked(f"{LogForked.title} ({detail})")


def _remember(seen: SeenCheckpoint | None, key: VerifierKey, checkpoint: Checkpoint, note: Note) -> None:
    """Written before it is cosigned, so that a crash in between can't make us forget what we vouched for."""
    values = {"log_key": str(key), "size": checkpoint.size, "note": str(note), "seen_at": platform().now()}
    with transaction.atomic():
        if seen is None:
            SeenCheckpoint.objects.create(pk=1, **values)
        elif seen.size != checkpoint.size:
            SeenCheckpoint.objects.filter(pk=seen.pk).update(**values, cosigned=False)


def _cosign(checkpoint: Checkpoint, key: VerifierKey, note: Note) -> None:
    if checkpoint.size == 0 or SeenCheckpoint.objects.filter(cosigned=True).exists():
        return
    name = witness_name(key.name, my_access_number())
    signature = cosign(note.text, name, platform().transport_key, platform().now())
    body = LogCosignature(size=checkpoint.size, line=signature.line)
    marketplace_client().call("POST", "/v1/log/cosignatures", body)
    SeenCheckpoint.objects.update(cosigned=True)
