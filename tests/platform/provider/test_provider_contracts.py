"""Contracts: taken in as signed, signed by a fresh signer or within a standing acceptance, ended for good."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from meterhall.domain.protocol.agreements import (
    SIGNATURE_TYP,
    SIGNED_BY,
    ContractSignature,
    ServiceContract,
    SubscriptionView,
)
from meterhall.domain.protocol.base import Signed
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.events import (
    Event,
    PlayerChanged,
    SubscriptionActive,
    SubscriptionEnded,
    SubscriptionRequested,
)
from meterhall.domain.protocol.keys import BadSignature, SigningKey, header_of, sign, verify
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.protocol.players import ATTESTATION_LIFE_S, ATTESTATION_TYP
from meterhall.provider.contracts import signing
from meterhall.provider.contracts.models import Contract, SandboxAccess, StandingAcceptanceHeld
from meterhall.provider.contracts.readiness import in_force
from meterhall.provider.contracts.service import (
    NoContract,
    accept_active,
    contract_in_force,
    end_contract,
    refresh_from_attestation,
    take_request,
)
from meterhall.provider.contracts.signing import (
    NotToSign,
    UnknownContract,
    accept_standing,
    sign_by_signer,
    sign_under_acceptance,
)
from meterhall.provider.contracts.tasks import expire
from meterhall.web.check import ToDo
from meterhall.web.membership.service import BadAttestation, Signer, SignerNotFresh
from meterhall.web.messaging.handlers import Overtaken, handle, may_come_from
from meterhall.web.messaging.models import Outbox, Peer
from meterhall.web.oauth.models import Client
from meterhall.web.oauth.service import ClientSuspended
from meterhall.web.platform import platform
from meterhall.web.work.engine import NotYet, discover
from tests.platform.provider.conftest import MARKET, ME, OTHER, REQUESTER, World, contract_document
from tests.platform.provider.people import signed_in

MARKET_URL = "https://peer.example"


def player(world: World, number: str = REQUESTER) -> dict[str, object]:
    key = world.keys[number].public.jwk()
    return {
        "access_number": number, "organisation": "Sun Coop", "country": "IT", "roles": ["requester"],
        "legal_id": {"kind": "GLN", "value": "9520000000004"}, "activity": "esco", "contact": "x",
        "endpoints": {"b2b": "https://peer.example", "redirect_uris": ["https://sun.example/back"]},
        "keys": {"transport": [key], "contract": [key]}, "status": "admitted",
    }  # fmt: skip


def attestation(world: World, view: SubscriptionView | None = None, **changes: object) -> str:
    """The Market Place's word for the requester to us."""
    now = int(world.clock().timestamp())
    claims: dict[str, object] = {
        "iss": MARKET_URL, "sub": REQUESTER, "aud": ME, "iat": now, "exp": now + 86_400, "jti": "j",
        "kind": "subscription" if view else "player", "environment": "regulated", "player": player(world),
    }  # fmt: skip
    if view is not None:
        claims |= {"subscription_id": view.subscription_id, "contract_digest": view.digest}
    return sign(claims | changes, world.keys[MARKET], typ=ATTESTATION_TYP)


def view_of(world: World, state: str = "requester_signed", provider_key: SigningKey | None = None) -> SubscriptionView:
    """A contract signed by the requester, and by us where a key is given."""
    scope = DataScope(granularities=("PT1H",))
    plain = SubscriptionView.model_validate(contract_document(new_id("sub"), REQUESTER, world.clock(), scope, {}))
    signatures = {"requester": signature(plain.contract, world.keys[REQUESTER], REQUESTER, world)}
    if provider_key is not None:
        signatures["provider"] = signature(plain.contract, provider_key, ME, world)
    return plain.model_copy(update={"state": state, "signatures": signatures})


def signature(contract: ServiceContract, key: SigningKey, party: str, world: World) -> str:
    body = ContractSignature(
        subject=contract.subscription_id, digest=contract.fingerprint(), party=party, signed_at=world.clock()
    )
    return sign(body.document(), key, typ=SIGNATURE_TYP)


def activate(world: World, view: SubscriptionView | None = None) -> SubscriptionView:
    found = view or view_of(world, "active", platform().contract_key)
    accept_active(SubscriptionActive(subscription=found, attestation=attestation(world, found)))
    return found


@pytest.fixture
def posted(world: World, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Signed]]:
    """What is posted to the Market Place."""
    calls: list[tuple[str, Signed]] = []

    def call(method: str, path: str, body: Signed, returns: object, *, key: str) -> None:
        calls.append((path, body))

    monkeypatch.setattr(signing, "marketplace_client", lambda: SimpleNamespace(call=call))
    return calls


