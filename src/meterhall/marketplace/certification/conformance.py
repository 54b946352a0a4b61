"""The conformance run: a requester's whole way through a provider's sandbox, each step checked. Needs no database.

Its own process: `python -m meterhall.marketplace.certification.conformance` reads an `Assignment` on stdin and writes
the checks on stdout, as JSON. It speaks only the published interface and holds the certifier's key, none of the Market
Place's. A reading lives in its memory and nowhere else; a check's detail names codes and counts, never what a provider
wrote or sent.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import Field, ValidationError

from meterhall.client.b2b import B2BClient, RemoteRefusal
from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.activations import (
    REFUSALS,
    Activated,
    ActivationItem,
    ActivationRequest,
    ItemAnswer,
)
from meterhall.domain.protocol.base import AccessNumber, Environment, Jws, Message, Page, Signed
from meterhall.domain.protocol.canonical import digest, new_id
from meterhall.domain.protocol.deliveries import (
    MANIFEST_TYP,
    RECEIPT_TYP,
    DataRequest,
    DataRequested,
    Manifest,
    ManifestView,
    Part,
    Receipt,
    ReceiptTaken,
)
from meterhall.domain.protocol.keys import PublicKey, SigningKey, sign, signed_digest, verify
from meterhall.domain.protocol.offers import CertificationCheck, DataScope, Profile
from meterhall.domain.protocol.players import Discovery, PlayerView
from meterhall.domain.protocol.statements import STATEMENT_TYP, Statement
from meterhall.formats import FORMATS
from meterhall.formats.packing import unpacked

MOST_BYTES = 64 * 1024 * 1024
POLL_S = 0.5
Answer = TypeVar("Answer")


class NotConformant(MeterhallError):
    status = 422
    code = "not_conformant"
    title = "The provider does not behave as the published interface says."


class Assignment(Message):
    """What the run is given: whom to check, as whom, with which sandbox PODs."""

    provider: PlayerView
    environment: Environment
    certifier: AccessNumber
    key: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    attestation: Jws = Field(repr=False)
    profile: Profile
    trust_pem: str = ""
    patience_s: float = Field(60.0, gt=0, description="How long each wait for the provider may take.")


@dataclass(frozen=True, slots=True)
class Passed:
    """What a check saw: a sentence, and a digest where there is one."""

    detail: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class TlsSeen:
    version: str
    valid_until: datetime


@dataclass
class Run:
    """One run: what is given, and what each check found for the next."""

    given: Assignment
    http: httpx.Client
    tls: Callable[[str], TlsSeen]
    wait: Callable[[float], None] = time.sleep
    activation_id: str = ""
    pseudonyms: tuple[str, ...] = ()
    delivery_id: str = ""
    manifest: Manifest | None = None
    digest: str = ""
    parts: dict[int, bytes] = field(default_factory=dict)
    readings: int = 0

    def __post_init__(self) -> None:
        given = self.given
        self.base = given.provider.endpoints.b2b.rstrip("/")
        self.key = SigningKey.from_bytes(bytes.fromhex(given.key))
        self.provider_keys = [PublicKey.from_jwk(key.document()) for key in given.provider.keys.transport]
        self.client = B2BClient(
            self.base, given.certifier, self.key, http=self.http, attestation=lambda: given.attestation
        )

    @property
    def published(self) -> Manifest:
        if self.manifest is None:
            raise NotConformant("There is no manifest.")
        return self.manifest

    def patiently(self, look: Callable[[], Answer | None], what: str) -> Answer:
        """Look again and again until there is something. Raises `NotConformant` after the patience."""
        left = self.given.patience_s
        while (found := look()) is None:
            if left <= 0:
                raise NotConformant(f"{what} within {self.given.patience_s:g} s.")
            self.wait(POLL_S)
            left -= POLL_S
        return found


def require(condition: bool, sentence: str) -> None:
    """Raises `NotConformant` with the sentence where the condition does not hold."""
    if not condition:
        raise NotConformant(sentence)


def check_discovery(run: Run) -> Passed:
    """The provider describes itself as it enrolled."""
    response = run.http.get(f"{run.base}/.well-known/meterhall")
    require(response.status_code == 200, f"/.well-known/meterhall answers {response.status_code}.")
    found = Discovery.model_validate_json(response.content)
    require(found.role == "provider", "The platform does not describe itself as a provider.")
    require(found.environment == run.given.environment, "The platform belongs to the other environment.")
    require(found.access_number == run.given.provider.access_number, "It names another access number.")
    enrolled = {key.kid for key in run.given.provider.keys.transport}
    require(bool(enrolled & {key.kid for key in found.keys}), "It shows none of the enrolled transport keys.")
    return Passed("Role, environment, access number and key are those enrolled.")


def check_tls(run: Run) -> Passed:
    """TLS 1.2 or later under a certificate that is trusted and valid."""
    seen = run.tls(run.base)
    require(seen.version in {"TLSv1.2", "TLSv1.3"}, f"{seen.version} is too old.")
    return Passed(f"{seen.version}; the certificate is valid until {seen.valid_until:%Y-%m-%d}.")


def check_metadata(run: Run) -> Passed:
    """RFC 8414 metadata that offers what the exchange needs."""
    response = run.http.get(f"{run.base}/.well-known/oauth-authorization-server")
    require(response.status_code == 200, f"The authorization server's metadata answers {response.status_code}.")
    try:
        found = response.json()
    except ValueError:
        raise NotConformant("The authorization server's metadata is not JSON.") from None
    require(isinstance(found, dict) and found.get("issuer") == run.base, "The issuer is not the B2B address.")
    require(str(found.get("token_endpoint", "")).startswith("https://"), "There is no token endpoint over TLS.")
    for member, value in (
        ("grant_types_supported", "client_credentials"),
        ("token_endpoint_auth_methods_supported", "private_key_jwt"),
    ):
        offered = found.get(member)
        require(isinstance(offered, list) and value in offered, f"{member} lacks {value}.")
    proofs = found.get("dpop_signing_alg_values_supported")
    require(isinstance(proofs, list) and bool({"Ed25519", "EdDSA"} & set(map(str, proofs))), "DPoP lacks Ed25519.")
    return Passed("client_credentials, private_key_jwt and DPoP are offered.")


def check_token(run: Run) -> Passed:
    """No call without a token; a token for the certifier against its attestation, bound by DPoP."""
    path = f"/v1/activations/{new_id('act')}"
    bare = run.http.get(run.base + path)
    require(bare.status_code == 401, f"A call without a token answers {bare.status_code}, not 401.")
    try:
        run.client.send("GET", path)
    except RemoteRefusal as refusal:
        if refusal.remote_status == 404:
            return Passed("A token was given against the attestation; without one there is no answer.")
        raise
    raise NotConformant("An activation that does not exist was shown.")


def check_activation(run: Run) -> Passed:
    """The sandbox PODs are taken and the acknowledgement is signed."""
    profile = run.given.profile
    body = ActivationRequest(
        subscription_id=new_id("sub"),
        scope=DataScope(granularities=(profile.granularity,), period=profile.period),
        items=tuple(ActivationItem(pod=pod, proof="sandbox") for pod in profile.sandbox_pods),
    )
    key = new_id("act")

    def ask() -> Activated | None:
        try:
            return run.client.call("POST", "/v1/activations", body, Activated, key=key)
        except RemoteRefusal as refusal:
            if refusal.remote_code == "no_contract":
                return None
            raise

    taken = run.patiently(ask, "The certifier was not let in")
    require(taken.accepted_items == len(profile.sandbox_pods), "Not every POD of the list was taken.")
    _acknowledged(run, taken.acknowledgement.statement, "activation.acknowledged")
    run.activation_id = taken.activation_id
    return Passed(f"{taken.accepted_items} sandbox PODs taken and acknowledged.")


def _acknowledged(run: Run, jws: str, kind: str) -> None:
    said = Statement.model_validate(verify(jws, run.provider_keys, typ=STATEMENT_TYP).document)
    require(
        (said.type, said.by) == (kind, run.given.provider.access_number), f"The acknowledgement is not a {kind} of it."
    )


def check_answers(run: Run) -> Passed:
    """Each POD gets its answer, accepted under a pseudonym."""
    path = f"/v1/activations/{run.activation_id}/answers"

    def look() -> list[ItemAnswer] | None:
        found = run.client.call("GET", path, None, Page[ItemAnswer], params={"limit": 100}).items
        return found if found and all(one.state != "pending" for one in found) else None

    answers = run.patiently(look, "Not every POD was answered")
    for index, one in enumerate(answers):
        code = one.code if one.code in REFUSALS else "an unknown code"
        require(one.state == "accepted", f"Sandbox POD {index + 1} is {one.state}: {code}.")
        require(one.pseudonym is not None, f"Sandbox POD {index + 1} has no pseudonym.")
    run.pseudonyms = tuple(one.pseudonym or "" for one in answers)
    require(len(set(run.pseudonyms)) == len(run.given.profile.sandbox_pods), "Each POD has a pseudonym of its own.")
    return Passed(f"{len(answers)} PODs accepted, each under a pseudonym.")


def check_request(run: Run) -> Passed:
    """A data request is taken and acknowledged."""
    profile = run.given.profile
    body = DataRequest(
        activation_id=run.activation_id, period=profile.period, granularity=profile.granularity, format=profile.format
    )
    taken = run.client.call("POST", "/v1/data-requests", body, DataRequested)
    _acknowledged(run, taken.acknowledgement.statement, "data.acknowledged")
    run.delivery_id = taken.delivery_id
    return Passed("The data request was taken and acknowledged.")


def check_manifest(run: Run) -> Passed:
    """A manifest is published, signed with an enrolled key, and about what was asked."""

    def look() -> ManifestView | None:
        try:
            return run.client.call("GET", f"/v1/deliveries/{run.delivery_id}", None, ManifestView)
        except RemoteRefusal as refusal:
            if refusal.remote_code == "delivery_not_ready":
                return None
            raise

    shown = run.patiently(look, "No delivery was published")
    signed = Manifest.model_validate(verify(shown.jws, run.provider_keys, typ=MANIFEST_TYP).document)
    manifest, profile = shown.manifest, run.given.profile
    require(signed == manifest, "The manifest is not the one that was signed.")
    asked = (run.delivery_id, run.activation_id, run.given.certifier, profile.format, profile.granularity)
    about = (
        manifest.delivery_id, manifest.activation_id, manifest.requester, manifest.format, manifest.granularity
    )  # fmt: skip
    require(about == asked, "The manifest is about something else than was asked.")
    require(bool(manifest.parts), "The manifest has no parts.")
    named = {name for part in manifest.parts for name in part.pseudonyms}
    require(named <= set(run.pseudonyms), "A part names a pseudonym that no answer gave.")
    run.manifest, run.digest = manifest, signed_digest(shown.jws)
    return Passed(f"Signed manifest of {len(manifest.parts)} parts.", run.digest)


def check_parts(run: Run) -> Passed:
    """Each part comes whole, and from the middle on by a range."""
    for part in run.published.parts:
        require(part.size_bytes <= MOST_BYTES, f"Part {part.number} is larger than a sandbox delivery may be.")
        whole = _fetch(run, part, 0)
        require(len(whole) == part.size_bytes, f"Part {part.number} has not the size its manifest states.")
        middle = part.size_bytes // 2
        if middle:
            require(_fetch(run, part, middle) == whole[middle:], f"Part {part.number} by range is another file.")
        run.parts[part.number] = whole
    return Passed(f"{len(run.parts)} parts fetched whole and by range.")


def _fetch(run: Run, part: Part, start: int) -> bytes:
    content = bytearray()
    with run.client.stream(f"/v1/deliveries/{run.delivery_id}/parts/{part.number}", start=start) as response:
        expected = 206 if start else 200
        require(response.status_code == expected, f"Part {part.number} answers {response.status_code}, not {expected}.")
        for block in response.iter_bytes():
            content += block
            require(len(content) <= part.size_bytes, f"Part {part.number} is longer than its manifest states.")
    return bytes(content)


def check_digests(run: Run) -> Passed:
    """Each part is the file whose digest was signed."""
    for part in run.published.parts:
        require(digest(run.parts[part.number]) == part.digest, f"Part {part.number} has another digest.")
    return Passed("Every digest fits.", run.published.parts[0].digest)


def check_format(run: Run) -> Passed:
    """Each part is a file of its format, with the readings the manifest counts."""
    form = FORMATS[run.given.profile.format]
    for part in run.published.parts:
        content = run.parts[part.number]
        curves = form.decode(unpacked(content, part.compression, MOST_BYTES))
        there = sum(int(curve.present.sum()) for curve in curves)
        require(there == part.readings, f"Part {part.number} does not hold as many readings as its manifest states.")
        run.readings += there
    require(run.readings > 0, "The delivery holds no reading.")
    return Passed(f"{run.readings} readings decoded from {form.name}.")


def check_receipt(run: Run) -> Passed:
    """The signed receipt is taken and acknowledged."""
    receipt = Receipt(
        delivery_id=run.delivery_id,
        version=run.published.version,
        manifest=run.digest,
        received_at=datetime.now(UTC),
        outcome="received",
        readings=run.readings,
    )
    body = Signed(jws=sign(receipt.document(), run.key, typ=RECEIPT_TYP))
    taken = run.client.call("POST", f"/v1/deliveries/{run.delivery_id}/receipt", body, ReceiptTaken)
    _acknowledged(run, taken.acknowledgement.statement, "receipt.acknowledged")
    return Passed("The receipt was taken and acknowledged.")


CHECKS: tuple[tuple[str, Callable[[Run], Passed]], ...] = (
    ("discovery", check_discovery),
    ("tls", check_tls),
    ("oauth_metadata", check_metadata),
    ("token", check_token),
    ("activation", check_activation),
    ("answers", check_answers),
    ("data_request", check_request),
    ("manifest", check_manifest),
    ("parts", check_parts),
    ("digests", check_digests),
    ("format", check_format),
    ("receipt", check_receipt),
)
"""The checks in their order; each stands on those before it."""


def run_checks(run: Run) -> tuple[CertificationCheck, ...]:
    """The checks up to and including the first that fails."""
    done: list[CertificationCheck] = []
    for name, check in CHECKS:
        try:
            seen = check(run)
        except Exception as fault:
            done.append(CertificationCheck(name=name, passed=False, detail=_plainly(fault)))
            break
        done.append(CertificationCheck(name=name, passed=True, detail=seen.detail, digest=seen.digest))
    return tuple(done)


def _plainly(fault: Exception) -> str:
    """What went wrong, in our own words only: whatever the provider wrote could hold what must not be kept."""
    if isinstance(fault, NotConformant):
        return fault.detail
    if isinstance(fault, RemoteRefusal):
        code = fault.remote_code if fault.remote_code.replace("_", "").isalnum() else "no code"
        return f"It refused with {fault.remote_status} {code[:60]}."
    if isinstance(fault, MeterhallError):
        return f"{fault.title} ({fault.code})"
    if isinstance(fault, ValidationError):
        first = fault.errors(include_input=False, include_url=False)[0]
        return f"The answer does not fit the published schema at {'/'.join(map(str, first['loc']))}: {first['type']}."
    if isinstance(fault, httpx.HTTPError | OSError):
        return f"The connection failed: {type(fault).__name__}."
    return f"The answer could not be read: {type(fault).__name__}."


def seen_tls(context: ssl.SSLContext, base: str) -> TlsSeen:
    """Connect and see version and certificate; an untrusted one raises."""
    parts = urlsplit(base)
    host = parts.hostname or ""
    with (
        socket.create_connection((host, parts.port or 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        certificate = secured.getpeercert() or {}
        ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
        return TlsSeen(secured.version() or "none", datetime.fromtimestamp(ends, UTC))


def main() -> None:
    """Entry of the run's process."""
    given = Assignment.model_validate_json(sys.stdin.buffer.read())
    context = ssl.create_default_context()
    if given.trust_pem:
        context.load_verify_locations(cafile=given.trust_pem)
    with httpx.Client(verify=context, timeout=httpx.Timeout(20.0, connect=5.0), follow_redirects=False) as http:
        checks = run_checks(Run(given, http, lambda base: seen_tls(context, base)))
    json.dump([check.document() for check in checks], sys.stdout)


if __name__ == "__main__":
    main()
