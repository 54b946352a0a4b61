"""How a list is searched and narrowed: words and choices in the address, which sorting, paging and the file keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from meterhall.domain.errors import InvalidInput
from meterhall.domain.identifiers import EEA
from meterhall.web.portal.values import Text
from meterhall.web.portal.words import STATE, Words, word

Rows = QuerySet[Any] | Sequence[Any]
Options = Mapping[str, Text] | Callable[[], Iterable[tuple[str, Text]]]
LONGEST = 200
COUNTRIES: Words = {code: code for code in sorted(EEA)}


class UnknownFilter(InvalidInput):
    code = "unknown_filter"
    title = "The list cannot be narrowed like this."


@dataclass(frozen=True, slots=True)
class Search:
    """A field for words. `lookups` are tried on rows of the database, or `finds` says what fits; of other rows `texts`
    gives what is searched."""

    label: Text
    lookups: tuple[str, ...] = ()
    finds: Callable[[str], Q] | None = None
    texts: Callable[[Any], Iterable[str]] | None = None
    hint: Text = ""
    name: str = "text"

    def control(self, wanted: str) -> forms.Field:
        """The field of the form."""
        widget = forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"})
        return forms.CharField(
            label=str(self.label), required=False, max_length=LONGEST, widget=widget, help_text=str(self.hint)
        )

    def narrow(self, rows: Rows, wanted: str) -> Rows:
        """The rows that hold the words."""
        if isinstance(rows, QuerySet):
            fitting = self.finds(wanted) if self.finds else Q()
            for lookup in self.lookups:
                fitting |= Q(**{lookup: wanted})
            return rows.filter(fitting)
        found, texts = wanted.casefold(), self.texts
        return [row for row in rows if texts and any(found in text.casefold() for text in texts(row))]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values: of a field of the database, or of what `value` gives for a row.

    `lookup` names the field where it is not called as the choice is; `narrowing` stands for it where no field says it.
    `known` are values that no row need have: an address that asks for one is right, and finds nothing.
    """

    name: str
    label: Text
    options: Options
    lookup: str = ""
    value: Callable[[Any], str] | None = None
    narrowing: Mapping[str, Q] | None = None
    known: Words = field(default_factory=dict)

    def control(self, wanted: str) -> forms.Field:
        """The field of the form."""
        options = dict(self.options if isinstance(self.options, Mapping) else self.options())
        if wanted in self.known:
            options.setdefault(wanted, word(self.known, wanted))
        wrong = gettext_lazy("“%(value)s” is not one of the choices of this list. Choose one, or “any”.")
        return forms.ChoiceField(
            label=str(self.label),
            required=False,
            choices=[("", _("any")), *((value, str(words)) for value, words in options.items())],
            error_messages={"invalid_choice": wrong},
        )

    def narrow(self, rows: Rows, wanted: str) -> Rows:
        """The rows with this value."""
        if isinstance(rows, QuerySet):
            return rows.filter(self.narrowing[wanted] if self.narrowing else Q(**{self.lookup or self.name: wanted}))
        return [row for row in rows if self.value and self.value(row) == wanted]


Filter = Search | Choice


@dataclass(frozen=True, slots=True)
class Filtered:
    """The rows a filter lets through, and its form; `is_active` where something was asked for."""

    rows: Rows
    whole: Rows
    form: forms.Form
    is_active: bool

    def checked(self) -> Rows:
        """The rows, for a file. Raises `UnknownFilter`: a file shall not hold other rows than were asked for."""
        for name, errors in self.form.errors.items():
            field = self.form.fields[name]
            raise UnknownFilter(f"{field.label}: {' '.join(map(str, errors))}", field=f"/{name}")
        return self.rows


def filtered(request: HttpRequest, rows: Rows, filters: Sequence[Filter]) -> Filtered:
    """`rows` narrowed as the address says; none of them where it says something that is no choice."""
    form = forms.Form(request.GET, auto_id="filter-%s")
    form.fields.update({one.name: one.control(request.GET.get(one.name, "")) for one in filters})
    is_active = any(request.GET.get(one.name, "").strip() for one in filters)
    if not form.is_valid():
        return Filtered(rows.none() if isinstance(rows, QuerySet) else [], rows, form, is_active)
    found = rows
    for one in filters:
        if wanted := form.cleaned_data[one.name]:
            found = one.narrow(found, wanted)
    return Filtered(found, rows, form, is_active)


def distinct(rows: QuerySet[Any], value: str, label: str = "") -> Callable[[], list[tuple[str, Text]]]:
    """Options: what stands in a field of `rows`, with the field that names it."""

    names = (value, label) if label else (value,)

    def options() -> list[tuple[str, Text]]:
        found = {one[0]: one[-1] for one in rows.order_by().values_list(*names).distinct() if one[0]}
        return sorted(found.items(), key=lambda pair: (pair[1].casefold(), pair[0]))

    return options


def coded(rows: QuerySet[Any], name: str, label: Text, words: Words, lookup: str = "") -> Choice:
    """The choice among the codes that stand in a field of `rows`, in the reader's words."""

    def options() -> list[tuple[str, Text]]:
        codes = rows.order_by().values_list(lookup or name, flat=True).distinct()
        return sorted(((code, word(words, code)) for code in codes if code), key=lambda pair: str(pair[1]).casefold())

    return Choice(name, label, options, lookup, known=words)


def state_choice(rows: QuerySet[Any], name: str = "state", words: Words = STATE) -> Choice:
    """The choice among the states of `rows`."""
    return coded(rows, name, gettext_lazy("State"), words)
