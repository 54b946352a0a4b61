"""Template tags of the portal kit."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

from django import template
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from meterhall.web.portal.days import day_words
from meterhall.web.portal.spoken import spoken
from meterhall.web.portal.values import Badge, CopyId, Link, Quantity, state_badge

register = template.Library()
PERIOD = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?")
ICONS = {"neutral": "○", "info": "●", "success": "✓", "warning": "▲", "danger": "✕"}


@register.simple_tag
def show(value: object) -> str | SafeString:
    """Any value of the kit as HTML; text is escaped."""
    if value is None or value == "":
        return format_html('<span class="quiet">{}</span>', _("not known"))
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime | date):
        return when(value)
    if isinstance(value, int | float | Quantity):
        return quantity(value)
    if isinstance(value, Badge):
        return badge(value)
    if isinstance(value, Link):
        return format_html('<a href="{}">{}</a>', value.href, value.text) if value.href else str(value.text)
    if isinstance(value, CopyId):
        return render_to_string("portal/components/copy_id.html", {"value": value.value, "href": value.href})
    if isinstance(value, list | tuple):
        return format_html_join(", ", "{}", ((show(part),) for part in value)) if value else show(None)
    return str(value)


@register.simple_tag
def badge(value: Badge | str) -> SafeString:
    """A status badge: icon, word, colour."""
    shown = value if isinstance(value, Badge) else state_badge(value)
    return format_html(
        '<span class="badge badge-{}"><span class="badge-icon" aria-hidden="true">{}</span> {}</span>',
        shown.tone, ICONS[shown.tone], shown.text,
    )  # fmt: skip


@register.filter
def when(value: datetime | date | None) -> str | SafeString:
    """An instant in the portal's zone, or a day, in the reader's manner; the machine's form goes along."""
    if value is None:
        return show(None)
    if not isinstance(value, datetime):
        return format_html('<time datetime="{}">{}</time>', value.isoformat(), day_words(value))
    local = timezone.localtime(value)
    text = f"{day_words(local, 'SHORT_DATE_FORMAT')} {local:%H:%M}"
    return format_html('<time datetime="{}" title="{}">{}</time>', local.isoformat(), f"{local:%H:%M:%S %Z}", text)


def day_range(first: date, until: date) -> str:
    """The first and the last civil day of a period, or its one day; `until` itself is not in it."""
    last = until - timedelta(days=1)
    return day_words(first) if first == last else f"{day_words(first)} – {day_words(last)}"


@register.filter
def quantity(value: float | Quantity) -> str | SafeString:
    """A number in the reader's manner with its unit beside it."""
    shown = value if isinstance(value, Quantity) else Quantity(value)
    number = shown.number
    rounded: float | Decimal
    if isinstance(number, Decimal):
        digits, rounded = max(0, -int(number.normalize().as_tuple().exponent)), number
    else:
        digits = 0 if isinstance(number, int) or number == int(number) else 3 if abs(number) < 10 else 1
        rounded = round(number, digits)
    text = number_format(rounded, decimal_pos=digits, use_l10n=True, force_grouping=True)
    return format_html("{}\u202f{}", text, shown.unit) if shown.unit else text


@register.filter
def duration(seconds: int) -> str:
    """A length of time in the largest unit that divides it: 86400 is 1 day, 5400 is 90 minutes."""
    if seconds % 86_400 == 0:
        return ngettext("%(n)d day", "%(n)d days", seconds // 86_400) % {"n": seconds // 86_400}
    if seconds % 3600 == 0:
        return ngettext("%(n)d hour", "%(n)d hours", seconds // 3600) % {"n": seconds // 3600}
    if seconds % 60 == 0:
        return ngettext("%(n)d minute", "%(n)d minutes", seconds // 60) % {"n": seconds // 60}
    return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}


def duration_text(period: str) -> str:
    """An ISO 8601 period of years, months and days in words; what is none stays as it is."""
    match = PERIOD.fullmatch(period)
    years, months, days = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    words = [
        ngettext("%(n)d year", "%(n)d years", years) % {"n": years} if years else "",
        ngettext("%(n)d month", "%(n)d months", months) % {"n": months} if months else "",
        ngettext("%(n)d day", "%(n)d days", days) % {"n": days} if days else "",
    ]
    return ", ".join(word for word in words if word) or period


@register.filter(name="spoken")
def spoken_text(text: str) -> str:
    """A sentence of the domain or of another platform in the reader's language."""
    return spoken(text)


@register.filter
def tone_icon(tone: str) -> str:
    """The icon that goes with a tone."""
    return ICONS.get(tone, ICONS["neutral"])
