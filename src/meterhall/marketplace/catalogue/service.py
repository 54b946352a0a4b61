"""Commands about offers: draft, new version, publish, withdraw."""

from __future__ import annotations

from django.db import transaction

from meterhall.domain.errors import Conflict, NotFound, NotPermitted
from meterhall.domain.market import OFFER_VERSION, advance, check_offer
from meterhall.domain.market.offers import REGULATED, InvalidOffer
from meterhall.domain.market.texts import refuse_pods
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.offers import Offer as OfferDocument
from meterhall.domain.protocol.offers import OfferView
from meterhall.domain.protocol.statements import StatementType
from meterhall.marketplace.agreements.standing import general_contract_signed
from meterhall.marketplace.catalogue.models import Announcement, Offer, OfferVersion, Trait
from meterhall.marketplace.catalogue.search import catalogue, folded
from meterhall.marketplace.certification.service import certified
from meterhall.marketplace.players.models import Player
from meterhall.marketplace.players.service import admitted
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import state
from meterhall.web.platform import platform


class UnknownOffer(NotFound):
    code = "unknown_offer"
    title = "There is no such offer, or it is not shown at present."


class NotAProvider(NotPermitted):
    code = "not_a_provider"
    title = "Only a player enrolled as provider has offers."


class NotCertified(Conflict):
    code = "not_certified"
    title = "An offer is published only while the provider's integration certificate holds."


class GeneralContractUnsigned(Conflict):
    code = "general_contract_unsigned"
    title = "The general contract is not signed yet; it comes before offers and service contracts."


def draft(number: str, document: OfferDocument) -> OfferView:
    """Register an offer (step 1) as the draft of its first version."""
    provider = _provider(number)
    _check(document)
    with transaction.atomic():
        offer = Offer.objects.create(offer_id=new_id("off"), provider=number, created_at=platform().now())
        return catalogue().view(_add_version(offer, 1, document, provider))


def revise(number: str, offer_id: str, document: OfferDocument) -> OfferView:
    """A new version of an offer, as a draft; an unchanged one is none. What is published stays so meanwhile."""
    provider = _provider(number)
    _check(document)
    with transaction.atomic():
        newest = _newest(number, offer_id)
        if newest.digest == document.fingerprint():
            return catalogue().view(newest)
        if newest.status == "draft":
            _retire(newest, "supersede")
        return catalogue().view(_add_version(newest.offer, newest.version + 1, document, provider))


def publish(number: str, offer_id: str) -> OfferView:
    """Publish the newest version; the one published before is superseded. Raises `NotCertified` and others."""
    _provider(number)
    if certified(number) is None:
        raise NotCertified
    if not general_contract_signed(number):
        raise GeneralContractUnsigned
    with transaction.atomic():
        newest = _newest(number, offer_id)
        newest.status = advance(OFFER_VERSION, newest.status, "publish")
        newest.published_at = platform().now()
        newest.save(update_fields=["status", "published_at"])
        for older in newest.offer.versions.filter(status="published").exclude(pk=newest.pk):
            _retire(older, "supersede")
        Announcement.objects.create(version=newest, due_at=platform().now())
        _state("offer.published", newest)
        return catalogue().view(newest)


def withdraw(number: str, offer_id: str) -> OfferView:
    """Take an offer off the catalogue, a draft included; running contracts keep running."""
    _provider(number)
    with transaction.atomic():
        newest = _newest(number, offer_id)
        live = list(newest.offer.versions.filter(status__in=("draft", "published")).order_by("version"))
        if not live:
            advance(OFFER_VERSION, newest.status, "withdraw")
        for row in live:
            if row.status == "published":
                _state("offer.withdrawn", row)
            _retire(row, "withdraw")
        return catalogue().view(live[-1])


def find(offer_id: str, reader: str, version: int | None = None) -> OfferView:
    """A version of an offer, without one the published one; its provider also sees what is not published."""
    shown = versions(offer_id, reader)
    if version is not None:
        shown = [row for row in shown if row.version == version]
    elif not (shown and shown[-1].offer.provider == reader):
        shown = [row for row in shown if row.status == "published"]
    if not shown:
        raise UnknownOffer
    return catalogue().view(shown[-1])


def versions(offer_id: str, reader: str) -> list[OfferVersion]:
    """The versions of an offer this reader may see, oldest first: those once published; its provider sees all.

    Others see nothing of a provider that is suspended or whose certificate has lapsed. Raises `UnknownOffer`.
    """
    rows = OfferVersion.objects.filter(offer__offer_id=offer_id).select_related("offer").order_by("version")
    found = list(rows)
    if not found:
        raise UnknownOffer
    if found[0].offer.provider == reader:
        return found
    if found[0].offer.provider not in catalogue().certificates:
        raise UnknownOffer
    return [row for row in found if row.published_at is not None]


def own(number: str) -> list[OfferVersion]:
    """The newest version of each offer of a provider."""
    newest: dict[int, OfferVersion] = {}
    rows = OfferVersion.objects.filter(offer__provider=number).select_related("offer").order_by("offer_id", "version")
    for row in rows:
        newest[row.offer_id] = row
    return list(newest.values())


def _provider(number: str) -> Player:
    player = admitted(number)
    if not player.is_provider:
        raise NotAProvider
    return player


def _check(document: OfferDocument) -> None:
    check_offer(document)
    if platform().config.environment == "regulated" and document.service_type not in REGULATED:
        raise InvalidOffer("The regulated environment has metering data and forecasts.", field="/service_type")
    refuse_pods(document.title, field="/title")
    refuse_pods(document.summary, field="/summary")
    for at, option in enumerate(document.options):
        refuse_pods(option.title, field=f"/options/{at}/title")
    for at, area in enumerate(document.coverage):
        refuse_pods(area.name or "", field=f"/coverage/{at}/name")


def _newest(number: str, offer_id: str) -> OfferVersion:
    offer = Offer.objects.select_for_update().filter(offer_id=offer_id, provider=number).first()
    if offer is None:
        raise UnknownOffer
    return offer.versions.select_related("offer").latest("version")


def _add_version(offer: Offer, version: int, document: OfferDocument, provider: Player) -> OfferVersion:
    row = OfferVersion.objects.create(
        offer=offer,
        version=version,
        document=document.document(),
        digest=document.fingerprint(),
        words=folded(f"{document.title}\n{document.summary}\n{provider.organisation}"),
        service_type=document.service_type,
        kind=document.scope.kind,
        price=document.price.value(),
        price_per=document.price.per,
        created_at=platform().now(),
    )
    traits = {
        "country": document.countries,
        "granularity": document.scope.granularities,
        "format": document.formats,
        "transmission": document.transmission,
    }
    Trait.objects.bulk_create(
        Trait(version=row, name=name, value=value) for name, values in traits.items() for value in dict.fromkeys(values)
    )
    return row


def _retire(row: OfferVersion, command: str) -> None:
    row.status = advance(OFFER_VERSION, row.status, command)
    row.withdrawn_at = platform().now()
    row.save(update_fields=["status", "withdrawn_at"])


def _state(kind: StatementType, row: OfferVersion) -> None:
    state(
        kind,
        transaction_id=row.offer.offer_id,
        subject=f"{row.offer.offer_id}:{row.version}",
        parties=(row.offer.provider, my_access_number()),
        commitments={"offer": row.digest},
    )
