"""The choice of a requester in the lists of the pages: by the name it has in its contracts."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from meterhall.provider.contracts.models import Contract
from meterhall.web.portal.filters import Choice
from meterhall.web.portal.values import Text


def requester_choice(rows: QuerySet[Any]) -> Choice:
    """The choice among the requesters of `rows`; one without a contract, a certifier, by its access number."""

    def options() -> list[tuple[str, Text]]:
        names = dict(Contract.objects.values_list("requester", "requester_name"))
        numbers = rows.order_by().values_list("requester", flat=True).distinct()
        return sorted(((number, names.get(number, number)) for number in numbers), key=lambda one: one[1].casefold())

    return Choice("requester", gettext_lazy("Requester"), options)
