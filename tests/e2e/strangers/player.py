"""A stranger as a player of the market: its keys, its enrolment, its signatures, its statements, its event feed."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.e2e.strangers.calls import Caller, published_at
from tests.e2e.strangers.jose import Key, commitment, fingerprint, verified
from tests.e2e.town import wait_for


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


class Player:
    """An organisation with a transport and a contract key, that speaks HTTP."""

    def __init__(self, hall: str, http: httpx.Client, name: str, legal_id: str, role: str, activity: str) -> None:
        self.hall_url, self.http, self.name = hall, http, name
        self.legal_id, self.role, self.activity = legal_id, role, activity
        self.transport, self.contract = Key(), Key()
        self.number = ""
        self.endpoints: dict[str, Any] = {"b2b": "https://stranger.invalid"}
        self.discovery = http.get(hall + "/.well-known/meterhall").json()

    def enrolment(self) -> dict[str, Any]:
        return {
            "organisation": self.name,
            "country": "ES",
            "legal_id": {"kind": "GLN", "value": self.legal_id},
            "roles": [self.role],
            "activity": self.activity,
            "contact": "data@stranger.invalid",
            "endpoints": self.endpoints,
            "keys": {"transport": [self.transport.jwk], "contract": [self.contract.jwk]},
        }

    def enrol(self, document: dict[str, Any] | None = None, key: Key | None = None) -> httpx.Response:
        """Apply, signed with our transport key."""
        jws = (key or self.transport).sign(document or self.enrolment(), "meterhall-enrolment+jws")
        headers = {"Idempotency-Key": secrets.token_hex(8)}
        response = self.http.post(self.hall_url + "/v1/players", json={"jws": jws}, headers=headers)
        published_at(self.hall_url, self.http).check("POST", "/v1/players", response)
        if response.is_success:
            self.number = response.json()["access_number"]
            self.hall = Caller(self.hall_url, self.number, self.transport, self.http)
        return response

    def contract_signature(self, subject: str, digest: str) -> dict[str, str]:
        """Our signature over a contract, by its signer's second factor just shown."""
        body = {"subject": subject, "digest": digest, "party": self.number, "signed_at": now()}
        header = {"signer": "Stella Stranger", "auth_time": int(datetime.now(UTC).timestamp()), "amr": ["pwd", "otp"]}
        return {"jws": self.contract.sign(body, "meterhall-signature+jws", **header)}

    def sign_terms(self) -> dict[str, Any]:
        """Sign the general contract; what the Market Place countersigned."""
        terms = self.hall.ask("GET", "/v1/general-contract")
        answer = self.hall.ask(
            "POST", "/v1/general-contract/signatures", self.contract_signature("general_contract", fingerprint(terms))
        )
        return verified(answer["countersignature"], self.discovery["keys"], "meterhall-countersignature+jws")

    def enter(self, admit: Any) -> None:
        """Enrol, be admitted, sign the terms."""
        response = self.enrol()
        assert response.status_code == 202, response.text
        admit(self.number)
        self.hall.authorise(again=True)
        self.sign_terms()

    def state(
        self, kind: str, transaction: str, other: str, subject: str, commitments: dict[str, str], **counts: int
    ) -> dict[str, Any]:
        """Notify the Market Place: a signed statement for its log; the log receipt and what was stated."""
        statement = self.statement(kind, transaction, other, subject, commitments, **counts)
        body = {"statement": statement, "salt": secrets.token_hex(16)}
        return self.hall.ask("POST", "/v1/statements", body) | {"statement": statement, "salt": body["salt"]}

    def statement(
        self, kind: str, transaction: str, other: str, subject: str, commitments: dict[str, str], **counts: int
    ) -> str:
        document = {
            "v": 1,
            "id": new_id("stm"),
            "type": kind,
            "environment": "regulated",
            "by": self.number,
            "parties": [self.number, other],
            "at": now(),
            "transaction": transaction,
            "subject": subject,
            "counts": counts,
            "commitments": commitments,
        }
        return self.transport.sign(document, "meterhall-statement+jws")

    def state_delivery(self, kind: str, manifest: dict[str, Any], other: str) -> dict[str, Any]:
        """State that a delivery was sent or received, with the commitment both sides can compare."""
        made = {"manifest": commitment(manifest["commitment_salt"], fingerprint(manifest))}
        subject = f"{manifest['delivery_id']}:{manifest['version']}"
        return self.state(
            kind,
            manifest["subscription_id"],
            other,
            subject,
            made,
            readings=sum(p["readings"] for p in manifest["parts"]),
            parts=len(manifest["parts"]),
        )


class Feed:
    """The pull feed of a platform: for those who host no inbox."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.seen: list[dict[str, Any]] = []

    def pull(self) -> list[dict[str, Any]]:
        """Take what waits, and acknowledge it; everything taken so far."""
        while True:
            page = self.caller.ask("GET", "/v1/events")
            if page["events"]:
                ids = [event["id"] for event in page["events"]]
                self.caller.ask("POST", "/v1/events/acknowledgements", {"ids": ids})
                self.seen += page["events"]
            if not page["more"]:
                return self.seen

    def wait(self, kind: str, subject: str = "", **data: Any) -> dict[str, Any]:
        """The first event of this type about this subject, with this data."""

        def look() -> dict[str, Any] | None:
            for event in self.pull():
                fits = event["type"] == kind and subject in ("", event["subject"])
                if fits and data.items() <= event["data"].items():
                    return event
            return None

        return wait_for(f"{kind} {subject} {data}", look)
