"""Pages about players: who waits, who takes part, one player with the decisions an operator may take."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from meterhall.domain.errors import InvalidInput
from meterhall.domain.market import PLAYER
from meterhall.domain.market.states import commands
from meterhall.domain.protocol.players import Enrolment
from meterhall.marketplace.agreements.standing import general_contract_signed
from meterhall.marketplace.certification.service import certified
from meterhall.marketplace.players import service
from meterhall.marketplace.players.models import Decision, Player, PlayerKey
from meterhall.marketplace.players.words import ACTIVITY, DECISION, ROLE, STATUS, TONE, USE
from meterhall.web.accounts.access import person_of, role_required
from meterhall.web.portal import nav
from meterhall.web.portal.filters import COUNTRIES, Choice, Search, distinct
from meterhall.web.portal.tables import Column, listing, table
from meterhall.web.portal.values import Badge, Confirmation, CopyId, Fact, Link, Step, state_badge

READERS = ("operator", "auditor")


class ReasonNeeded(InvalidInput):
    code = "reason_needed"
    title = "Say why: the player is told, and the decision is kept with it."


COLUMNS: list[Column[Player]] = [
    Column(gettext_lazy("Organisation"), lambda row: Link(row.organisation, page_of(row.pk)), "organisation"),
    Column(gettext_lazy("Access number"), lambda row: CopyId(row.pk), "access_number"),
    Column(gettext_lazy("Country"), lambda row: row.country, "country"),
    Column(gettext_lazy("Roles"), lambda row: ", ".join(_roles(row))),
    Column(gettext_lazy("Applied"), lambda row: row.applied_at, "applied_at"),
    Column(gettext_lazy("State"), lambda row: status_badge(row.status), "status"),
]
FILTERS = (
    Search(gettext_lazy("Name or access number"), ("organisation__icontains", "access_number__iexact")),
    Choice("country", gettext_lazy("Country"), distinct(Player.objects.all(), "country"), known=COUNTRIES),
    Choice(
        "role",
        gettext_lazy("Role"),
        ROLE,
        narrowing={"provider": Q(is_provider=True), "requester": Q(is_requester=True)},
    ),
    Choice("status", gettext_lazy("State"), STATUS),
)


def page_of(number: str) -> str:
    """Address of a player's page."""
    return reverse("players:player", args=[number])


def status_badge(status: str) -> Badge:
    """A player's state in words."""
    return state_badge(status, STATUS[status])


def _roles(row: Player) -> list[str]:
    held = (("provider", row.is_provider), ("requester", row.is_requester))
    return [str(ROLE[name]) for name, has in held if has]


@require_safe
@role_required(*READERS)
def player_list(request: HttpRequest) -> HttpResponseBase:
    """Those who wait for a decision, then everybody."""
    waiting = Player.objects.filter(status="applied").order_by("applied_at")
    return listing(
        request, "players/list.html", Player.objects.all(), COLUMNS, _("Players"), file="players", filters=FILTERS,
        order="organisation", context={"waiting": waiting, "waits": status_badge("applied")},
    )  # fmt: skip


@require_safe
@role_required(*READERS)
def player(request: HttpRequest, number: str) -> HttpResponseBase:
    """One player: what it declared, its keys, the decisions about it, and what may be decided now."""
    row = service.find(number)
    declared = Enrolment.model_validate(row.enrolment)
    decide = person_of(request).has_role("operator")
    context = {
        "player": row,
        "badge": status_badge(row.status),
        "crumbs": [Link(_("Players"), reverse("players:list")), Link(row.organisation)],
        "facts": _facts(row, declared),
        "description": declared.description,
        "keys": table(request, list(row.keys.order_by("use", "added_at")), KEYS, _("Keys"), id="keys", export=False),
        "history": _history(row),
        "confirmations": [_confirmation(row, command) for command in _open_commands(row)] if decide else [],
    }
    return render(request, "players/player.html", context)


KEYS: list[Column[PlayerKey]] = [
    Column(gettext_lazy("Use"), lambda key: USE[key.use]),
    Column(gettext_lazy("Key"), lambda key: CopyId(key.kid)),
    Column(gettext_lazy("Since"), lambda key: key.added_at),
    Column(gettext_lazy("State"), lambda key: Badge(_("retired")) if key.retired_at else Badge(_("in use"), "success")),
]


