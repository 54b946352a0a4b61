"""Caveats of a consent: each says no for one reason, all must say yes, and none ever widens another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterhall.domain.consent import (
    Asked,
    Caveat,
    ForPoint,
    ForRequester,
    Granted,
    NotEnded,
    Refused,
    UnderSubscription,
    Until,
    WithinScope,
    verify,
)
from meterhall.domain.protocol.activations import REFUSALS
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope

NOW = datetime(2026, 4, 1, tzinfo=UTC)
SCOPE = DataScope(granularities=("PT15M", "PT1H"), period=Period(first=date(2026, 1, 1), until=date(2026, 3, 1)))
ASKED = Asked("MH0000000109", "sub_1", "pt_1", SCOPE, NOW)
HOUR = timedelta(hours=1)
FITTING: tuple[Caveat, ...] = (
    ForRequester("MH0000000109"), UnderSubscription("sub_1"), ForPoint("pt_1"), NotEnded(None), Until(NOW + HOUR),
    WithinScope(SCOPE),
)  # fmt: skip
FAILING: tuple[tuple[Caveat, str], ...] = (
    (ForRequester("MH0000000125"), "consent_missing"),
    (UnderSubscription("sub_2"), "consent_missing"),
    (ForPoint("pt_2"), "consent_missing"),
    (NotEnded(NOW), "consent_revoked"),
    (NotEnded(NOW - HOUR), "consent_revoked"),
    (Until(NOW), "consent_expired"),
    (WithinScope(SCOPE.model_copy(update={"granularities": ("PT1H",)})), "consent_scope"),
    (WithinScope(SCOPE.model_copy(update={"directions": ("export",)})), "consent_scope"),
    (WithinScope(SCOPE.model_copy(update={"timing": "forecast"})), "consent_scope"),
    (WithinScope(SCOPE.model_copy(update={"kind": "aggregate"})), "consent_scope"),
)

instants = st.timedeltas(timedelta(days=-2000), timedelta(days=2000)).map(lambda away: NOW + away)
days = st.dates(date(2020, 1, 1), date(2030, 1, 1))
periods = st.builds(
    lambda first, long: Period(first=first, until=first + timedelta(days=long)), days, st.integers(1, 900)
)
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
names = st.sampled_from(["a", "b"])


@st.composite
def scopes(draw: st.DrawFn) -> DataScope:
    return DataScope(
        kind=draw(st.sampled_from(["individual", "aggregate"])),
        timing=draw(st.sampled_from(["historical", "near_real_time"])),
        directions=tuple(draw(st.sets(st.sampled_from(["import", "export"]), min_size=1))),  # type: ignore[arg-type]
        granularities=tuple(draw(st.sets(st.sampled_from(["PT15M", "PT1H", "P1D"]), min_size=1))),  # type: ignore[arg-type]
        period=draw(st.none() | periods),
    )


asks = st.builds(Asked, names, names, names, scopes(), instants)
caveats = st.one_of(
    st.builds(ForRequester, names),
    st.builds(UnderSubscription, st.sampled_from(["", "a", "b"])),
    st.builds(ForPoint, names),
    st.builds(NotEnded, st.none() | instants),
    st.builds(Until, instants),
    st.builds(WithinScope, scopes()),
)


def test_all_of_them_say_yes() -> None:
    assert verify(FITTING, ASKED) == Granted()
    assert verify((UnderSubscription(""),), ASKED) == Granted(), "bound to no subscription"
    assert verify((NotEnded(NOW + HOUR),), ASKED) == Granted(), "ends later"


@pytest.mark.parametrize(("caveat", "code"), FAILING)
def test_each_says_no_with_its_code(caveat: Caveat, code: str) -> None:
    assert verify((caveat,), ASKED) == Refused(code)
    assert verify((*FITTING, caveat), ASKED) == Refused(code)
    assert code in REFUSALS


def test_the_first_reason_in_order_is_given() -> None:
    assert verify((NotEnded(NOW), Until(NOW)), ASKED) == Refused("consent_revoked")
    assert verify((Until(NOW), NotEnded(NOW)), ASKED) == Refused("consent_expired")


def test_a_consent_to_single_curves_lets_the_point_count_in_a_sum_but_not_the_other_way_round() -> None:
    sums = SCOPE.model_copy(update={"kind": "aggregate"})
    assert verify((WithinScope(SCOPE),), replace(ASKED, scope=sums)) == Granted()
    assert verify((WithinScope(sums),), ASKED) == Refused("consent_scope")


def test_a_bounded_consent_never_covers_an_unbounded_wish() -> None:
    unbounded = replace(ASKED, scope=SCOPE.model_copy(update={"period": None}))
    assert verify((WithinScope(SCOPE),), unbounded) == Refused("consent_scope")


@patient
@given(st.lists(caveats, max_size=6), caveats, asks)
def test_one_more_caveat_never_allows_more(some: list[Caveat], more: Caveat, asked: Asked) -> None:
    if isinstance(verify(some, asked), Refused):
        assert isinstance(verify([*some, more], asked), Refused)


@patient
@given(st.lists(caveats, max_size=6), asks)
def test_granted_means_that_each_alone_grants(some: list[Caveat], asked: Asked) -> None:
    alone = all(isinstance(one.verify(asked), Granted) for one in some)
    assert isinstance(verify(some, asked), Granted) == alone


@patient
@given(st.lists(caveats, max_size=6), asks)
def test_a_refusal_has_a_published_code(some: list[Caveat], asked: Asked) -> None:
    answer = verify(some, asked)
    assert isinstance(answer, Granted) or answer.code in REFUSALS


@patient
@given(scopes(), asks)
def test_what_lies_within_is_never_finer_longer_or_in_more_directions(wider: DataScope, asked: Asked) -> None:
    if isinstance(verify((WithinScope(wider),), asked), Granted):
        assert set(asked.scope.granularities) <= set(wider.granularities)
        assert set(asked.scope.directions) <= set(wider.directions)
        if wider.period is not None:
            assert asked.scope.period is not None
            assert wider.period.first <= asked.scope.period.first
            assert asked.scope.period.until <= wider.period.until


@patient
@given(instants, asks, st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_what_has_ended_stays_ended(end: datetime, asked: Asked, later: timedelta) -> None:
    for caveat in (NotEnded(end), Until(end)):
        if isinstance(caveat.verify(asked), Refused):
            assert isinstance(caveat.verify(replace(asked, at=asked.at + later)), Refused)
