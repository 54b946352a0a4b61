"""Reading a text as a point of delivery: all schemes it fits, or why it fits none. Who operates it: `localise`."""

from __future__ import annotations

from typing import Final

from meterhall.domain.pods.errors import InvalidPod, PodBadFormat, PodBadLength, PodCheckFailed, PodUnknownScheme
from meterhall.domain.pods.normalising import MAX_LENGTH, normalise
from meterhall.domain.pods.pod import Candidate, Confidence
from meterhall.domain.pods.registry import SCHEMES
from meterhall.domain.pods.scheme import Scheme

_ORDER: Final = {confidence: place for place, confidence in enumerate(Confidence)}
_ALIASES: Final = {"UK": "GB", "EL": "GR"}


def read(text: str, *, country: str | None = None, field: str | None = None) -> tuple[Candidate, ...]:
    """Every way to read a text as a POD, surest first; never empty.

    `country` (ISO 3166-1 alpha-2) narrows bare numbers; where the text itself names another country it wins, with a
    warning. `field` is the JSON Pointer an error names. Raises InvalidPod where a certain rule fails. A wrong check
    digit is refused, never corrected: one character changed would be another customer's POD.
    """
    hint = _country(country)
    if len(text) > MAX_LENGTH:
        raise PodBadLength(field=field)
    value = normalise(text).text
    fitting = [scheme for scheme in SCHEMES if _may_be(scheme, hint) and scheme.grammar.fullmatch(value)]
    if not fitting:
        raise _misfit(value, hint)(field=field)
    holding = [scheme for scheme in fitting if scheme.check is None or scheme.check(value)]
    if not holding:
        raise PodCheckFailed(field=field)
    return tuple(sorted((_candidate(s, value, hint) for s in holding), key=lambda found: _ORDER[found.confidence]))


def _country(hint: str | None) -> str | None:
    raised = (hint or "").strip().upper()
    return _ALIASES.get(raised, raised) or None


def _may_be(scheme: Scheme, hint: str | None) -> bool:
    return scheme.letters is not None or hint is None or scheme.country == hint


def _misfit(value: str, hint: str | None) -> type[InvalidPod]:
    meant = [scheme for scheme in SCHEMES if scheme.letters and value.startswith(scheme.letters)]
    meant = meant or [scheme for scheme in SCHEMES if scheme.country == hint]
    if not meant and value.isascii() and value.isdigit():
        meant = [scheme for scheme in SCHEMES if scheme.letters is None]
    if not meant or not value:
        return PodUnknownScheme
    right_length = any(len(value) in scheme.lengths for scheme in meant)
    return PodBadFormat if right_length else PodBadLength


def _candidate(scheme: Scheme, value: str, hint: str | None) -> Candidate:
    warnings = list(scheme.warnings(value))
    named = scheme.letters is not None or hint is not None
    if not named:
        warnings.append("country_assumed")
    elif hint is not None and scheme.country != hint:
        warnings.append("country_differs")
    return Candidate(scheme.pod(value), _confidence(scheme, value, named), tuple(warnings))


def _confidence(scheme: Scheme, value: str, named: bool) -> Confidence:
    if named:
        return Confidence.CHECKED if scheme.check else Confidence.FORMAT
    return Confidence.LIKELY if scheme.usual(value) else Confidence.POSSIBLE
