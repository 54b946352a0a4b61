"""Commands and questions about players: enrol, decide, change keys, vouch."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, QuerySet

from meterhall.domain.errors import Conflict, InvalidInput, NotFound, NotPermitted
from meterhall.domain.identifiers import LegalId, access_number
from meterhall.domain.market import PLAYER, advance
from meterhall.domain.market.declared import check_endpoints
from meterhall.domain.market.enrolment import check_enrolment, check_keys, check_overlap
from meterhall.domain.market.texts import refuse_pods
from meterhall.domain.protocol.events import PlayerChanged
from meterhall.domain.protocol.faults import inside
from meterhall.domain.protocol.keys import PublicKey, payload_of, verify
from meterhall.domain.protocol.players import (
    ENDPOINTS_TYP,
    ENROLMENT_TYP,
    KEYS_TYP,
    Attested,
    Discovery,
    Endpoints,
    Enrolment,
    Jwk,
    KeySet,
    LegalIdentifier,
    Membership,
    PlayerView,
)
from meterhall.domain.protocol.statements import StatementType
from meterhall.marketplace.agreements.standing import (
    general_contract_signed,
    issue_first_terms,
    partners_of,
    resume_subscriptions,
    suspend_subscriptions,
)
from meterhall.marketplace.players.attestations import (
    CERTIFIER_NUMBER,
    FIRST_PLAYER,
    MARKETPLACE_NUMBER,
    attest,
    certifier_key,
    certifier_view,
    sandbox_attestation,
)
from meterhall.marketplace.players.models import NO_MEMBER, Decision, Numbering, Player, PlayerKey
from meterhall.web.membership.service import my_endpoints, public_jwk
from meterhall.web.messaging.peers import my_access_number, remember_marketplace, remember_player, set_access_number
from meterhall.web.messaging.service import notify, state
from meterhall.web.oauth.service import admit_client, suspend_client
from meterhall.web.platform import platform

__all__ = ["admit", "certifier_key", "enrol", "initialise", "reinstate", "sandbox_attestation", "suspend"]

APPLICANT = ("membership",)
MEMBER = ("membership", "market")


class UnknownPlayer(NotFound):
    code = "unknown_player"
    title = "There is no such player."


class PlayerNotAdmitted(NotPermitted):
    code = "player_not_admitted"
    title = "Only an admitted player may do this."


class LegalIdTaken(Conflict):
    code = "legal_id_taken"
    title = "An organisation with this legal id is admitted with other keys; ask the Market Place's operator."


class KeyTaken(Conflict):
    code = "key_taken"
    title = "One of the keys is in use, or was used before, by a player or for another purpose."


class ContractKeyNeeded(NotPermitted):
    code = "contract_key_needed"
    title = "A change of the contract keys is signed by a present contract key."


class UnknownAudience(InvalidInput):
    code = "audience_unknown"
    title = "The audience of an attestation is an admitted player."


def initialise() -> None:
    """Give a new Market Place its access number, certifier and first general contract. Repeating it is harmless."""
    config = platform().config
    with transaction.atomic():
        set_access_number(MARKETPLACE_NUMBER)
        remember_marketplace(
            Discovery(
                role="marketplace",
                environment=config.environment,
                organisation=config.name,
                access_number=MARKETPLACE_NUMBER,
                keys=(public_jwk(platform().transport_key),),
                endpoints=my_endpoints(),
            )
        )
        remember_player(certifier_view(), None)
        issue_first_terms()


class EnrolmentDiffers(Conflict):
    code = "enrolment_differs"
    title = "The player is enrolled with other data, which are not changed by enrolling again."


@inside("/jws")
def enrol(jws: str) -> PlayerView:
    """Take an application (step 1), signed with the transport key it declares. The same again is the same player.

    Raises `BadSignature`, what `check_enrolment` raises, `LegalIdTaken` and `KeyTaken`.
    """
    enrolment = Enrolment.model_validate(payload_of(jws))
    legal = check_enrolment(enrolment, platform().config.environment, platform().base_url)
    verify(jws, [PublicKey(key.x) for key in enrolment.keys.transport], typ=ENROLMENT_TYP)
    for name in ("organisation", "contact", "description"):
        refuse_pods(getattr(enrolment, name), field=f"/{name}")
    with transaction.atomic():
        _hold_numbering()
        player = _enrolled(legal, enrolment.keys)
        if player is not None and (player.status, "apply") not in PLAYER:
            if player.enrolment | {"keys": None} != enrolment.document() | {"keys": None}:
                raise EnrolmentDiffers
            return view(player)
        player = _apply(player or Player(access_number=_next_number()), enrolment, legal, jws)
        _refresh(player, APPLICANT)
        _state("player.applied", player)
        return view(player)


def _enrolled(legal: LegalId, keys: KeySet) -> Player | None:
    """The player these keys belong to under this legal id; one that only applied, or was refused, blocks nobody."""
    same = Player.objects.select_for_update().filter(legal_id_kind=legal.kind, legal_id=legal.value)
    for player in same.order_by("-applied_at"):
        if _kids(_key_set(player)) == _kids(keys):
            return player
    if same.exclude(NO_MEMBER).exists():
        raise LegalIdTaken(field="/legal_id/value")
    return None


def rivals(player: Player) -> QuerySet[Player]:
    """The others that applied under a player's legal id, whatever became of them."""
    same = Player.objects.filter(legal_id_kind=player.legal_id_kind, legal_id=player.legal_id)
    return same.exclude(pk=player.pk).order_by("applied_at")