def fresh(world: World, ago_s: int = 10) -> Signer:
    return Signer("Ada", world.clock() - timedelta(seconds=ago_s), ("pwd", "otp", "mfa"))


def test_a_contract_in_force_opens_the_door_and_is_acknowledged(world: World) -> None:
    view = activate(world)
    client = Client.objects.get(pk=REQUESTER)
    assert (client.scopes, client.suspended_at) == (["data"], None)
    assert contract_in_force(view.subscription_id, REQUESTER) == view.contract
    activate(world, view)
    assert Outbox.objects.filter(type="contract.acknowledged").count() == 1
    with pytest.raises(NoContract):
        contract_in_force(view.subscription_id, OTHER)


def test_only_what_we_signed_comes_into_force(world: World) -> None:
    for view in (view_of(world, "active"), view_of(world, "active", SigningKey.generate())):
        with pytest.raises(BadSignature):
            activate(world, view)
    assert not Contract.objects.exists()


def test_an_attestation_for_another_contract_audience_or_time_is_refused(world: World) -> None:
    view = view_of(world, "active", platform().contract_key)
    other = view_of(world, "active", platform().contract_key)
    for word in (
        attestation(world, other),
        attestation(world),
        attestation(world, view, aud=OTHER),
        attestation(world, view, exp=int(world.clock().timestamp()) - 1),
        attestation(world, view, environment="unregulated"),
    ):
        with pytest.raises(BadAttestation):
            accept_active(SubscriptionActive(subscription=view, attestation=word))
    forged = sign({"iss": MARKET_URL}, world.keys[REQUESTER], typ=ATTESTATION_TYP)
    with pytest.raises(BadSignature):
        accept_active(SubscriptionActive(subscription=view, attestation=forged))


def test_a_request_is_kept_only_as_its_requester_signed_it(world: World) -> None:
    view = view_of(world)
    swapped = view.model_copy(update={"contract": view_of(world).contract})
    with pytest.raises(BadAttestation):
        take_request(SubscriptionRequested(subscription=swapped, attestation=attestation(world)))
    unsigned = view.model_copy(update={"signatures": {}})
    with pytest.raises(BadSignature):
        take_request(SubscriptionRequested(subscription=unsigned, attestation=attestation(world)))
    take_request(SubscriptionRequested(subscription=view, attestation=attestation(world)))
    take_request(SubscriptionRequested(subscription=view, attestation=attestation(world)))
    assert Contract.objects.get().state == "requester_signed"


def waiting(world: World) -> SubscriptionView:
    view = view_of(world)
    take_request(SubscriptionRequested(subscription=view, attestation=attestation(world)))
    return view


def test_a_fresh_signer_signs_the_digest_once(world: World, posted: list[tuple[str, Signed]]) -> None:
    view = waiting(world)
    with pytest.raises(SignerNotFresh):
        sign_by_signer(view.subscription_id, fresh(world, 400))
    sign_by_signer(view.subscription_id, fresh(world))
    [(path, body)] = posted
    assert path == f"/v1/subscriptions/{view.subscription_id}/signatures"
    assert (
        verify(body.jws, [platform().contract_key.public], typ=SIGNATURE_TYP, members=SIGNED_BY).document["digest"]
        == view.digest
    )
    assert header_of(body.jws)["signer"] == "Ada"
    with pytest.raises(NotToSign):
        sign_by_signer(view.subscription_id, fresh(world))
    with pytest.raises(UnknownContract):
        sign_by_signer("sub_" + 24 * "0", fresh(world))


def accept(world: World, view: SubscriptionView, most: int = 1) -> StandingAcceptanceHeld:
    name = f"{view.contract.offer_id}:{view.contract.offer_version}"
    return accept_standing((name,), most, world.clock() + timedelta(days=10), fresh(world))


def test_a_standing_acceptance_signs_within_its_limits_and_no_further(
    world: World, posted: list[tuple[str, Signed]]
) -> None:
    view = waiting(world)
    with pytest.raises(SignerNotFresh):
        accept_standing(("off_" + 24 * "0" + ":1",), 1, world.clock(), fresh(world, 400))
    with pytest.raises(signing.NotCovered):
        sign_under_acceptance(view.subscription_id)
    held = accept(world, view)
    sign_under_acceptance(view.subscription_id)
    assert header_of(posted[-1][1].jws)["acceptance"] == held.digest
    assert verify(posted[-1][1].jws, [platform().transport_key.public], typ=SIGNATURE_TYP, members=SIGNED_BY)
    offer = {"offer_id": view.contract.offer_id}
    second = waiting(world)
    assert signing.acceptance_for(second.contract) is None, "another offer"
    assert signing.acceptance_for(second.contract.model_copy(update=offer)) is None, "one contract at most"
    end_contract(view.subscription_id, "quit")
    assert signing.acceptance_for(second.contract.model_copy(update=offer)) is not None
    world.clock.now += timedelta(days=11)
    assert signing.acceptance_for(second.contract.model_copy(update=offer)) is None, "its time is over"


