"""A stranger that provides data: a small HTTPS server of the standard library that does what the protocol asks of a
metered data administrator, and no more. Members that are optional are left out wherever they can be."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import httpx
import rfc8785
from joserfc.jwk import OKPKey

from tests.e2e.strangers.jose import Forged, check_signed, fingerprint, header_of, sha256, signed_headers, verified
from tests.e2e.strangers.player import Player, new_id, now

MADRID = ZoneInfo("Europe/Madrid")
ROUTES: list[tuple[str, re.Pattern[str], str]] = []


class Refused(Exception):
    """An answer that is a problem document."""

    def __init__(self, status: int, code: str, **members: Any) -> None:
        super().__init__(code)
        self.status = status
        self.document = {
            "type": f"urn:stranger:{code}", "title": code, "status": status, "detail": code, "code": code, **members,
        }  # fmt: skip


def route(method: str, path: str) -> Callable[[Any], Any]:
    def register(run: Any) -> Any:
        ROUTES.append((method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), run.__name__))
        return run

    return register


def reading(pod: str, hour: datetime) -> int:
    """The made-up hourly reading of a POD, 100 to 999 Wh."""
    return 100 + int(hashlib.sha256(f"{pod} {hour:%Y%m%d%H}".encode()).hexdigest(), 16) % 900


class Provider(Player):
    """The server and what it keeps: in memory, under one lock."""

    def __init__(self, hall: str, http: httpx.Client, legal_id: str, port: int, certificate: Path) -> None:
        super().__init__(hall, http, "Red Extraña", legal_id, "provider", "dso")
        self.base = f"https://localhost:{port}"
        self.endpoints = {"b2b": self.base, "inbox": f"{self.base}/v1/inbox"}
        self.lock = threading.RLock()
        self.clients: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.once: set[str] = set()
        self.repeats: dict[str, tuple[int, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.evidence: set[str] = set()
        self.activations: dict[str, dict[str, Any]] = {}
        self.deliveries: dict[str, dict[str, Any]] = {}
        self.receipts: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate / "server.pem", certificate / "server.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    # who is calling

    def vouched(self, attestation: str) -> dict[str, Any]:
        """The player the Market Place vouches for to us; known from now on."""
        claims = verified(attestation, self.discovery["keys"], "meterhall-attestation+jwt")
        if claims["aud"] != self.number or claims["exp"] < time.time():
            raise Refused(401, "bad_attestation")
        player = claims["player"]
        scope = "sandbox" if claims["kind"] == "sandbox" else "data"
        with self.lock:
            self.clients[player["access_number"]] = {
                "keys": player["keys"]["transport"], "inbox": player["endpoints"].get("inbox"), "scope": scope,
            }  # fmt: skip
        return dict(claims)

    def _once(self, jti: str) -> None:
        with self.lock:
            if jti in self.once:
                raise Refused(401, "replayed", error="invalid_request")
            self.once.add(jti)

    def _proof(self, headers: Any, method: str, path: str, token: str = "") -> str:
        """The thumbprint of the key that made the DPoP proof of a request."""
        proof = headers.get("DPoP", "")
        jwk = header_of(proof)["jwk"]
        key = OKPKey.import_key(jwk)
        claims = verified(proof, [jwk | {"kid": header_of(proof).get("kid", "")}], "dpop+jwt")
        if (claims["htm"], claims["htu"]) != (method, self.base + path) or abs(time.time() - claims["iat"]) > 120:
            raise Refused(401, "invalid_dpop_proof", error="invalid_dpop_proof")
        if token and claims.get("ath") != _b64(hashlib.sha256(token.encode()).digest()):
            raise Refused(401, "invalid_dpop_proof", error="invalid_dpop_proof")
        self._once(claims["jti"])
        return str(key.thumbprint())

    @route("POST", "/oauth/token")
    def token(self, call: Call) -> tuple[int, Any]:
        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        jkt = self._proof(call.headers, "POST", "/oauth/token")
        if "attestation" in form:
            self.vouched(form["attestation"])
        client = self.clients.get(form["client_id"])
        if form["grant_type"] != "client_credentials" or client is None:
            raise Refused(401, "invalid_client", error="invalid_client")
        claims = verified(form["client_assertion"], client["keys"], "JWT")
        if claims["iss"] != form["client_id"] or claims["sub"] != claims["iss"] or claims["exp"] < time.time():
            raise Refused(401, "invalid_client", error="invalid_client")
        if self.base not in claims["aud"]:
            raise Refused(401, "invalid_client", error="invalid_client")
        self._once(claims["jti"])
        made = secrets.token_urlsafe(24)
        with self.lock:
            self.tokens[made] = {"client": form["client_id"], "jkt": jkt, "until": time.time() + 300}
        return 200, {"access_token": made, "token_type": "DPoP", "expires_in": 300, "scope": client["scope"]}

    def caller(self, call: Call) -> str:
        """The player behind a token."""
        kind, _, shown = call.headers.get("Authorization", "").partition(" ")
        held = self.tokens.get(shown)
        if kind != "DPoP" or held is None or held["until"] < time.time():
            raise Refused(401, "invalid_token", error="invalid_token")
        if self._proof(call.headers, call.method, call.path, shown) != held["jkt"]:
            raise Refused(401, "invalid_dpop_proof", error="invalid_dpop_proof")
        return str(held["client"])

    # what anybody may see

    @route("GET", "/.well-known/meterhall")
    def described(self, call: Call) -> tuple[int, Any]:
        return 200, {
            "role": "provider", "environment": "regulated", "organisation": self.name, "access_number": self.number,
            "keys": [self.transport.jwk], "endpoints": self.endpoints,
        }  # fmt: skip

    @route("GET", "/.well-known/oauth-authorization-server")
    def metadata(self, call: Call) -> tuple[int, Any]:
        return 200, {
            "issuer": self.base,
            "token_endpoint": f"{self.base}/oauth/token",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "dpop_signing_alg_values_supported": ["Ed25519"],
        }

    # events

    @route("POST", "/v1/inbox")
    def inbox(self, call: Call) -> tuple[int, Any]:
        event = json.loads(call.body)
        sender = event["source"].removeprefix("urn:meterhall:")
        is_hall = sender == self.discovery["access_number"]
        keys = self.discovery["keys"] if is_hall else self.clients[sender]["keys"]
        check_signed("POST", self.base + call.path, call.headers, call.body, keys, sender)
        if call.headers.get("webhook-id") != event["id"]:
            raise Refused(422, "event_mismatch")
        with self.lock:
            if event["id"] in self.once:
                return 202, None
            self.once.add(event["id"])
            self.events.append(event | {"seen_correlation": call.headers.get("X-Correlation-Id", "")})
        if "attestation" in event["data"]:
            self.vouched(event["data"]["attestation"])
        if event["type"] == "subscription.requested":
            self._sign(event["data"]["subscription"])
        if event["type"] == "subscription.active":
            self._acknowledge_contract(event["data"]["subscription"]["contract"])
        return 202, None

    def _sign(self, shown: dict[str, Any]) -> None:
        """Our signer signs what a requester has signed."""
        assert fingerprint(shown["contract"]) == shown["digest"]
        assert shown["contract"]["provider"]["access_number"] == self.number
        name = shown["subscription_id"]
        body = self.contract_signature(name, shown["digest"])
        threading.Thread(
            target=self.hall.ask, args=("POST", f"/v1/subscriptions/{name}/signatures", body), daemon=True
        ).start()

    def _acknowledge_contract(self, contract: dict[str, Any]) -> None:
        name, requester = contract["subscription_id"], contract["requester"]["access_number"]
        threading.Thread(
            target=self.state, args=("contract.acknowledged", name, requester, name, {}), daemon=True
        ).start()

    def tell(self, to: str, kind: str, subject: str, data: dict[str, Any]) -> httpx.Response | None:
        """Send an event to a party's inbox, if it has one."""
        inbox = self.clients[to]["inbox"]
        if not inbox:
            return None
        event = {
            "specversion": "1.0", "id": new_id("evt"), "source": f"urn:meterhall:{self.number}", "type": kind,
            "time": now(), "subject": subject, "data": data,
        }  # fmt: skip
        return self.post_event(inbox, event)

    def post_event(self, inbox: str, event: dict[str, Any]) -> httpx.Response:
        body = rfc8785.dumps(event)
        headers = {"Content-Type": "application/cloudevents+json", "webhook-id": event["id"]}
        signed = signed_headers("POST", inbox, headers, body, self.transport, self.number)
        return self.http.post(inbox, content=body, headers=signed)

    # activations

    @route("POST", "/v1/evidence")
    def take_evidence(self, call: Call) -> tuple[int, Any]:
        self.caller(call)
        given = json.loads(call.body)
        name = sha256(given["jws"].encode())
        with self.lock:
            self.evidence.add(name)
        return 201, {"digest": name, "assurance": given["assurance"], "accepted": True}

    def acknowledgement(self, kind: str, transaction: str, requester: str, subject: str) -> dict[str, Any]:
        return {"statement": self.statement(kind, transaction, requester, subject, {})}

    @route("POST", "/v1/activations")
    def activate(self, call: Call) -> tuple[int, Any]:
        requester = self.caller(call)
        asked = json.loads(call.body)
        name = new_id("act")
        answers = [self._answer(item, asked["scope"]) for item in asked["items"]]
        with self.lock:
            self.activations[name] = {"requester": requester, "asked": asked, "answers": answers}
        counts = {state: sum(one["state"] == state for one in answers) for state in ("accepted", "refused", "pending")}
        self.later(0.3, self.tell, requester, "activation.answered", name, {"activation_id": name, **counts})
        said = self.acknowledgement("activation.acknowledged", asked["subscription_id"], requester, name)
        return 202, {"activation_id": name, "accepted_items": len(answers), "acknowledgement": said}

    def _answer(self, item: dict[str, Any], scope: dict[str, Any]) -> dict[str, Any]:
        kind, _, named = item["proof"].partition(":")
        if kind != "sandbox" and named not in self.evidence:
            return {"pod": item["pod"], "state": "refused", "code": "consent_missing", "detail": "No proof."}
        return {
            "pod": item["pod"], "state": "accepted", "pseudonym": str(uuid.uuid4()), "assurance": "customer_signed",
            "consent_id": new_id("con"), "readings": scope["period"], "access_until": "2030-01-01T00:00:00Z",
        }  # fmt: skip

    def _mine(self, known: dict[str, dict[str, Any]], name: str, call: Call) -> dict[str, Any]:
        found = known.get(name)
        if found is None or found["requester"] != self.caller(call):
            raise Refused(404, "not_found")
        return found

    @route("GET", "/v1/activations/{name}")
    def activation(self, call: Call, name: str) -> tuple[int, Any]:
        self.caller(call) if name not in self.activations else self._mine(self.activations, name, call)
        raise Refused(404, "unknown_activation")

    @route("GET", "/v1/activations/{name}/answers")
    def answers(self, call: Call, name: str) -> tuple[int, Any]:
        return 200, {"items": self._mine(self.activations, name, call)["answers"]}

    # data

    @route("POST", "/v1/data-requests")
    def request_data(self, call: Call) -> tuple[int, Any]:
        requester = self.caller(call)
        asked = json.loads(call.body)
        activation = self.activations[asked["activation_id"]]
        name, transaction = new_id("dlv"), activation["asked"]["subscription_id"]
        self.later(0.3, self.publish, name, requester, asked, activation)
        said = self.acknowledgement("data.acknowledged", transaction, requester, name)
        return 202, {"delivery_id": name, "acknowledgement": said}

    def publish(self, name: str, requester: str, asked: dict[str, Any], activation: dict[str, Any]) -> None:
        """Make a file for each POD, sign a manifest over them, tell and state it."""
        files, parts = {}, []
        accepted = [one for one in activation["answers"] if one["state"] == "accepted"]
        for number, one in enumerate(accepted, 1):
            files[number], count = _csv(one["pseudonym"], one["pod"], asked["period"])
            parts.append(
                {
                    "number": number, "media_type": "text/csv", "extension": "csv", "size_bytes": len(files[number]),
                    "digest": sha256(files[number]), "pseudonyms": [one["pseudonym"]], "readings": count, "missing": 0,
                }
            )  # fmt: skip
        manifest = {
            "delivery_id": name, "version": 1, "activation_id": asked["activation_id"],
            "subscription_id": activation["asked"]["subscription_id"], "provider": self.number,
            "requester": requester, "created_at": now(), "period": asked["period"],
            "granularity": asked["granularity"], "format": asked["format"], "commitment_salt": secrets.token_hex(16),
            "parts": parts,
        }  # fmt: skip
        jws = self.transport.sign(manifest, "meterhall-manifest+jws")
        with self.lock:
            self.deliveries[name] = {"requester": requester, "manifest": manifest, "jws": jws, "files": files}
        if self.clients[requester]["scope"] == "data":
            self.state_delivery("delivery.published", manifest, requester)
        self.tell(
            requester, "delivery.ready", name,
            {"delivery_id": name, "version": 1, "activation_id": asked["activation_id"]},
        )  # fmt: skip

    @route("GET", "/v1/deliveries/{name}")
    def manifest(self, call: Call, name: str) -> tuple[int, Any]:
        if name not in self.deliveries:
            self.caller(call)
            raise Refused(409, "delivery_not_ready")
        found = self._mine(self.deliveries, name, call)
        return 200, {"manifest": found["manifest"], "jws": found["jws"]}

    @route("GET", "/v1/deliveries/{name}/parts/{number}")
    def part(self, call: Call, name: str, number: str) -> tuple[int, Any]:
        content = self._mine(self.deliveries, name, call)["files"][int(number)]
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("Range", ""))
        if match is None:
            return 200, content
        last = int(match[2] or len(content) - 1)
        return 206, content[int(match[1]) : last + 1]

    @route("POST", "/v1/deliveries/{name}/receipt")
    def receipt(self, call: Call, name: str) -> tuple[int, Any]:
        found = self._mine(self.deliveries, name, call)
        keys = self.clients[found["requester"]]["keys"]
        said = verified(json.loads(call.body)["jws"], keys, "meterhall-receipt+jws")
        if said["manifest"] != fingerprint(found["manifest"]):
            raise Refused(422, "wrong_receipt")
        with self.lock:
            self.receipts.append(said)
        subscription = found["manifest"]["subscription_id"]
        done = self.acknowledgement("receipt.acknowledged", subscription, found["requester"], f"{name}:1")
        return 201, {"acknowledgement": done}

    def later(self, wait_s: float, run: Callable[..., Any], *arguments: Any) -> None:
        timer = threading.Timer(wait_s, run, arguments)
        timer.daemon = True
        timer.start()

    def answer(self, call: Call) -> tuple[int, Any]:
        """The answer to a call; a repeated command gets the same one."""
        self.calls.append(f"{call.method} {call.path}")
        key = call.headers.get("Idempotency-Key")
        held = f"{call.path} {key} {hashlib.sha256(call.body).hexdigest()}" if key else ""
        if held and held in self.repeats:
            self.caller(call)
            return self.repeats[held]
        for method, form, name in ROUTES:
            match = form.fullmatch(call.path)
            if match and method == call.method:
                answered: tuple[int, Any] = getattr(self, name)(call, **match.groupdict())
                if held:
                    self.repeats[held] = answered
                return answered
        raise Refused(404, "not_found")