def is_taken(player: Player) -> bool:
    """Whether another player is in under its legal id."""
    return rivals(player).exclude(NO_MEMBER).exists()


def _kids(keys: KeySet) -> tuple[set[str], set[str]]:
    return {key.kid for key in keys.transport}, {key.kid for key in keys.contract}


def _hold_numbering() -> None:
    """One application at a time: of two of one organisation at the same moment the second finds the first."""
    Numbering.objects.get_or_create(name="player", defaults={"following": FIRST_PLAYER})
    Numbering.objects.select_for_update().get(name="player")


def _next_number() -> str:
    Numbering.objects.filter(name="player").update(following=F("following") + 1)
    return access_number(Numbering.objects.get(name="player").following - 1)


def _apply(player: Player, enrolment: Enrolment, legal: LegalId, jws: str) -> Player:
    is_new = player._state.adding
    player.status = "applied" if is_new else advance(PLAYER, player.status, "apply")
    player.organisation, player.country = enrolment.organisation, enrolment.country
    player.legal_id_kind, player.legal_id = legal.kind, legal.value
    player.is_provider, player.is_requester = "provider" in enrolment.roles, "requester" in enrolment.roles
    player.enrolment, player.enrolment_jws = enrolment.document(), jws
    player.applied_at, player.reason = platform().now(), ""
    player.save()
    if is_new:
        _add_keys(player, enrolment.keys)
    return player


def _add_keys(player: Player, keys: KeySet) -> None:
    held = set(player.keys.filter(retired_at=None).values_list("kid", "use"))
    for use in PlayerKey.Use:
        for key in getattr(keys, use.value):
            if (key.kid, use.value) in held:
                continue
            if PlayerKey.objects.filter(kid=key.kid).exists():
                raise KeyTaken(field=f"/keys/{use.value}")
            PlayerKey.objects.create(kid=key.kid, player=player, use=use, jwk=key.document(), added_at=platform().now())


def _key_set(player: Player) -> KeySet:
    rows = list(player.keys.filter(retired_at=None).order_by("added_at", "kid"))
    by_use = {use: tuple(Jwk.model_validate(row.jwk) for row in rows if row.use == use) for use in PlayerKey.Use}
    return KeySet(transport=by_use[PlayerKey.Use.TRANSPORT], contract=by_use[PlayerKey.Use.CONTRACT])


def view(player: Player) -> PlayerView:
    """The player as others see it."""
    declared = Enrolment.model_validate(player.enrolment)
    return PlayerView(
        access_number=player.access_number,
        organisation=player.organisation,
        country=player.country,
        legal_id=LegalIdentifier(kind=player.legal_id_kind, value=player.legal_id),
        roles=tuple(dict.fromkeys(declared.roles)),
        activity=declared.activity,
        contact=declared.contact,
        endpoints=Endpoints.model_validate(player.endpoints) if player.endpoints else declared.endpoints,
        keys=_key_set(player),
        status=player.status,
    )


def find(number: str) -> Player:
    """A player. Raises `UnknownPlayer`."""
    found = Player.objects.filter(access_number=number).first()
    if found is None:
        raise UnknownPlayer
    return found


def find_view(number: str) -> PlayerView:
    """A player, or the certifier, as others see it; applicants and refused ones are not shown."""
    if number == CERTIFIER_NUMBER:
        return certifier_view()
    player = find(number)
    if player.status not in {"admitted", "suspended"}:
        raise UnknownPlayer
    return view(player)


def admitted(number: str) -> Player:
    """A player that may transact. Raises `PlayerNotAdmitted`."""
    found = Player.objects.filter(access_number=number, status="admitted").first()
    if found is None:
        raise PlayerNotAdmitted
    return found


def membership(number: str) -> Membership:
    """A player's own standing, with an attestation to itself once admitted."""
    player = find(number)
    shown = view(player)
    return Membership(
        player=shown,
        general_contract_signed=general_contract_signed(number),
        reason=player.reason or None,
        attestation=attest(shown, number).attestation if player.status == "admitted" else None,
    )


def vouch(number: str, audience: str) -> Attested:
    """The Market Place's word for a player to another. Raises `PlayerNotAdmitted`, `UnknownAudience`."""
    player = admitted(number)
    if not Player.objects.filter(access_number=audience, status="admitted").exists():
        raise UnknownAudience(field="/audience")
    return attest(view(player), audience)