def test_an_acceptance_whose_key_was_replaced_is_to_be_signed_anew(
    world: World, posted: list[tuple[str, Signed]]
) -> None:
    assert in_force() == "none: every contract waits for a signer"
    view = waiting(world)
    accept(world, view)
    assert in_force() == "for 1 offers"
    before = platform().transport_key
    platform().home.store_key("transport", SigningKey.generate())
    assert platform().transport_key.kid != before.kid
    with pytest.raises(ToDo, match=f"the transport key was replaced, and contracts under {view.contract.offer_id}:1"):
        in_force()
    accept(world, view)
    assert in_force() == "for 1 offers"


def test_quitting_ends_for_good_and_shuts_the_door(world: World) -> None:
    view = activate(world)
    event = Event(
        id=new_id("evt"), source=f"urn:meterhall:{MARKET}", type="subscription.quit", time=world.clock(),
        data=SubscriptionEnded(
            subscription_id=view.subscription_id, at=world.clock(), statement_id=new_id("stm")
        ).document(),
    )  # fmt: skip
    handle(event)
    assert Contract.objects.get().state == "quit"
    assert Client.objects.get(pk=REQUESTER).suspended_at is not None
    [said] = Outbox.objects.filter(type="subscription.quit.acknowledged")
    assert event.data["statement_id"] in str(decoded(said.body)), "it names the statement it acknowledges"
    activate(world, view)
    assert Contract.objects.get().state == "quit", "an old attestation does not reopen it"
    with pytest.raises(NoContract):
        contract_in_force(view.subscription_id, REQUESTER)
    handle(event)
    assert Outbox.objects.filter(type="subscription.quit.acknowledged").count() == 1


def decoded(body: str) -> object:
    import base64
    import json

    jws = json.loads(body)["statement"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(jws + "=" * (-len(jws) % 4)))


def test_a_contract_that_ran_out_is_ended_without_a_quit(world: World) -> None:
    activate(world)
    world.clock.now += timedelta(days=366)
    expire()
    assert Contract.objects.get().state == "expired"
    assert not Outbox.objects.filter(type="subscription.quit.acknowledged").exists()


def test_events_only_the_market_place_can_know_are_not_taken_from_others(world: World) -> None:
    view = activate(world)
    data = SubscriptionEnded(subscription_id=view.subscription_id, at=world.clock(), statement_id=new_id("stm"))
    handle(
        Event(
            id=new_id("evt"), source=f"urn:meterhall:{OTHER}", type="subscription.quit", time=world.clock(),
            data=data.document(),
        )
    )  # fmt: skip
    assert Contract.objects.get().state == "active"
    assert not may_come_from("player.keys_changed", OTHER)
    assert may_come_from("player.keys_changed", MARKET)
    assert may_come_from("consent.revoked", OTHER)


def test_a_fresh_attestation_refreshes_a_partner_and_lets_no_stranger_in(world: World) -> None:
    with pytest.raises(NoContract):
        refresh_from_attestation(REQUESTER, attestation(world))
    activate(world)
    with pytest.raises(BadAttestation):
        refresh_from_attestation(OTHER, attestation(world))
    refresh_from_attestation(REQUESTER, attestation(world))
    assert Client.objects.get(pk=REQUESTER).scopes == ["data"]


def changed(world: World, kind: str, **player_changes: object) -> None:
    """The Market Place tells of a player."""
    data = PlayerChanged.model_validate({"player": player(world) | player_changes})
    discover()
    handle(
        Event(id=new_id("evt"), source=f"urn:meterhall:{MARKET}", type=kind, time=world.clock(), data=data.document())  # type: ignore[arg-type]
    )


def test_an_attestation_from_before_brings_back_neither_replaced_keys_nor_a_lost_standing(world: World) -> None:
    activate(world)
    old = attestation(world)
    world.clock.now += timedelta(minutes=1)
    fresh = SigningKey.generate().public.jwk()
    changed(world, "player.keys_changed", keys={"transport": [fresh], "contract": [fresh]})
    refresh_from_attestation(REQUESTER, old)
    assert [key["kid"] for key in Peer.objects.get(pk=REQUESTER).transport_keys] == [fresh["kid"]]
    assert [key["kid"] for key in Client.objects.get(pk=REQUESTER).keys] == [fresh["kid"]]
    changed(world, "player.suspended", status="suspended")
    with pytest.raises(ClientSuspended):
        refresh_from_attestation(REQUESTER, old)
    assert Peer.objects.get(pk=REQUESTER).status == "suspended"


