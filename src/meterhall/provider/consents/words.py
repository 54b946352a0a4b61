"""What a consent is about in plain words, as a customer reads them."""

from __future__ import annotations

from datetime import timedelta

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from meterhall.domain.protocol.offers import DataScope
from meterhall.web.portal.days import day_words
from meterhall.web.portal.values import Badge, state_badge

DIRECTION: dict[str, str | Promise] = {
    "import": gettext_lazy("electricity you take from the grid"),
    "export": gettext_lazy("electricity you feed into the grid"),
}
GRANULARITY: dict[str, str | Promise] = {
    "PT5M": gettext_lazy("every five minutes"),
    "PT10M": gettext_lazy("every ten minutes"),
    "PT15M": gettext_lazy("every quarter of an hour"),
    "PT30M": gettext_lazy("every half hour"),
    "PT1H": gettext_lazy("every hour"),
    "P1D": gettext_lazy("every day"),
    "P7D": gettext_lazy("every week"),
    "P1M": gettext_lazy("every month"),
}
STATE: dict[str, str | Promise] = {
    "granted": gettext_lazy("active"),
    "partly_revoked": gettext_lazy("active for some meters"),
    "revoked": gettext_lazy("withdrawn by you"),
    "terminated": gettext_lazy("ended by the company"),
    "expired": gettext_lazy("run out"),
}
ASSURANCE: dict[str, str | Promise] = {
    "customer_confirmed": gettext_lazy("by you, on this page"),
    "customer_signed": gettext_lazy("by your signature, shown by the company"),
    "requester_stated": gettext_lazy("the company says that you agreed"),
}


def what(scope: DataScope) -> list[str]:
    """Which data, one sentence a line."""
    directions = _(" and ").join(str(DIRECTION[one]) for one in scope.directions)
    finest = GRANULARITY[scope.granularities[0]]
    lines = [str(format_lazy("{}: {}", finest, directions))]
    if scope.kind == "aggregate":
        lines.append(_("Only as part of a sum over several households, never your own values"))
    if scope.timing == "near_real_time":
        lines.append(_("As soon as they are measured"))
    if scope.timing == "forecast":
        lines.append(_("As a forecast of the next day, made from your values of the twelve weeks before"))
        return lines if scope.period is None else [*lines, days(scope)]
    return [*lines, days(scope)]


def days(scope: DataScope) -> str:
    """From which days."""
    if scope.period is None:
        return _("From all the time you have held the meter, and from now on")
    first, last = day_words(scope.period.first), day_words(scope.period.until - timedelta(days=1))
    return _("From %(first)s to %(last)s") % {"first": first, "last": last}


def state_of(state: str) -> Badge:
    """A consent's state as a badge."""
    tones = {"granted": "granted", "partly_revoked": "granted", "revoked": "ended", "terminated": "ended"}
    return state_badge(tones.get(state, state), STATE[state])