class Call:
    """One request."""

    def __init__(self, method: str, target: str, headers: Any, body: bytes) -> None:
        self.method, self.path = method, urlsplit(target).path
        self.headers, self.body = headers, body


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _csv(pseudonym: str, pod: str, period: dict[str, str]) -> tuple[bytes, int]:
    """The hours of civil days in Madrid, as the CSV of the exchange; the file and how many readings it holds."""
    first, until = (
        datetime.combine(date.fromisoformat(period[end]), datetime.min.time(), MADRID).astimezone(UTC)
        for end in ("from", "until")
    )
    hours = [first + timedelta(hours=hour) for hour in range(int((until - first) / timedelta(hours=1)))]
    lines = ["usage_point,start,resolution,direction,energy_wh,quality,available_at"]
    for hour in hours:
        lines.append(f"{pseudonym},{hour:%Y-%m-%dT%H:%M:%SZ},PT1H,import,{reading(pod, hour)},17,2026-01-01T00:00:00Z")
    return "\r\n".join([*lines, ""]).encode(), len(hours)


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = "application/json"
            try:
                status, content = provider.answer(Call(self.command, self.path, self.headers, body))
            except Refused as refused:
                status, content, kind = refused.status, refused.document, "application/problem+json"
            except (Forged, KeyError, ValueError, TypeError, AssertionError) as fault:
                status, content = 422, {"code": "invalid_input", "detail": repr(fault)}
            sent = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/csv" if isinstance(content, bytes) else kind)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *words: Any) -> None:
            """Quiet."""

    return Handler