def test_a_partner_that_moved_is_called_and_its_customers_sent_back_there(world: World) -> None:
    activate(world)
    world.clock.now += timedelta(minutes=1)
    there = {"b2b": "https://moved.example", "redirect_uris": ["https://moved.example/back"]}
    changed(world, "player.endpoints_changed", endpoints=there)
    assert Peer.objects.get(pk=REQUESTER).b2b_url == "https://moved.example"
    assert Client.objects.get(pk=REQUESTER).redirect_uris == ["https://moved.example/back"]


def test_events_about_a_player_may_come_in_any_order(world: World) -> None:
    activate(world)
    suspended_at, world.clock.now = world.clock.now, world.clock.now + timedelta(hours=1)
    changed(world, "player.admitted")
    refresh_from_attestation(REQUESTER, attestation(world, exp=int(world.clock().timestamp()) + ATTESTATION_LIFE_S))
    now, world.clock.now = world.clock.now, suspended_at
    changed(world, "player.suspended", status="suspended")
    world.clock.now = now
    assert Peer.objects.get(pk=REQUESTER).status == "admitted"
    assert Client.objects.get(pk=REQUESTER).suspended_at is None


def test_a_certifier_comes_in_for_the_sandbox_only(world: World) -> None:
    word = attestation(world, None, kind="sandbox", sandbox={"certification_id": "crt_" + 24 * "0"})
    refresh_from_attestation(REQUESTER, word)
    assert Client.objects.get(pk=REQUESTER).scopes == ["sandbox"]
    assert SandboxAccess.objects.get().access_number == REQUESTER


def test_the_signers_pages(world: World, posted: list[tuple[str, Signed]]) -> None:
    view = waiting(world)
    signer, staff = signed_in("signer"), signed_in("staff")
    assert signer.get("/").headers["Location"] == "/contracts"
    assert "To sign" in signer.get("/contracts").content.decode()
    page = signer.get(f"/contracts/{view.subscription_id}").content.decode()
    assert view.digest in page
    assert "Sign this contract" in page
    assert "Sign this contract" not in staff.get(f"/contracts/{view.subscription_id}").content.decode()
    assert staff.post(f"/contracts/{view.subscription_id}/signature").status_code == 403
    world.clock.now += timedelta(minutes=6)
    late = signer.post(f"/contracts/{view.subscription_id}/signature")
    assert (late.status_code, posted) == (302, []), "sent to show the second factor once more"
    world.clock.now -= timedelta(minutes=6)
    assert signer.post(f"/contracts/{view.subscription_id}/signature").status_code == 302
    assert len(posted) == 1


def test_the_standing_acceptance_page(world: World, posted: list[tuple[str, Signed]]) -> None:
    from meterhall.provider.offers.models import OwnOffer

    offer = new_id("off")
    OwnOffer.objects.create(
        offer_id=offer, version=2, status="published", title="Curves", document={}, updated_at=world.clock()
    )
    signer = signed_in("signer")
    assert f"{offer}:2" in signer.get("/standing-acceptances").content.decode()
    wrong = signer.post("/standing-acceptances", {"offers": "off_x:1", "most": "0", "until": "x"})
    assert wrong.content.decode().count("field-error") == 3
    answer = signer.post("/standing-acceptances", {"offers": f"{offer}:2", "most": "3", "until": "2026-06-30"})
    assert answer.status_code == 302
    assert StandingAcceptanceHeld.objects.get().document["most_subscriptions"] == 3


def test_a_quit_that_overtook_its_contract_waits_and_ends_it(world: World) -> None:
    view = view_of(world, "active", platform().contract_key)
    body = SubscriptionEnded(subscription_id=view.subscription_id, at=world.clock(), statement_id=new_id("stm"))
    quit_ = Event(
        id=new_id("evt"), source=f"urn:meterhall:{MARKET}", type="subscription.quit", time=world.clock(),
        data=body.document(),
    )  # fmt: skip
    with pytest.raises(NotYet):
        handle(quit_)
    accept_active(SubscriptionActive(subscription=view, attestation=attestation(world, view)))
    handle(quit_)
    assert Contract.objects.get().state == "quit"
    world.clock.now += timedelta(days=2)
    lost = quit_.model_copy(update={"data": body.document() | {"subscription_id": new_id("sub")}})
    with pytest.raises(Overtaken):
        handle(lost)
