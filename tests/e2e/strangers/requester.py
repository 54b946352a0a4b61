"""A stranger that requests data: without an inbox, from the feeds alone."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import rfc8785

from meterhall.demo.cards import CardAuthority
from tests.e2e.strangers.calls import Caller
from tests.e2e.strangers.jose import fingerprint, sha256, verified
from tests.e2e.strangers.player import Feed, Player, now
from tests.e2e.town import FIRST, UNTIL, Streets, gln, holder, pod, wait_for

PURPOSE = "Advice on when to run the heat pump, no. 88417"
REDIRECT = "https://stranger.invalid/consents/back"
PERIOD = {"from": str(FIRST), "until": str(UNTIL)}


def scope(*granularities: str, **how: Any) -> dict[str, Any]:
    return {"granularities": list(granularities or ("PT15M", "PT1H", "P1D")), "period": PERIOD} | how


class Requester(Player):
    """A stranger's requester; `grid` is how it calls the grid operator, once there is a contract."""

    grid: Caller
    news: Feed
    provider_news: Feed

    def __init__(self, streets: Streets, name: str, legal_id: int) -> None:
        super().__init__(streets["marketplace"].b2b, streets.http, name, gln(legal_id), "requester", "esco")
        self.streets = streets
        self.provider = streets.numbers["grid"]
        self.endpoints = {"b2b": "https://stranger.invalid", "redirect_uris": [REDIRECT]}

    def enter(self, admit: Any) -> None:
        super().enter(admit)
        self.news = Feed(self.hall)

    def subscribe(self, offer: dict[str, Any], **how: Any) -> dict[str, Any]:
        """A contract under an offer, signed by us."""
        body = {"offer_id": offer["offer_id"], "offer_version": offer["version"], "options": ["corrections"]}
        drafted = self.hall.ask("POST", "/v1/subscriptions", body)
        assert drafted["digest"] == fingerprint(drafted["contract"])
        name = drafted["subscription_id"]
        signature = self.contract_signature(name, drafted["digest"])
        return self.hall.ask("POST", f"/v1/subscriptions/{name}/signatures", signature, **how)

    def contract_with_grid(self, **how: Any) -> str:
        """A contract with the grid operator, in force on both sides; the subscription's id."""
        name = str(self.subscribe(dict(self.streets.offer), **how)["subscription_id"])
        self.news.wait("subscription.active", name)
        office = self.streets.office("grid")
        wait_for(
            "the grid operator's door",
            lambda: any(
                one["subscription_id"] == name and one["state"] == "active" for one in office.all("/contracts")
            ),
        )
        self.grid = Caller(self.streets["grid"].b2b, self.number, self.transport, self.http, self.vouched)
        self.provider_news = Feed(self.grid)
        return name

    def vouched(self) -> str:
        """The Market Place's word for us to the grid operator."""
        answer: str = self.hall.ask("POST", "/v1/attestations", {"audience": self.provider})["attestation"]
        return answer

    def card(self, authority: CardAuthority, number: int, **other: Any) -> str:
        """A household's consent to us, signed with its holder's card."""
        document = {
            "pod": pod(number),
            "requester": self.number,
            "holder_reference": holder(number),
            "scope": scope(),
            "purpose": PURPOSE,
            "given_at": now(),
            "access_until": (datetime.now(UTC) + timedelta(days=90)).isoformat(),
        } | other
        statement = SimpleNamespace(
            holder_reference=document["holder_reference"], canonical=lambda: rfc8785.dumps(document)
        )
        return authority.signed(statement)  # type: ignore[arg-type]

    def evidence(self, number: int, **other: Any) -> dict[str, Any]:
        """Bring a household's signed consent; the item of an activation that quotes it."""
        jws = self.card(self.streets.cards, number, **other)
        taken = self.grid.ask("POST", "/v1/evidence", {"assurance": "customer_signed", "jws": jws})
        assert taken["digest"] == sha256(jws.encode())
        return {"pod": pod(number), "proof": f"evidence:{taken['digest']}"}

    def activate(self, subscription: str, items: list[dict[str, Any]], **how: Any) -> str:
        """Send the list of PODs; the activation's id."""
        body = {"subscription_id": subscription, "scope": scope(), "items": items} | how
        taken = self.grid.ask("POST", "/v1/activations", body)
        assert taken["accepted_items"] == len(items)
        self.acknowledged(taken, "activation.acknowledged")
        return str(taken["activation_id"])

    def answers(self, activation: str) -> list[dict[str, Any]]:
        """The answer for each POD, once there is one for all that do not wait for a customer."""
        self.provider_news.wait("activation.answered", activation)
        return self.grid.all(f"/v1/activations/{activation}/answers", limit=25)

    def acknowledged(self, answer: dict[str, Any], kind: str) -> dict[str, Any]:
        """The callee's signed statement in an answer."""
        said = verified(answer["acknowledgement"]["statement"], self.grid_keys, "meterhall-statement+jws")
        assert (said["type"], said["by"]) == (kind, self.provider)
        return dict(said)

    @property
    def grid_keys(self) -> list[dict[str, str]]:
        return list(self.hall.ask("GET", f"/v1/players/{self.provider}")["keys"]["transport"])

    def request(self, activation: str, form: str, granularity: str = "PT15M", **how: Any) -> str:
        """Ask for data; the delivery's id."""
        body = {"activation_id": activation, "period": PERIOD, "granularity": granularity, "format": form} | how
        taken = self.grid.ask("POST", "/v1/data-requests", body)
        self.acknowledged(taken, "data.acknowledged")
        return str(taken["delivery_id"])

    def manifest(self, delivery: str, version: int = 1) -> dict[str, Any]:
        """The manifest of a version, once it is announced; its signature checked."""
        self.provider_news.wait("delivery.ready", delivery, version=version)
        shown = self.grid.ask("GET", f"/v1/deliveries/{delivery}")
        assert verified(shown["jws"], self.grid_keys, "meterhall-manifest+jws") == shown["manifest"]
        assert shown["manifest"]["version"] >= version
        return dict(shown["manifest"])

    def part(self, delivery: str, part: dict[str, Any]) -> bytes:
        """A whole part, its size and digest checked."""
        response = self.grid.send("GET", f"/v1/deliveries/{delivery}/parts/{part['number']}")
        assert response.status_code == 200, response.text[:300]
        assert (len(response.content), sha256(response.content)) == (part["size_bytes"], part["digest"])
        return response.content

    def receipt(self, of: dict[str, Any], **other: Any) -> dict[str, str]:
        """Our signed word of what arrived."""
        document = {
            "delivery_id": of["delivery_id"],
            "version": of["version"],
            "manifest": fingerprint(of),
            "received_at": now(),
            "outcome": "received",
            "readings": sum(part["readings"] for part in of["parts"]),
        } | other
        return {"jws": self.transport.sign(document, "meterhall-receipt+jws")}

    def push_request(
        self, subscription: str, verifier: str, state: str, needs: Iterable[str] = ("advice",)
    ) -> httpx.Response:
        """Push a consent request (RFC 9126) with one RFC 9396 detail a need."""
        details = [
            {
                "type": "metering_data",
                "need": need,
                "subscription_id": subscription,
                "scope": scope(),
                "purpose": PURPOSE,
                "access_until": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
            }
            for need in needs
        ]
        challenge = base64.urlsafe_b64encode(bytes.fromhex(sha256(verifier.encode())[8:])).decode().rstrip("=")
        form = {
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "authorization_details": rfc8785.dumps(details).decode(),
        }
        return self.grid.oauth("/oauth/par", form)

    def redeem(self, code: str, verifier: str) -> httpx.Response:
        """Exchange the code a customer brought."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": verifier}
        return self.grid.oauth("/oauth/token", form)


def verifier() -> str:
    """A PKCE code verifier."""
    return secrets.token_urlsafe(40)