def admit(number: str, *, by: str) -> PlayerView:
    """Let an applicant in: it may transact, and is told. Raises `LegalIdTaken` where another of its legal id is in."""
    with transaction.atomic():
        _hold_numbering()
        if is_taken(find(number)):
            raise LegalIdTaken
        player = _decide(number, "admit", by, "")
        _refresh(player, MEMBER)
        _state("player.admitted", player)
        _tell("player.admitted", player, [number])
        return view(player)


def refuse(number: str, *, by: str, reason: str) -> PlayerView:
    """Turn an applicant down with the reason, which it reads at `players/me`."""
    with transaction.atomic():
        player = _decide(number, "refuse", by, reason)
        _refresh(player, APPLICANT)
        return view(player)


def suspend(number: str, *, by: str, reason: str) -> PlayerView:
    """Stop a player at once: its tokens end, its contracts rest, it and its contract partners are told."""
    with transaction.atomic():
        player = _decide(number, "suspend", by, reason)
        suspend_client(number)
        _refresh(player, APPLICANT)
        partners = partners_of(number)
        suspend_subscriptions(number)
        _state("player.suspended", player)
        _tell("player.suspended", player, [number, *partners])
        return view(player)


def reinstate(number: str, *, by: str, reason: str = "") -> PlayerView:
    """Let a suspended player back in; its contracts run on, it and its contract partners are told."""
    with transaction.atomic():
        player = _decide(number, "reinstate", by, reason)
        _refresh(player, MEMBER)
        resume_subscriptions(number, set(Player.objects.filter(status="suspended").values_list("pk", flat=True)))
        _state("player.admitted", player)
        _tell("player.admitted", player, [number, *partners_of(number)])
        return view(player)


def _decide(number: str, command: str, by: str, reason: str) -> Player:
    player = Player.objects.select_for_update().filter(access_number=number).first()
    if player is None:
        raise UnknownPlayer
    player.status = advance(PLAYER, player.status, command)
    player.reason = reason
    player.save(update_fields=["status", "reason"])
    Decision.objects.create(player=player, command=command, by=by, reason=reason, at=platform().now())
    return player


@inside("/jws")
def change_keys(number: str, jws: str) -> PlayerView:
    """Replace a player's keys by a set that overlaps with the present one; its contract partners are told.

    A transport key signs a change of transport keys; a change of contract keys is signed by a contract key, so that
    whoever got hold of a server cannot sign contracts. Raises `BadSignature`, `ContractKeyNeeded`, `NoOverlap`,
    `KeyTaken`.
    """
    with transaction.atomic():
        player = Player.objects.select_for_update().get(access_number=number)
        present = _key_set(player)
        signers = [PublicKey(key.x) for key in (*present.transport, *present.contract)]
        signed = verify(jws, signers, typ=KEYS_TYP)
        following = KeySet.model_validate(signed.document)
        check_keys(following)
        check_overlap(present, following)
        of_contract = {key.kid for key in present.contract}
        if of_contract != {key.kid for key in following.contract} and signed.header["kid"] not in of_contract:
            raise ContractKeyNeeded(field="/contract")
        if present != following:
            _replace_keys(player, following)
        return view(player)


@inside("/jws")
def change_endpoints(number: str, jws: str) -> PlayerView:
    """Replace a player's addresses, as signed with a present transport key; its contract partners are told.

    Raises `BadSignature`, `AddressInvalid`.
    """
    with transaction.atomic():
        player = Player.objects.select_for_update().get(access_number=number)
        signers = [PublicKey(key.x) for key in _key_set(player).transport]
        following = Endpoints.model_validate(verify(jws, signers, typ=ENDPOINTS_TYP).document)
        check_endpoints(following, platform().base_url, where="")
        if view(player).endpoints != following:
            player.endpoints = following.document()
            player.save(update_fields=["endpoints"])
            remember_player(view(player), None)
            _state("player.endpoints_changed", player)
            _tell("player.endpoints_changed", player, partners_of(number))
        return view(player)


def _replace_keys(player: Player, following: KeySet) -> None:
    kept = {key.kid for key in (*following.transport, *following.contract)}
    player.keys.filter(retired_at=None).exclude(kid__in=kept).update(retired_at=platform().now())
    _add_keys(player, following)
    _refresh(player, MEMBER if player.status == "admitted" else APPLICANT)
    _state("player.keys_changed", player)
    _tell("player.keys_changed", player, partners_of(player.access_number))


def _refresh(player: Player, scopes: tuple[str, ...]) -> None:
    """Bring the peer and the OAuth client in line with the player."""
    shown = view(player)
    remember_player(shown, None)
    admit_client(
        client_id=player.access_number,
        name=player.organisation,
        keys=[key.document() for key in shown.keys.transport],
        redirect_uris=[],
        scopes=list(scopes),
        valid_until=None,
        source="enrolment",
    )


def _state(kind: StatementType, player: Player) -> None:
    number = player.access_number
    state(kind, transaction_id=number, subject=number, parties=(number, my_access_number()))


def _tell(kind: str, player: Player, recipients: list[str]) -> None:
    news = PlayerChanged(player=view(player), reason=player.reason)
    for recipient in recipients:
        notify(recipient, kind, player.access_number, news)