def _facts(row: Player, declared: Enrolment) -> list[Fact]:
    number, there = row.access_number, service.view(row).endpoints
    until = certified(number) if row.is_provider else None
    contract = Badge(_("signed"), "success") if general_contract_signed(number) else Badge(_("not signed"))
    facts = [
        Fact(_("Access number"), CopyId(number)),
        Fact(_("Legal id"), f"{row.legal_id_kind} {row.legal_id}"),
        Fact(_("Country"), row.country),
        Fact(_("Roles"), ", ".join(_roles(row))),
        Fact(_("Activity"), ACTIVITY[declared.activity]),
        Fact(_("Contact"), declared.contact),
        Fact(_("B2B address"), there.b2b),
        Fact(_("Portal"), there.portal or _("none")),
        Fact(_("Receives messages"), there.inbox or _("by asking for them (pull feed)")),
        Fact(_("General contract"), contract),
    ]
    if row.is_provider:
        shown = state_badge("passed", _("holds")) if until else Badge(_("none"), "warning")
        facts.append(Fact(_("Integration certificate"), [shown, until] if until else shown))
    if others := list(service.rivals(row).exclude(status="refused")):
        facts.append(Fact(_("Also under this legal id"), _others(row, others)))
    if row.reason:
        facts.append(Fact(_("Reason of the last decision"), row.reason))
    return facts


def _others(row: Player, others: list[Player]) -> list[object]:
    """Who else named this legal id, how that stands, and what it means for an applicant."""
    shown: list[object] = []
    for one in others:
        shown += [Link(one.organisation, page_of(one.pk)), status_badge(one.status)]
    if row.status == "applied" and service.is_taken(row):
        shown.append(_("It can be admitted once that one has left."))
    return shown


def _history(row: Player) -> list[Step]:
    steps = [Step(_("Applied"), row.applied_at, row.organisation, "info")]
    steps += [_step(decision) for decision in row.decisions.order_by("at", "pk")]
    return sorted(steps, key=lambda step: step.at or row.applied_at)


def _step(decision: Decision) -> Step:
    facts = (Fact(_("Reason"), decision.reason),) if decision.reason else ()
    return Step(DECISION[decision.command], decision.at, decision.by, TONE[decision.command], facts)  # type: ignore[arg-type]


def _open_commands(row: Player) -> list[str]:
    open_ones = [command for command in commands(PLAYER, row.status) if command in DECISION]
    return [one for one in open_ones if one != "admit" or not service.is_taken(row)]


def _confirmation(row: Player, command: str) -> Confirmation:
    button, title, text, reason = {
        "admit": (
            _("Admit"),
            _("Admit %(name)s?"),
            _("It may then sign the general contract and transact with every other player. It is told at once."),
            "",
        ),
        "refuse": (
            _("Refuse"),
            _("Refuse %(name)s?"),
            _("The application ends; the organisation may apply again."),
            _("Reason, which the organisation reads"),
        ),
        "suspend": (
            _("Suspend"),
            _("Suspend %(name)s?"),
            _("Its access ends at once, its contracts rest, its offers leave the catalogue, its partners are told."),
            _("Reason, which the player and its partners read"),
        ),
        "reinstate": (
            _("Let back in"),
            _("Let %(name)s back in?"),
            _("Its contracts run on, and it and its partners are told."),
            _("Reason"),
        ),
    }[command]
    return Confirmation(
        id=command,
        button=button,
        title=title % {"name": row.organisation},
        text=text,
        action=reverse("players:decide", args=[row.access_number, command]),
        confirm=button,
        danger=command in {"refuse", "suspend"},
        primary=command == "admit",
        reason=reason,
    )


@require_POST
@role_required("operator")
def decide(request: HttpRequest, number: str, command: str) -> HttpResponseBase:
    """Take a decision about a player; then back to its page."""
    by, reason = person_of(request).email, request.POST.get("reason", "").strip()[:500]
    if command not in DECISION:
        raise Http404
    if command != "admit" and not reason:
        raise ReasonNeeded(field="/reason")
    if command == "admit":
        service.admit(number, by=by)
    elif command == "refuse":
        service.refuse(number, by=by, reason=reason)
    elif command == "suspend":
        service.suspend(number, by=by, reason=reason)
    else:
        service.reinstate(number, by=by, reason=reason)
    messages.success(request, _("Done: %(what)s.") % {"what": str(DECISION[command]).lower()})
    return redirect(page_of(number))


nav.register(gettext_lazy("Players"), "players:list", READERS, order=30)
pages = [
    path("players", player_list, name="list"),
    path("players/<str:number>", player, name="player"),
    path("players/<str:number>/<slug:command>", decide, name="decide"),
]
urls = [path("", include((pages, "players")))]
