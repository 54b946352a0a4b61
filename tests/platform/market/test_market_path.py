"""The main path: enrol, admit, sign the terms, offer, subscribe, sign, active; and its statements in the log."""

from __future__ import annotations

import pytest

from meterhall.domain.protocol.agreements import COUNTERSIGNATURE_TYP, Countersignature, SubscriptionView
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.keys import verify
from meterhall.domain.protocol.players import ATTESTATION_TYP, Attestation
from meterhall.marketplace.ledger.models import KeptStatement
from meterhall.web.platform import Platform
from tests.platform.market.conftest import Actor, send

pytestmark = pytest.mark.django_db


def test_from_enrolment_to_a_contract_in_force(marketplace: Platform, provider: Actor, requester: Actor) -> None:
    offer = provider.published()
    drafted = requester.subscribe(offer)
    assert (drafted.state, drafted.signatures) == ("drafted", {})
    assert requester.sign(drafted).state == "requester_signed"

    [asked] = provider.told("subscription.requested")
    shown = SubscriptionView.model_validate(asked["subscription"])
    assert shown.contract.fingerprint() == shown.digest == drafted.digest
    active = provider.sign(shown)
    assert active.state == "active"

    keys = [marketplace.transport_key.public]
    seal = Countersignature.model_validate(
        verify(active.signatures["marketplace"], keys, typ=COUNTERSIGNATURE_TYP).document
    )
    signed = tuple(digest(active.signatures[who].encode()) for who in ("requester", "provider"))
    assert (seal.subject, seal.digest, seal.signatures) == (drafted.subscription_id, drafted.digest, signed)

    for reader, other in ((provider, requester), (requester, provider)):
        [news] = reader.told("subscription.active")
        claims = Attestation.model_validate(verify(news["attestation"], keys, typ=ATTESTATION_TYP).document)
        assert (claims.aud, claims.sub, claims.kind) == (reader.number, other.number, "subscription")
        assert (claims.subscription_id, claims.contract_digest) == (drafted.subscription_id, drafted.digest)
        assert claims.player.keys.transport[0].x == other.transport.public.x

    kept = KeptStatement.objects.filter(transaction_id=drafted.subscription_id).order_by("entry_id")
    assert list(kept.values_list("type", flat=True)) == [
        "subscription.requested", "contract.signed", "contract.signed", "contract.countersigned",
    ]  # fmt: skip
    assert {frozenset((row.first_party, row.second_party)) for row in kept} == {
        frozenset((requester.number, provider.number))
    }


def test_the_readable_contract_says_what_is_signed(provider: Actor, requester: Actor) -> None:
    drafted = requester.subscribe(provider.published())
    text = send(requester, "GET", f"/v1/subscriptions/{drafted.subscription_id}/document")
    for part in ("Rete Demo", "Sun Coop", drafted.digest, drafted.contract.general_contract, "Letture orarie di città"):
        assert part in text
    assert "Data protection" in text
