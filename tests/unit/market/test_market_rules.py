"""The market's rules: state tables, durations, contracts and their readable form, fitting, texts without PODs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.identifiers import access_number
from meterhall.domain.market import (
    OFFER_VERSION,
    PLAYER,
    SUBSCRIPTION,
    EmptyDuration,
    Table,
    WrongState,
    add_duration,
    advance,
    comes_before,
    commands,
    fits,
    general_contract,
    parse_duration,
    readable_contract,
    readable_terms,
    service_contract,
)
from meterhall.domain.market.declared import AddressInvalid, check_called
from meterhall.domain.market.offers import CoverageIsPod, InvalidOffer, check_offer
from meterhall.domain.market.texts import TextHoldsPod, refuse_pods
from meterhall.domain.pods import demonstration_pod
from meterhall.domain.pods.coverage import InvalidCoverage
from meterhall.domain.protocol.agreements import Repository, ServiceContract
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import (
    CoverageArea,
    DataScope,
    Offer,
    OfferView,
    Price,
    ServiceOption,
    Wish,
)
from meterhall.domain.protocol.players import Endpoints, Jwk, KeySet, LegalIdentifier, PlayerView

TWO_YEARS = Period.model_validate({"from": "2024-01-01", "until": "2026-01-01"})
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TABLES = {"player": (PLAYER, "applied"), "offer": (OFFER_VERSION, "draft"), "subscription": (SUBSCRIPTION, "drafted")}
FINAL = {"player": set(), "offer": {"withdrawn"}, "subscription": {"quit", "refused", "expired"}}


def offer(**changes: Any) -> Offer:
    usual: dict[str, Any] = {
        "title": "Hourly *readings*",
        "scope": DataScope(granularities=("PT1H", "P1D")),
        "formats": ("csv", "parquet"),
        "price": Price(amount="1.20", per="pod_year"),
        "countries": ("IT",),
        "coverage": (CoverageArea(kind="operator_code", country="IT", value="999"),),
    }
    return Offer(**(usual | changes))


def wish(**changes: Any) -> Wish:
    usual: dict[str, Any] = {"countries": ("IT", "ES"), "customers": 3, "scope": DataScope(granularities=("PT1H",))}
    return Wish(**(usual | changes))


@pytest.mark.parametrize("name", TABLES)
def test_every_state_is_reached_and_only_the_final_ones_are_dead_ends(name: str) -> None:
    table, start = TABLES[name]
    reached, waiting = {start}, [start]
    while waiting:
        state = waiting.pop()
        following = {advance(table, state, command) for command in commands(table, state)} - reached
        reached |= following
        waiting += following
    assert reached == {state for state, _ in table} | set(table.values())
    assert {state for state in reached if not commands(table, state)} == FINAL[name]


@pytest.mark.parametrize(
    ("table", "state", "command"),
    [
        (SUBSCRIPTION, "drafted", "sign_provider"),
        (SUBSCRIPTION, "quit", "reinstate"),
        (SUBSCRIPTION, "suspended", "sign_provider"),
        (OFFER_VERSION, "withdrawn", "publish"),
        (PLAYER, "refused", "admit"),
        (PLAYER, "applied", "suspend"),
    ],
)
def test_what_is_not_in_the_table_is_refused_with_what_is_allowed(table: Table, state: str, command: str) -> None:
    with pytest.raises(WrongState) as caught:
        advance(table, state, command)
    assert caught.value.members["allowed"] == list(commands(table, state))


@pytest.mark.parametrize(
    ("state", "later", "expected"),
    [
        ("drafted", "active", True),
        ("requester_signed", "quit", True),
        ("active", "drafted", False),
        ("active", "active", False),
        ("active", "suspended", False),
        ("quit", "expired", False),
    ],
)
def test_a_state_comes_before_another_where_no_way_leads_back(state: str, later: str, expected: bool) -> None:
    assert comes_before(SUBSCRIPTION, state, later) is expected


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        ("2026-01-31", "P1M", "2026-02-28"),
        ("2028-01-31", "P1M", "2028-02-29"),
        ("2028-02-29", "P1Y", "2029-02-28"),
        ("2026-12-15", "P1M", "2027-01-15"),
        ("2026-01-31", "P1M1D", "2026-03-01"),
        ("2026-03-01", "P1Y2M3D", "2027-05-04"),
    ],
)
def test_a_duration_is_counted_on_the_calendar(start: str, duration: str, end: str) -> None:
    assert add_duration(datetime.fromisoformat(start), duration) == datetime.fromisoformat(end)


@pytest.mark.parametrize("text", ["P0D", "P0Y0M0D", "P11Y", "PT1H", "P", "1Y", "P-1D", "P1W"])
def test_a_duration_of_nothing_or_of_too_much_is_none(text: str) -> None:
    with pytest.raises(EmptyDuration):
        parse_duration(text, field="/duration")


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(1, 60), st.integers(0, 400))  # noqa: DTZ001
def test_a_longer_duration_never_ends_earlier(start: datetime, months: int, days: int) -> None:
    end = add_duration(start, f"P{months}M{days}D")
    assert end > start
    assert end <= add_duration(start, f"P{months}M{days + 1}D")
    assert end <= add_duration(start, f"P{months + 1}M{days}D")


def player(n: int, name: str) -> PlayerView:
    key = Jwk(x="A" * 43, kid="k")
    return PlayerView(
        access_number=access_number(n), organisation=name, country="IT", roles=("requester",), activity="esco",
        legal_id=LegalIdentifier(kind="GLN", value="9520000000019"), contact="a@b.example", status="admitted",
        endpoints=Endpoints(b2b="https://a.example"), keys=KeySet(transport=(key,), contract=(key,)),
    )  # fmt: skip


def contract(**changes: Any) -> ServiceContract:
    made = offer(**changes)
    view = OfferView(
        offer_id="off_" + "0" * 24, version=2, status="published", provider=access_number(2), provider_name="Rete",
        offer=made, digest=made.fingerprint(),
    )  # fmt: skip
    return service_contract(
        "sub_" + "1" * 24, view, player(2, "Rete"), player(3, "Sun <b>Coop</b>\n# Heading"),
        general=general_contract(1, "regulated", "The Hall"), options=tuple(one.code for one in made.options),
        repository=Repository(url="https://sun.example/in/"), drafted_at=NOON,
    )  # fmt: skip


def test_a_service_contract_holds_the_whole_offer_and_lasts_as_offered() -> None:
    made = contract(duration="P1Y")
    assert (made.access_from, made.access_until) == (NOON, datetime(2027, 3, 1, 12, tzinfo=UTC))
    assert made.general_contract == general_contract(1, "regulated", "The Hall").fingerprint()
    assert made.offer == offer(duration="P1Y")
    assert ServiceContract.model_validate(made.document()).fingerprint() == made.fingerprint()


def test_the_readable_contract_names_every_agreed_particular() -> None:
    option = ServiceOption(code="report", title="Weekly report", price=Price(amount="3", per="delivery"))
    made = contract(
        options=(option,),
        scope=DataScope(kind="aggregate", granularities=("P1D",), period=TWO_YEARS),
        minimum_group=12,
    )
    text = readable_contract(made)
    for part in (
        made.subscription_id, made.offer_id, made.fingerprint(), made.general_contract, made.provider.access_number,
        made.requester.access_number, "9520000000019", "aggregate", "P1D", "2024-01-01", "2026-01-01", "csv, parquet",
        "12", "https://sun.example/in/", "Weekly report", "3 EUR for a delivery", "1.20 EUR for a point of delivery",
        "86400 s", "60 s", "99.0 %", "30 days", "2027-03-01 12:00:00 UTC", "customer confirmed", "999",
    ):  # fmt: skip
        assert part in text, part


def test_nothing_a_player_writes_becomes_markup() -> None:
    text = readable_contract(contract(title="[click](https://evil.example)", summary="a\n# Forged heading\n<script>"))
    assert "\n# Forged" not in text
    assert "\n# Heading" not in text
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "[click](" not in text
    assert text.count("\n# ") == 0


def test_the_general_contract_says_who_answers_for_what() -> None:
    terms = general_contract(1, "unregulated", "The Hall")
    text = readable_terms(terms)
    assert [article.number for article in terms.articles] == list(range(1, len(terms.articles) + 1))
    for part in ("GDPR", "2016/679", "unregulated market", "The Hall", "without limit", "quit", "Article 82"):
        assert part in text
    assert "{" not in text
    assert terms.fingerprint() != general_contract(1, "regulated", "The Hall").fingerprint()


MISFITS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, []),
    ({"countries": ("ES",)}, {}, ["country"]),
    ({"scope": DataScope(kind="aggregate", granularities=("PT1H",))}, {}, ["kind"]),
    ({"scope": DataScope(timing="forecast", granularities=("PT1H",))}, {}, ["timing"]),
    ({"scope": DataScope(directions=("import", "export"), granularities=("PT1H",))}, {}, ["direction"]),
    ({"scope": DataScope(granularities=("PT15M", "PT1H"))}, {}, ["granularity"]),
    ({"formats": ("espi", "csv")}, {}, []),
    ({"formats": ("espi",)}, {}, ["format"]),
    ({}, {"scope": DataScope(granularities=("PT1H",), period=TWO_YEARS)}, ["period"]),
    ({"highest_price": Price(amount="0.10", per="pod_month")}, {}, []),
    ({"highest_price": Price(amount="0.09", per="pod_month")}, {}, ["price"]),
    ({"highest_price": Price(amount="1.19", per="pod_year")}, {}, ["price"]),
    ({"highest_price": Price(amount="9", per="delivery")}, {}, ["price_unit"]),
    ({"highest_price": Price(amount="0", per="free")}, {}, ["price"]),
    ({"highest_price": Price(amount="0", per="free")}, {"price": Price(amount="0", per="free")}, []),
    ({"countries": ("ES",), "formats": ("espi",)}, {}, ["country", "format"]),
]


@pytest.mark.parametrize(("wanted", "given_", "codes"), MISFITS)
def test_every_reason_why_an_offer_does_not_fit(
    wanted: dict[str, Any], given_: dict[str, Any], codes: list[str]
) -> None:
    found = fits(wish(**wanted), offer(**given_))
    assert [one.code for one in found] == codes
    assert all(one.sentence.endswith(".") for one in found)


@given(st.decimals("0.01", "99", places=2), st.decimals("0.01", "99", places=2))
def test_monthly_and_yearly_prices_compare_as_money(highest: Decimal, asked: Decimal) -> None:
    found = fits(
        wish(highest_price=Price(amount=str(highest), per="pod_month")),
        offer(price=Price(amount=str(asked), per="pod_year")),
    )
    assert bool(found) == (asked > 12 * highest)


@pytest.mark.parametrize("scheme", ["IT", "ES", "BE"])
def test_a_pod_in_a_text_is_found_in_one_piece_and_in_groups(scheme: str) -> None:
    pod = demonstration_pod(scheme, 4711).value
    grouped = " ".join(pod[at : at + 4] for at in range(0, len(pod), 4))
    for text in (pod, f"for {pod}, please", f"meter {grouped} and others", pod.lower(), "-".join(grouped.split())):
        with pytest.raises(TextHoldsPod):
            refuse_pods(text, field="/text")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hourly readings of 1,250,000 meters from 2019 to 2026, in Italy and Spain; contact desk@rete.example.",
        "GLN 9520000000019, LEI 529900T8BM49AURSDO55, telephone +39 02 1234 5678 90",
        "IT operators 001 to 999",
    ],
)
def test_an_ordinary_text_is_not_taken_for_a_pod(text: str) -> None:
    refuse_pods(text, field="/text")


WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


@pytest.mark.parametrize("scheme", ["IT", "ES", "BE"])
def test_a_pod_in_a_text_is_found_in_disguise(scheme: str) -> None:
    pod = demonstration_pod(scheme, 4711).value
    pairs = "/".join(pod[at : at + 2] for at in range(0, len(pod), 2))
    for text in (pod.translate(WIDE), " ".join(pod), ".".join(pod), "\u200b".join(pod), f"x{pod}y", pairs):
        with pytest.raises(TextHoldsPod):
            refuse_pods(f"for {text} please", field="/text")


def test_a_point_named_by_an_eic_is_found_with_its_dashes() -> None:
    with pytest.raises(TextHoldsPod):
        refuse_pods("for 38ZEE-00000123-J, please", field="/text")


@pytest.mark.parametrize(
    "text",
    [
        "From 2012, 2013, 2014, 2015, 2016 and 2017 on; 01.01.2017 12:00 to 31.12.2017 12:00, in PT15M, PT1H or P1D.",
        "IBAN IT60 X054 2811 1010 0000 0123 456, BE71 0961 2345 6769",
        "Order 20170101123456 of the 1 2 3 4 5 steps",
        "sha-256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_dates_accounts_and_digests_are_not_taken_for_a_pod(text: str) -> None:
    refuse_pods(text, field="/text")


@pytest.mark.parametrize("text", ["12345678901234", "prm 12345678901234"])
def test_where_an_id_is_expected_a_bare_number_is_refused_too(text: str) -> None:
    refuse_pods(text, field="/subject")
    with pytest.raises(TextHoldsPod):
        refuse_pods(text, field="/subject", is_id=True)
    refuse_pods("standing_acceptance", field="/subject", is_id=True)


def covering(kind: str, country: str, value: str) -> Offer:
    area = CoverageArea.model_validate({"kind": kind, "country": country, "value": value})
    return offer(countries=(country,), coverage=(area,))


NARROW = [
    ("identifier_prefix", "BE", "54144882000000000"),
    ("identifier_prefix", "BE", "54144882000000"),
    ("identifier_prefix", "IT", "IT001E1234567"),
    ("identifier_prefix", "IT", "IT001E12345"),
    ("identifier_prefix", "ES", "ES999900000000000"),
    ("identifier_prefix", "FR", "12345678901"),
    ("identifier_prefix", "AT", "AT0010000000000000000001000000"),
    ("operator_code", "BE", "54144882000000000"),
    ("operator_code", "ES", "IT001E1234567"),
    ("postcode", "IT", "IT001E1234567"),
    ("municipality", "IT", " ".join(demonstration_pod("BE", 1).value)),
    ("municipality", "BE", ".".join(demonstration_pod("IT", 1).value)),
]


@pytest.mark.parametrize(("kind", "country", "value"), NARROW)
def test_a_coverage_leaves_room_for_many_points(kind: str, country: str, value: str) -> None:
    with pytest.raises(CoverageIsPod) as caught:
        check_offer(covering(kind, country, value))
    assert caught.value.field == "/coverage/0/value"


@pytest.mark.parametrize(
    ("kind", "country", "value"),
    [
        ("identifier_prefix", "IT", "001E12345678"),
        ("identifier_prefix", "BE", "IT001E"),
        ("identifier_prefix", "BG", "32"),
        ("operator_code", "IT", "54144882000000000"),
        ("postcode", "IT", "5414488200000000"),
    ],
)
def test_a_coverage_that_could_hold_no_point_is_refused(kind: str, country: str, value: str) -> None:
    with pytest.raises(InvalidCoverage) as caught:
        check_offer(covering(kind, country, value))
    assert caught.value.field == "/coverage/0/value"


@pytest.mark.parametrize(
    ("kind", "country", "value"),
    [
        ("identifier_prefix", "BE", "5414488200000"),
        ("identifier_prefix", "IT", "it 999 e 5000"),
        ("identifier_prefix", "DE", "DE000562"),
        ("identifier_prefix", "EE", "38ZEE-0000"),
        ("operator_code", "NO", "7080000000005"),
        ("operator_code", "CZ", "27X100A100A0001A"),
        ("operator_code", "AT", "AT001000"),
        ("postcode", "PT", "1000-001"),
        ("municipality", "BE", "Sint-Pieters-Woluwe"),
    ],
)
def test_a_coverage_of_many_points_is_taken(kind: str, country: str, value: str) -> None:
    check_offer(covering(kind, country, value))


@pytest.mark.parametrize(
    ("service", "timing", "granularities", "field"),
    [
        ("forecast", "forecast", ("PT15M", "PT1H"), None),
        ("metering_data", "historical", ("PT1H", "P1D"), None),
        ("metering_data", "forecast", ("PT1H",), "/scope/timing"),
        ("forecast", "historical", ("PT1H",), "/scope/timing"),
        ("forecast", "forecast", ("PT1H", "P1D"), "/scope/granularities"),
        ("forecast", "forecast", ("PT1H", "P7D"), "/scope/granularities"),
    ],
)
def test_a_service_of_forecasts_has_their_timing_and_slots_of_a_day(
    service: str, timing: str, granularities: tuple[str, ...], field: str | None
) -> None:
    scope = DataScope.model_validate({"timing": timing, "granularities": granularities})
    made = offer(service_type=service, scope=scope)
    if field is None:
        check_offer(made)
        return
    with pytest.raises(InvalidOffer) as refusal:
        check_offer(made)
    assert refusal.value.field == field


HALL = "https://hall.example"
CALLED = [
    ("https://sun.example/inbox", HALL, True),
    ("https://8.8.8.8", HALL, True),
    ("https://hall.example:443/v1/inbox", HALL, False),
    ("https://HALL.example", HALL, False),
    ("https://localhost:8443", HALL, False),
    ("https://127.1", HALL, False),
    ("https://2130706433", HALL, False),
    ("https://[::ffff:127.0.0.1]", HALL, False),
    ("https://10.1.2.3", HALL, False),
    ("https://169.254.169.254/latest", HALL, False),
    ("https://10.1.2.3", "https://10.9.9.9:8443", True),
    ("https://localhost:8443", "https://10.9.9.9:8443", False),
    ("https://127.0.0.1:9443", "https://localhost:8443", True),
    ("https://[::1]:9443", "https://localhost:8443", True),
    ("https://10.1.2.3", "https://localhost:8443", True),
    ("https://[fe80::1]", "https://localhost:8443", False),
    ("https://0.0.0.0", "https://localhost:8443", False),
    ("sftp://10.1.2.3/folder", HALL, False),
]


@pytest.mark.parametrize(("address", "own", "may"), CALLED)
def test_what_is_called_without_a_person_asking_is_not_within_our_own_walls(address: str, own: str, may: bool) -> None:
    if may:
        check_called(address, own, field="/inbox")
        return
    with pytest.raises(AddressInvalid) as refused:
        check_called(address, own, field="/inbox")
    assert refused.value.field == "/inbox"
