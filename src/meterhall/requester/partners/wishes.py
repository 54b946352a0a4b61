"""Pages about wishes: what we look for, kept open at the Market Place, and the offers that fit, or almost."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from meterhall.client.b2b import RemoteRefusal
from meterhall.domain.identifiers import EEA
from meterhall.domain.protocol.offers import DataScope, Price, Wish, WishMatch, WishView
from meterhall.requester.partners import service
from meterhall.requester.partners.models import WishKept
from meterhall.requester.words import KIND, READERS, WRITERS
from meterhall.web.accounts.access import may, role_required
from meterhall.web.portal import nav
from meterhall.web.portal.filters import COUNTRIES, Choice, Search, coded
from meterhall.web.portal.spoken import spoken
from meterhall.web.portal.tables import Column, listing
from meterhall.web.portal.values import Badge, Confirmation, CopyId, Fact, Link, Text, state_badge
from meterhall.web.portal.words import DIRECTION, FORMAT, GRANULARITY, STATE, choices, listed, word


class WishForm(forms.Form):
    """What is needed, for how many customers, where."""

    text = forms.CharField(
        label=gettext_lazy("In your words"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )
    countries = forms.MultipleChoiceField(label=gettext_lazy("Countries"), choices=[(c, c) for c in sorted(EEA)])
    customers = forms.IntegerField(label=gettext_lazy("Number of customers"), min_value=1)
    kind = forms.ChoiceField(label=gettext_lazy("Data"))
    granularity = forms.ChoiceField(label=gettext_lazy("Granularity"))
    directions = forms.MultipleChoiceField(
        label=gettext_lazy("Direction"), widget=forms.CheckboxSelectMultiple, initial=["import"]
    )
    formats = forms.MultipleChoiceField(
        label=gettext_lazy("Formats you read"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None: any format."),
    )
    highest = forms.DecimalField(
        label=gettext_lazy("Highest price, EUR a point and month"), required=False, min_value=0, decimal_places=6
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, words in (
            ("kind", KIND), ("granularity", GRANULARITY), ("directions", DIRECTION), ("formats", FORMAT)
        ):  # fmt: skip
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 - as declared above
            field.choices = choices(words, tuple(words))

    def wish(self) -> Wish:
        """What the answers ask for."""
        said = self.cleaned_data
        highest = said["highest"]
        return Wish(
            text=said["text"],
            countries=tuple(said["countries"]),
            customers=said["customers"],
            scope=DataScope(
                kind=said["kind"], directions=tuple(said["directions"]), granularities=(said["granularity"],)
            ),
            formats=tuple(said["formats"]),
            highest_price=None if highest is None else Price(amount=f"{highest:f}", per="pod_month"),
        )


def _view(row: WishKept) -> WishView:
    return WishView.model_validate(row.document)


def _fitting(row: WishKept) -> int:
    return sum(match.fits for match in _view(row).matches)


def _where(row: WishKept) -> str:
    return ", ".join(_view(row).wish.countries)


COLUMNS: list[Column[WishKept]] = [
    Column(gettext_lazy("Wish"), lambda row: CopyId(row.pk, reverse("partners:wish", args=[row.pk])), "wish_id"),
    Column(gettext_lazy("Countries"), _where),
    Column(gettext_lazy("Customers"), lambda row: _view(row).wish.customers, numeric=True),
    Column(gettext_lazy("Offers that fit"), _fitting, numeric=True),
    Column(gettext_lazy("Changed"), lambda row: row.updated_at, "updated_at"),
    Column(gettext_lazy("State"), lambda row: state_badge(_view(row).status)),
]


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*READERS, writers=WRITERS)
def wishes(request: HttpRequest) -> HttpResponse:
    """Our wishes, and the form to register one."""
    form = WishForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = service.wish(form.wish())
        except RemoteRefusal as refusal:
            field = (refusal.field or "").split("/")[1:2]
            form.add_error(field[0] if field and field[0] in form.fields else None, spoken(refusal.detail))
        else:
            messages.success(request, _("The wish is kept open; you are told when an offer fits."))
            return HttpResponseRedirect(reverse("partners:wish", args=[made.wish_id]))
    empty = _("None yet. A wish is matched with every offer that is published from now on.")
    return listing(
        request, "partners/wishes.html", WishKept.objects.all(), COLUMNS, _("Wishes"), file="wishes", filters=FILTERS,
        order="-updated_at", empty=empty, context={"form": form if may(request, *WRITERS) else None},
    )  # fmt: skip


def _countries() -> list[tuple[str, Text]]:
    """The countries of the wishes there are."""
    wanted = WishKept.objects.values_list("document__wish__countries", flat=True)
    return [(country, country) for country in sorted({one for several in wanted for one in several})]


FILTERS = (
    Search(gettext_lazy("Words or id"), ("document__wish__text__icontains", "wish_id")),
    Choice(
        "country",
        gettext_lazy("Country"),
        _countries,
        narrowing={code: Q(document__wish__countries__icontains=f'"{code}"') for code in COUNTRIES},
        known=COUNTRIES,
    ),
    coded(WishKept.objects.all(), "state", gettext_lazy("State"), STATE, "document__status"),
)


def _why_not(match: WishMatch) -> str:
    """The sentences of the reasons, which come as `code: sentence`."""
    return " ".join(text.partition(": ")[2] for text in match.reasons) or "–"


MATCHES: list[Column[WishMatch]] = [
    Column(gettext_lazy("Offer"), lambda one: CopyId(one.offer_id, reverse("partners:offer", args=[one.offer_id]))),
    Column(gettext_lazy("Version"), lambda one: one.version, numeric=True),
    Column(gettext_lazy("Fits"), lambda one: Badge(_("fits"), "success") if one.fits else Badge(_("not wholly"))),
    Column(gettext_lazy("Why not wholly"), _why_not),
]


@require_safe
@role_required(*READERS)
def wish(request: HttpRequest, wish_id: str) -> HttpResponse:
    """One wish as the Market Place last told it: what fits, what almost does and why not."""
    row = _row(wish_id)
    view = _view(row)
    wanted = view.wish
    matches = sorted(view.matches, key=lambda one: not one.fits)
    price = wanted.highest_price
    closing = Confirmation(
        "close", _("Close…"), _("Close this wish?"), _("You are no longer told of offers that fit."),
        reverse("partners:close_wish", args=[wish_id]), _("Close"),
    )  # fmt: skip
    context = {
        "title": _("Wish"),
        "badge": state_badge(view.status),
        "text": wanted.text,
        "crumbs": [Link(_("Wishes"), reverse("partners:wishes")), Link(wish_id)],
        "facts": [
            Fact(_("Countries"), ", ".join(wanted.countries)),
            Fact(_("Number of customers"), wanted.customers),
            Fact(_("Data"), word(KIND, wanted.scope.kind)),
            Fact(_("Granularity"), listed(GRANULARITY, wanted.scope.granularities)),
            Fact(_("Formats"), listed(FORMAT, wanted.formats) or _("any")),
            Fact(_("Highest price, EUR a point and month"), price.amount if price else _("none")),
        ],
        "confirmation": closing if view.status != "closed" and may(request, *WRITERS) else None,
    }
    return listing(
        request, "partners/wish.html", matches, MATCHES, _("Offers"), file="wish-offers", filters=MATCH_FILTERS,
        empty=_("No offer yet."), context=context,
    )  # fmt: skip


MATCH_FILTERS = (
    Search(gettext_lazy("Id of an offer, or a reason"), texts=lambda one: (one.offer_id, _why_not(one))),
    Choice(
        "fits",
        gettext_lazy("Fits"),
        {"yes": gettext_lazy("fits"), "no": gettext_lazy("not wholly")},
        value=lambda one: "yes" if one.fits else "no",
    ),
)


@require_POST
@role_required(*WRITERS)
def close_wish(request: HttpRequest, wish_id: str) -> HttpResponse:
    """Stop looking."""
    _row(wish_id)
    service.close_wish(wish_id)
    messages.success(request, _("The wish is closed."))
    return HttpResponseRedirect(reverse("partners:wish", args=[wish_id]))


def _row(wish_id: str) -> WishKept:
    row = WishKept.objects.filter(pk=wish_id).first()
    if row is None:
        raise Http404
    return row


pages = [
    path("wishes", wishes, name="wishes"),
    path("wishes/<str:wish_id>", wish, name="wish"),
    path("wishes/<str:wish_id>/closing", close_wish, name="close_wish"),
]
nav.register(gettext_lazy("Wishes"), "partners:wishes", READERS, order=25)
