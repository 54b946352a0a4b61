"""Pages about transactions and the log, read-only: find by any id, the timeline of both sides, proofs, the log's state.

An auditor sees every statement; an operator those the Market Place itself is a party to (requirement MP-11).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import include, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from meterhall.marketplace.ledger import service
from meterhall.marketplace.ledger.models import KeptStatement, Match, PublishedCheckpoint
from meterhall.marketplace.ledger.tree import cosigned_note, log_key, size
from meterhall.marketplace.ledger.words import COUNT, STATEMENT, tone
from meterhall.web.accounts.access import person_of, role_required
from meterhall.web.messaging.models import Peer
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.platform import platform
from meterhall.web.portal import nav
from meterhall.web.portal.days import day_words
from meterhall.web.portal.filters import Choice, Search, filtered
from meterhall.web.portal.tables import Column, listing, paged, plain_table, wants_csv
from meterhall.web.portal.values import Badge, CopyId, Fact, Link, Sample, Step

READERS = ("operator", "auditor")
DIGITS = 18
"""As many fit into a number of the database."""
MISMATCHES_SHOWN = 50


def party_of(request: HttpRequest) -> str | None:
    """As whom the person reads: None is the auditor, who sees all."""
    return None if person_of(request).has_role("auditor") else my_access_number()


@require_safe
@role_required(*READERS)
def transactions(request: HttpRequest) -> HttpResponseBase:
    """The transactions, newest first; or those an id belongs to: transaction, statement, thing, player, entry."""
    party = party_of(request)
    kept = service.visible(party)
    rows = kept.values("transaction_id").annotate(
        statements=Count("pk"), first=Min("at"), last=Max("at"), open_differences=_differences()
    )
    filters = (
        Search(
            _("Any id"),
            finds=lambda text: Q(transaction_id__in=_with_id(kept, text).values("transaction_id")),
            hint=_("Of a transaction, statement, contract, activation, delivery, player, or an entry's number"),
            name="id",
        ),
        Choice("sides", _("Both sides"), {"differ": _("differ"), "same": _("no difference")}, narrowing=SIDES),
    )
    if request.GET.get("id", "").strip():
        found = list(filtered(request, rows, filters).rows[:2])
        if len(found) == 1:
            return redirect("ledger:transaction", transaction_id=found[0]["transaction_id"])
    return listing(
        request, "ledger/transactions.html", rows, _columns(_Parties(kept, every=wants_csv(request))),
        _("Transactions"), file="transactions", filters=filters, order="-last", unique="transaction_id",
        empty=_("No statement has come in yet."), context={"is_auditor": party is None},
    )  # fmt: skip


SIDES = {"differ": Q(open_differences__gt=0), "same": Q(open_differences=0)}


def _with_id(kept: QuerySet[KeptStatement], wanted: str) -> QuerySet[KeptStatement]:
    fitting = Q(transaction_id=wanted) | Q(statement_id=wanted) | Q(subject=wanted)
    fitting |= Q(subject__startswith=f"{wanted}:") | Q(first_party=wanted) | Q(second_party=wanted)
    if wanted.isdecimal() and len(wanted) < DIGITS:
        fitting |= Q(entry_id=int(wanted))
    return kept.filter(fitting)


def _differences() -> Count:
    return Count("pk", filter=Q(met_as_sent__matched=False) | Q(met_as_received__matched=False))


def _columns(parties: _Parties) -> list[Column[dict[str, Any]]]:
    return [
        Column(
            _("Transaction"),
            lambda row: CopyId(row["transaction_id"], reverse("ledger:transaction", args=[row["transaction_id"]])),
        ),
        Column(_("Parties"), lambda row: parties.of(row["transaction_id"])),
        Column(_("Statements"), lambda row: row["statements"], "statements", numeric=True),
        Column(_("First"), lambda row: row["first"], "first"),
        Column(_("Last"), lambda row: row["last"], "last"),
        Column(
            _("Both sides"),
            lambda row: (
                Badge(_("differ"), "danger") if row["open_differences"] else Badge(_("no difference"), "success")
            ),
        ),
    ]


class _Parties:
    """The names of the parties of transactions, as far as the reader may see them."""

    def __init__(self, kept: QuerySet[KeptStatement], *, every: bool = False) -> None:
        """`every` asks for all of them at once: for a file, not for a page."""
        self.kept = kept.values_list("transaction_id", "first_party", "second_party").order_by().distinct()
        self.names = _names()
        self.numbers: dict[str, set[str]] = {}
        if every:
            self._take(self.kept)

    def _take(self, rows: Iterable[tuple[str, str, str]]) -> None:
        for transaction_id, *parties in rows:
            self.numbers.setdefault(transaction_id, set()).update(number for number in parties if number)

    def of(self, transaction_id: str) -> str:
        if transaction_id not in self.numbers:
            self._take(self.kept.filter(transaction_id=transaction_id))
        return ", ".join(sorted(self.names.get(number, number) for number in self.numbers[transaction_id]))


def _names() -> dict[str, str]:
    return dict(Peer.objects.values_list("pk", "name")) | {my_access_number(): platform().config.name}


@require_safe
@role_required(*READERS)
def transaction(request: HttpRequest, transaction_id: str) -> HttpResponseBase:
    """What both sides stated, in the order of the log. Raises `UnknownTransaction`."""
    steps = service.timeline(transaction_id, party_of(request))
    if not steps:
        raise service.UnknownTransaction
    differing = [step for step in steps if step.matched is False]
    shown, pager = paged(request, steps)
    context = {
        "transaction_id": transaction_id,
        "crumbs": [Link(_("Transactions"), reverse("ledger:transactions")), Link(transaction_id)],
        "lead": _summary(steps),
        "steps": [_step(step) for step in shown],
        "pager": pager,
        "sides": _sides(steps),
        "differing": differing,
        "samples": [Sample(_("Verify offline"), f"meterhall verify proof-{steps[0].seq}.json --log-key '{log_key()}'")],
    }
    return render(request, "ledger/transaction.html", context)


def _summary(steps: list[service.Step]) -> str:
    """The whole transaction in a sentence."""
    first, last = min(step.at for step in steps), max(step.at for step in steps)
    text = ngettext(
        "%(n)s statement by %(parties)s, on %(first)s.",
        "%(n)s statements by %(parties)s, from %(first)s to %(last)s. Each has a proof.",
        len(steps),
    )
    return text % {
        "n": len(steps),
        "parties": _once(step.by_name for step in steps),
        "first": day_words(timezone.localtime(first)),
        "last": day_words(timezone.localtime(last)),
    }


def _once(names: Iterable[str]) -> str:
    """Each name once, in the order they come."""
    return ", ".join(dict.fromkeys(names))


def _step(step: service.Step) -> Step:
    facts = [Fact(_("Statement"), CopyId(step.statement_id))]
    if step.subject:
        facts.append(Fact(_("About"), CopyId(step.subject)))
    if step.about:
        facts.append(Fact(_("Acknowledges"), CopyId(step.about)))
    facts += [Fact(COUNT.get(name, name), count) for name, count in step.counts.items()]
    if step.acknowledged_at:
        facts.append(Fact(_("Acknowledged"), step.acknowledged_at))
    if step.matched is not None:
        shown = Badge(_("the same"), "success") if step.matched else Badge(_("not the same"), "danger")
        facts.append(Fact(_("What the other side states"), shown))
    proof = Link(_("Entry %(seq)s: proof") % {"seq": step.seq}, reverse("ledger:proof", args=[step.seq]))
    facts.append(Fact(_("Evidence"), proof))
    return Step(STATEMENT.get(step.type, step.type), step.at, step.by_name, tone(step.type, step.matched), tuple(facts))


def _sides(steps: Iterable[service.Step]) -> object:
    """How many statements each party made, and until when."""
    made: dict[str, list[service.Step]] = {}
    for step in steps:
        made.setdefault(step.by_name, []).append(step)
    rows = [[name, len(own), max(step.at for step in own)] for name, own in made.items()]
    return plain_table(_("Who stated what"), [_("Party"), _("Statements"), _("Last")], rows)


@require_safe
@role_required(*READERS)
def proof(request: HttpRequest, seq: int) -> HttpResponseBase:
    """The proof file of one entry, to be verified offline. Raises `UnknownEntry`."""
    found = service.proof_file(seq, party_of(request))
    name = f'attachment; filename="proof-{seq}.json"'
    return HttpResponse(found.canonical(), content_type="application/json", headers={"Content-Disposition": name})


@require_safe
@role_required(*READERS)
def log_state(request: HttpRequest) -> HttpResponseBase:
    """How far the log is, who has cosigned it, where two sides differ, and every checkpoint."""
    checkpoints = PublishedCheckpoint.objects.annotate(witnesses=Count("cosignatures"))
    newest = checkpoints.order_by("-size").first()
    names = _names()
    context = {
        "size": size(),
        "newest": newest,
        "note": str(cosigned_note(newest)) if newest else "",
        "witnesses": [names.get(one.witness, one.witness) for one in newest.cosignatures.order_by("witness")]
        if newest
        else [],
        "matched": Match.objects.filter(matched=True).count(),
        "mismatched": Match.objects.filter(matched=False).count(),
        "key": str(log_key()),
        "mismatches": _mismatches() if party_of(request) is None else None,
    }
    return listing(
        request, "ledger/log.html", checkpoints, CHECKPOINTS, _("Checkpoints"), file="checkpoints",
        filters=CHECKPOINT_FILTERS, order="-size", empty=_("None yet."), context=context,
    )  # fmt: skip


CHECKPOINTS: list[Column[Any]] = [
    Column(gettext_lazy("Entries"), lambda row: row.size, "size", numeric=True),
    Column(gettext_lazy("Root"), lambda row: CopyId(bytes(row.root).hex()[:16])),
    Column(gettext_lazy("Published"), lambda row: row.published_at, "published_at"),
    Column(gettext_lazy("Cosigned by"), lambda row: row.witnesses, "witnesses", numeric=True),
]


def _at_size(text: str) -> Q:
    return Q(size=int(text)) if text.isdecimal() and len(text) < DIGITS else Q(pk__in=())


CHECKPOINT_FILTERS = (
    Search(gettext_lazy("Number of entries"), finds=_at_size),
    Choice(
        "cosigned",
        gettext_lazy("Cosigned"),
        {"yes": gettext_lazy("by somebody"), "no": gettext_lazy("by nobody yet")},
        narrowing={"yes": Q(witnesses__gt=0), "no": Q(witnesses=0)},
    ),
)


def _mismatches() -> object:
    """Deliveries whose two sides committed to different manifests; for the auditor."""
    found = Match.objects.filter(matched=False).select_related("sent").order_by("-at")[:MISMATCHES_SHOWN]
    names = _names()
    rows = [
        [
            CopyId(match.sent.subject, reverse("ledger:transaction", args=[match.sent.transaction_id])),
            names.get(match.sent.first_party, match.sent.first_party),
            names.get(match.sent.second_party, match.sent.second_party),
            match.at,
        ]
        for match in found
    ]
    heads = [_("Delivery"), _("One side"), _("Other side"), _("Found")]
    return plain_table(_("Where two sides differ"), heads, rows, empty=_("no difference"))


nav.register(gettext_lazy("Transactions"), "ledger:transactions", READERS, order=60)
nav.register(gettext_lazy("Log"), "ledger:log", READERS, order=61)
pages = [
    path("transactions", transactions, name="transactions"),
    path("transactions/<str:transaction_id>", transaction, name="transaction"),
    path("log", log_state, name="log"),
    path("log/proofs/<int:seq>", proof, name="proof"),
]
urls = [path("", include((pages, "ledger")))]
