"""Questions to the catalogue: which offers are visible, which of them fit a search, which providers there are."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Literal

from django.db.models import Exists, OuterRef, Q, QuerySet
from pydantic import BaseModel, ConfigDict

from meterhall.domain.protocol.base import (
    AccessNumber,
    Amount,
    Country,
    FormatName,
    GranularityName,
    ShortText,
)
from meterhall.domain.protocol.offers import Offer as OfferDocument
from meterhall.domain.protocol.offers import OfferView, ProviderView, ServiceType, Transmission
from meterhall.domain.protocol.players import Enrolment
from meterhall.marketplace.catalogue.models import OfferVersion, Trait
from meterhall.marketplace.certification.service import all_certified
from meterhall.marketplace.players.models import Player


class OfferSearch(BaseModel):
    """What an offer must have to be found, as it stands in an address; what is absent does not matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: ShortText | None = None
    country: Country | None = None
    service_type: ServiceType | None = None
    granularity: GranularityName | None = None
    format: FormatName | None = None
    kind: Literal["individual", "aggregate"] | None = None
    transmission: Transmission | None = None
    provider: AccessNumber | None = None
    max_price: Amount | None = None
    price_per: Literal["pod_month", "pod_year", "delivery", "subscription_year"] | None = None
    after: str | None = None
    limit: int = 100


def folded(text: str) -> str:
    """Text as it is searched: lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


class Catalogue:
    """The catalogue at one moment: certificates and names are asked for once."""

    @cached_property
    def players(self) -> Mapping[str, Player]:
        """Admitted providers by access number."""
        rows = Player.objects.filter(is_provider=True, status="admitted")
        return {row.access_number: row for row in rows}

    @cached_property
    def certificates(self) -> Mapping[str, datetime]:
        """Until when each admitted provider's certificate holds; those without one are not in it."""
        return {number: until for number, until in all_certified().items() if number in self.players}

    def visible(self) -> QuerySet[OfferVersion]:
        """Published versions of admitted providers whose certificate holds."""
        return OfferVersion.objects.filter(
            status="published", offer__provider__in=list(self.certificates)
        ).select_related("offer")

    def search(self, wanted: OfferSearch) -> QuerySet[OfferVersion]:
        """The visible versions that have everything wanted."""
        rows = self.visible()
        for word in folded(wanted.text or "").split():
            rows = rows.filter(words__contains=word)
        for name in ("country", "granularity", "format", "transmission"):
            if value := getattr(wanted, name):
                rows = rows.filter(Exists(Trait.objects.filter(version=OuterRef("pk"), name=name, value=value)))
        for column, value in (
            ("service_type", wanted.service_type), ("kind", wanted.kind), ("offer__provider", wanted.provider),
        ):  # fmt: skip
            if value:
                rows = rows.filter(**{column: value})
        if wanted.max_price is not None:
            fitting = Q(price__lte=Decimal(wanted.max_price))
            fitting &= Q(price_per=wanted.price_per) if wanted.price_per else Q()
            rows = rows.filter(fitting | Q(price=0))
        return rows

    def view(self, row: OfferVersion) -> OfferView:
        """A version as the catalogue shows it."""
        number = row.offer.provider
        player = self.players.get(number) or Player.objects.get(access_number=number)
        return OfferView(
            offer_id=row.offer.offer_id,
            version=row.version,
            status=row.status,
            provider=number,
            provider_name=player.organisation,
            offer=OfferDocument.model_validate(row.document),
            digest=row.digest,
            published_at=row.published_at,
            certified_until=self.certificates.get(number),
        )

    def provider_view(self, player: Player) -> ProviderView:
        """A provider with what its visible offers cover."""
        declared = Enrolment.model_validate(player.enrolment)
        rows = list(self.visible().filter(offer__provider=player.access_number).order_by("pk"))
        areas = [area for row in rows for area in OfferDocument.model_validate(row.document).coverage]
        return ProviderView(
            access_number=player.access_number,
            organisation=player.organisation,
            country=player.country,
            b2b=declared.endpoints.b2b,
            portal=declared.endpoints.portal,
            contact=declared.contact,
            coverage=tuple(dict.fromkeys(areas)),
            offers=tuple(row.offer.offer_id for row in rows),
            certified_until=self.certificates.get(player.access_number),
        )


def catalogue() -> Catalogue:
    """The catalogue now."""
    return Catalogue()
