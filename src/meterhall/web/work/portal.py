"""The page of work that fails: what was laid aside, to be tried again by a button, and what is tried by itself."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from meterhall.web.accounts.access import person_of, role_required
from meterhall.web.portal import nav
from meterhall.web.portal.tables import Column, csv_response, table, wants_csv
from meterhall.web.portal.values import Confirmation, CopyId
from meterhall.web.work.letters import DeadLetter, NoDeadLetter, redeliver, some
from meterhall.web.work.words import what, why

READERS = ("operator", "staff", "auditor")
SHOWN = 500
COLUMNS: list[Column[DeadLetter]] = [
    Column(gettext_lazy("What"), what),
    Column(gettext_lazy("Kind"), lambda one: one.type or "–"),
    Column(gettext_lazy("Id"), lambda one: CopyId(one.row)),
    Column(gettext_lazy("Party"), lambda one: CopyId(one.party) if one.party else "–"),
    Column(gettext_lazy("Attempts"), lambda one: one.attempts, numeric=True),
    Column(gettext_lazy("Next attempt"), lambda one: one.due_at),
    Column(gettext_lazy("Why it failed"), why),
]


@require_safe
@role_required(*READERS)
def page(request: HttpRequest) -> HttpResponseBase:
    """What was laid aside, and what is tried again."""
    dead, more_dead = some("dead", "", SHOWN)
    retrying, more = some("retrying", "", SHOWN)
    if wants_csv(request):
        return csv_response("failing-work", [*dead, *retrying], COLUMNS)
    context = {
        "dead": [(one, what(one), why(one), _again(one)) for one in dead],
        "retrying": table(
            request,
            retrying,
            COLUMNS,
            _("Tried again by itself"),
            empty=_("Nothing fails."),
        ),
        "is_cut": more_dead or more,
        "shown": SHOWN,
        "may_act": person_of(request).has_role("operator", "staff"),
    }
    return render(request, "work/letters.html", context)


def _again(one: DeadLetter) -> Confirmation:
    return Confirmation(
        id=f"again-{one.queue.replace('.', '-')}-{one.row}",
        button=_("Try again"),
        title=_("Try it once more?"),
        text=_("It is tried from the start, for as long as is set."),
        action=reverse("work:redeliver", args=[one.id]),
        confirm=_("Yes, try again"),
        hidden={"redeliver": one.id},
    )


@require_POST
@role_required("operator", "staff")
def redelivery(request: HttpRequest, letter: str) -> HttpResponseBase:
    """Try a piece of work again."""
    try:
        redeliver(letter)
    except NoDeadLetter:
        raise Http404 from None
    messages.success(request, _("It is on its way again."))
    return redirect("work:letters")


_patterns: list[URLPattern | URLResolver] = [
    path("failing-work", page, name="letters"),
    path("failing-work/<str:letter>/redelivery", redelivery, name="redeliver"),
]
urls: list[URLPattern | URLResolver] = [path("", include((_patterns, "work")))]
nav.register(gettext_lazy("Failing work"), "work:letters", READERS, order=80)
