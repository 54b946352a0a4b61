"""What is expected of tomorrow, from the offer to the frame with its error; and a contract that names a repository.

On a town of its own: one offer more would be found by the searches of the others. The page of the docs is typed.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from meterhall.client import Activation, AsyncMeterhall, Meterhall, SignedByCustomer, Subscription
from meterhall.client.errors import RemoteRefusal
from meterhall.client.forecasts import NotOfForecasts
from meterhall.client.subscriptions import BadRepository
from meterhall.domain.protocol.consents import ConsentStatement
from meterhall.domain.protocol.offers import DataScope, OfferView
from tests.e2e.sdk.conftest import PASSPHRASE, enter
from tests.e2e.sdk.reader import desk, walk
from tests.e2e.town import MADRID, MOVED, Streets, holder, offer, pod, quarters, readings, running, settle
from tests.unit.docs.pages import ROOT

NUMBERS = [number for number in range(13) if number != MOVED]
SILENT = 30
"""A household whose last reading is of last year."""
HISTORY = timedelta(days=40)
SCOPE = DataScope(timing="forecast", granularities=("PT15M", "PT1H"))


def tomorrow() -> date:
    return datetime.now(MADRID).date() + timedelta(days=1)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streets]:
    """A grid operator that offers forecasts as well, and has the readings of the last weeks."""
    with running(tmp_path_factory.mktemp("forecasts")) as made:
        settle(made)
        today = tomorrow() - timedelta(days=1)
        made.upload(readings(NUMBERS, quarters(today - HISTORY, today)))
        described = offer("Mañana", "9999", ["csv", "parquet"]) | {
            "service_type": "forecast",
            "scope": {"directions": ["import"], "granularities": ["PT15M", "PT1H"], "timing": "forecast"},
        }
        office, signer = made.office("grid"), made.person("grid", "signer@grid.invalid")
        draft = office.post("/offers", described)
        office.post(f"/offers/{draft['offer_id']}/publication")
        until = datetime.now(UTC) + timedelta(days=90)
        named = {"offers": f"{draft['offer_id']}:{draft['version']}", "most": "9", "until": until.strftime("%Y-%m-%d")}
        signer.submit(signer.get("/standing-acceptances"), "offers", named)
        yield made


def consents(streets: Streets, requester: str, numbers: list[int]) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        pod(one): streets.cards.signed(
            ConsentStatement(
                pod=pod(one), requester=requester, holder_reference=holder(one), scope=SCOPE, purpose="Advice",
                given_at=now, access_until=now + timedelta(days=30),
            )
        )
        for one in numbers
    }  # fmt: skip


@pytest.fixture(scope="module")
def hall(town: Streets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meterhall]:
    with enter(town, tmp_path_factory.mktemp("clients") / "my-company", "Consulta Mañana", 502) as entered:
        yield entered


@pytest.fixture(scope="module")
def found(hall: Meterhall) -> OfferView:
    [one] = hall.search(country="ES", service_type="forecast")
    return one


@pytest.fixture(scope="module")
def contract(hall: Meterhall, found: OfferView) -> Subscription:
    return hall.subscribe(found, signer=hall.signer("Stella Signer", PASSPHRASE)).wait(120)


@pytest.fixture(scope="module")
def households(town: Streets, hall: Meterhall, contract: Subscription) -> Activation:
    proof = SignedByCustomer(consents(town, hall.access_number, [*NUMBERS, SILENT]))
    made = contract.activate([pod(one) for one in (*NUMBERS, SILENT)], proof)
    assert len(made.wait(120).accepted) == len(NUMBERS) + 1
    return made


def test_tomorrow_comes_flagged_and_with_the_error_of_its_back_test(households: Activation) -> None:
    expected = households.forecasts("PT1H", timeout_s=240)
    hours = len(quarters(tomorrow(), tomorrow() + timedelta(days=1))) // 4
    assert expected.frame.height == hours * len(NUMBERS)
    assert expected.frame["quality"].unique().to_list() == ["projected"]
    assert expected.frame["energy_wh"].null_count() == 0
    assert set(expected.frame["start"].dt.convert_time_zone("Europe/Madrid").dt.date()) == {tomorrow()}
    assert expected.day == tomorrow()
    errors = expected.errors
    assert sorted(errors["pod"]) == sorted(pod(one) for one in NUMBERS)
    assert errors.filter((pl.col("tested_days") < 7) | (pl.col("known_until") > tomorrow())).is_empty()
    said = {one.pseudonym: one for part in expected.manifest.parts for one in part.forecasts or ()}
    assert sorted(errors["error_wh"]) == sorted(float(one.error_wh) for one in said.values())
    assert errors.filter(pl.col("error_wh") > pl.col("naive_error_wh")).is_empty(), "the best method is taken"
    assert expected.absent.rows() == [(pod(SILENT), "import", "history_too_short")]
    assert f"{expected.frame.height} values of {len(NUMBERS)} curves expected for {tomorrow()}" in str(expected)


def test_some_points_and_a_group_with_asyncio_too(hall: Meterhall, households: Activation) -> None:
    few = households.forecasts("PT15M", pods=[pod(1), pod(2)])
    assert sorted(few.errors["pod"]) == sorted([pod(1), pod(2)])
    members = [pod(one) for one in NUMBERS]

    async def told() -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
        async with AsyncMeterhall.connect(hall._desk.home.path) as other:
            activation = await other.activation(households.id)
            street, alone = await asyncio.gather(
                activation.group_forecasts("PT1H", pods=members, measures=("sum", "mean")),
                activation.forecasts("PT15M", pods=[pod(1), pod(2)]),
            )
            return street.frame, alone.frame, street.errors.columns

    street, alone, columns = asyncio.run(told())
    assert set(street["measure"]) == {"sum", "mean"}
    assert street["quality"].unique().to_list() == ["projected"]
    assert columns[0] == "measure"
    kept = ["pod", "start", "energy_wh"]
    assert alone.sort(kept).select(kept).equals(few.frame.sort(kept).select(kept)), (
        "the same readings, the same forecast"
    )


def test_another_day_and_an_activation_of_readings_are_refused(
    town: Streets, hall: Meterhall, households: Activation
) -> None:
    with pytest.raises(RemoteRefusal) as refused:
        households.forecasts(day=tomorrow() + timedelta(days=1))
    assert refused.value.remote_code == "forecast_day"
    [usual] = hall.search(country="ES", service_type="metering_data")
    readable = hall.subscribe(usual, signer=hall.signer("Stella Signer", PASSPHRASE)).wait(120)
    with pytest.raises(NotOfForecasts):
        readable.activate([pod(SILENT + 1)], "ask_customer").forecasts()


def test_a_contract_names_the_repository_deliveries_are_pushed_to(hall: Meterhall, contract: Subscription) -> None:
    signer, there = hall.signer("Stella Signer", PASSPHRASE), "https://sdk.invalid/repository"
    [usual] = hall.search(country="ES", service_type="metering_data")
    made = hall.subscribe(usual, signer=signer, repository=there + "/")
    assert made.contract.repository is not None
    assert (made.contract.repository.kind, made.contract.repository.url) == ("https", there)
    assert hall.subscribe(usual, repository=there).id == made.id
    pulled = hall.subscribe(usual)
    assert (pulled.contract.repository, pulled.id == made.id) == (None, False)
    for odd in ("ftp://sdk.invalid/x", "sftp://name:word@host/x", "here"):
        with pytest.raises(BadRepository):
            hall.subscribe(usual, repository=odd)


def test_the_page_is_typed(town: Streets, tmp_path: Path) -> None:
    home = tmp_path / "clients" / "my-company"
    with enter(town, home, "Lectora", 503) as entered:
        number = entered.access_number
    with (tmp_path / "customers.csv").open("w", newline="") as out:
        csv.writer(out).writerows([("pod",), *((pod(one),) for one in NUMBERS)])
    with (tmp_path / "consents.csv").open("w", newline="") as out:
        csv.writer(out).writerows([("pod", "jws"), *consents(town, number, NUMBERS).items()])
    names = {"--country BE": "--country ES", 'country="BE"': 'country="ES"'}
    page = ROOT / "docs" / "tutorials" / "forecasts.md"
    with desk(town.town.ca / "ca.pem", tmp_path) as shell:
        assert shell.run("export METERHALL_CLIENT=my-company")[0] == 0
        made = walk(shell, names, lambda _: None, {}, page, 9)
    assert made["tomorrow"].errors.height == len(NUMBERS)
    assert (tmp_path / "street.csv").read_text().startswith("measure,")
