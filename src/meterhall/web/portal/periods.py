"""The period a page shows, from its address: whole civil days, `?from=2026-03-01&to=2026-03-08` (exclusive)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Self
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils.translation import gettext as _

from meterhall.domain.protocol.base import Period as CivilDays
from meterhall.domain.readings.civil import in_time, midnight
from meterhall.web.portal.values import Link

LONGEST = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class Period:
    """Civil days of a zone, `until` exclusive."""

    first: date
    until: date
    zone: ZoneInfo
    query: tuple[tuple[str, str], ...] = ()
    """What else is in the address, kept in the links."""

    @classmethod
    def of(cls, request: HttpRequest, zone: ZoneInfo, newest: date, days: int = 7) -> Self:
        """The period asked for; else the `days` up to and including `newest`. What can't be read is not asked for."""
        query = tuple((key, str(value)) for key, value in request.GET.items() if key not in {"from", "to", "export"})
        first, until = _day(request.GET.get("from", "")), _day(request.GET.get("to", ""))
        if first is None or until is None or not in_time(first, until) or not first < until <= first + LONGEST:
            until = newest + timedelta(days=1)
            first = until - timedelta(days=days)
        return cls(first, until, zone, query)

    @property
    def start(self) -> datetime:
        """The first instant, UTC."""
        return midnight(self.zone, self.first)

    @property
    def end(self) -> datetime:
        """The end, exclusive, UTC."""
        return midnight(self.zone, self.until)

    def civil(self) -> CivilDays:
        """The days as the calls name them."""
        return CivilDays(first=self.first, until=self.until)

    @property
    def days(self) -> int:
        return (self.until - self.first).days

    def links(self) -> tuple[Link, ...]:
        """Step back and on, and zoom around the period's end; the present length has no link."""
        lengths = ((1, _("Day")), (7, _("Week")), (31, _("Month")), (365, _("Year")))
        zoom = [
            Link(name) if self.days == days else Link(name, self._href(self.until - timedelta(days=days), self.until))
            for days, name in lengths
        ]
        step = timedelta(days=self.days)
        back = Link("← " + _("Earlier"), self._href(self.first - step, self.first))
        on = Link(_("Later") + " →", self._href(self.until, self.until + step))
        return (back, *zoom, on)

    def href(self) -> str:
        """The query string of this very period."""
        return self._href(self.first, self.until)

    def with_query(self, **extra: str) -> str:
        """The query string of this period with something added, as `export="csv"`."""
        return replace(self, query=(*self.query, *extra.items())).href()

    def _href(self, first: date, until: date) -> str:
        return "?" + urlencode([*self.query, ("from", first.isoformat()), ("to", until.isoformat())])


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
