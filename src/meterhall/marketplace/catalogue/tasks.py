"""What follows a publication: wishes matched, subscribers of older versions told; and wishes that are over closed."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy

from meterhall.domain.protocol.events import OfferChanged
from meterhall.domain.protocol.offers import Offer
from meterhall.marketplace.agreements.models import Subscription
from meterhall.marketplace.catalogue.models import Announcement, OfferVersion
from meterhall.marketplace.catalogue.wishes import close_over, match_published
from meterhall.web.messaging.models import Outbox
from meterhall.web.messaging.service import notify
from meterhall.web.work.engine import every, works_on


@works_on(Announcement, gettext_lazy("tell of a new version of an offer"))
def announce(news: Announcement) -> None:
    """Tell who wished for it, and who has a contract under an older version (MP-8)."""
    row = OfferVersion.objects.select_related("offer").get(pk=news.version_id)
    if row.status == "published":
        match_published(row)
        tell_subscribers(row)


def tell_subscribers(row: OfferVersion) -> None:
    """Announce a new version to each requester with a running contract under an older one, once."""
    subject = f"{row.offer.offer_id}:{row.version}"
    running = Subscription.objects.filter(offer_id=row.offer.offer_id, state__in=("active", "suspended"))
    older: dict[str, int] = {}
    for requester, version in running.filter(offer_version__lt=row.version).values_list("requester", "offer_version"):
        older[requester] = max(version, older.get(requester, 0))
    for requester, version in older.items():
        with transaction.atomic():
            if Outbox.objects.filter(recipient=requester, type="offer.changed", subject=subject).exists():
                continue
            notify(requester, "offer.changed", subject, _change(row, version))


def _change(row: OfferVersion, running: int) -> OfferChanged:
    before = Offer.model_validate(row.offer.versions.get(version=running).document)
    published = row.published_at or row.created_at
    return OfferChanged(
        offer_id=row.offer.offer_id,
        version=row.version,
        effective_at=published + timedelta(days=before.notice_days),
    )


@every(3600)
def close_wishes() -> None:
    """Close the wishes whose time is over."""
    close_over()
