"""An engineer's way with the SDK: from a list of points to frames that hold what was measured, and nothing twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import combinations

import polars as pl
import pytest

from meterhall.client import Activation, GivenConsents, Meterhall, Need, Progress, Subscription
from meterhall.client.activations import NothingToActivate
from meterhall.client.asking import ConsentNotAsked, ConsentRefused, UnknownRedirectUri
from meterhall.client.consents import WrongIssuer
from meterhall.client.curves import GroupUnclear
from meterhall.client.errors import RemoteRefusal, TokenRefused
from meterhall.client.home import BadClient, WrongPassphrase
from tests.e2e.sdk.conftest import CONSENTING, PASSPHRASE, REDIRECT, Office
from tests.e2e.town import FIRST, MOVED, MOVED_IN, UNTIL, cups, pod, quarters, readings, wait_for, watt_hours

CORRECTED = 41


def measured(numbers: list[int], first: date = FIRST, until: date = UNTIL) -> dict[tuple[str, object], float]:
    return {
        (pod(number), start): float(watt_hours(number, start))
        for number in numbers
        for start in quarters(max(first, MOVED_IN) if number == MOVED else first, until)
    }


def values(frame: pl.DataFrame) -> dict[tuple[str, object], float]:
    return {(row["pod"], row["start"]): row["energy_wh"] for row in frame.iter_rows(named=True)}


def test_localisation_sends_no_pod_and_answers_every_line(office: Office):
    unknown = cups(1).replace("9999", "9998", 1)
    sent: list[bytes] = []
    office.hall._desk.http.event_hooks["request"] = [lambda request: sent.append(request.read())]
    found = office.hall.localise(pl.DataFrame({"pod": [pod(1), "no number", pod(1), unknown], "country": [None] * 4}))
    office.hall._desk.http.event_hooks["request"] = []
    assert [b"9999" in body for body in sent] == [True]
    assert pod(1)[6:].encode() not in sent[0]
    grid = office.streets.numbers["grid"]
    assert [place.provider for place in found] == [grid, None, grid, None]
    assert [line.written for line in found.lines(grid)] == [pod(1)]
    assert [place.code for place in found.unresolved] == ["pod_unknown_scheme", found.places[3].code]
    assert found.frame["pod"].to_list()[:2] == [pod(1), "no number"]
    assert pod(1) not in repr(found)


def test_a_contract_is_signed_by_whoever_knows_the_passphrase(office: Office, contract: Subscription):
    assert contract.state == "active"
    with pytest.raises(WrongPassphrase):
        office.hall.signer("Somebody", "another passphrase")
    again = office.hall.subscribe(contract.contract.offer_id, ("corrections",))
    assert (again.id, again.state) == (contract.id, "active")
    assert contract.text().startswith("# ")


def test_what_is_loaded_is_what_was_measured(households: Activation):
    few = [0, 1, MOVED]
    loaded = households.load_curves(pods=[pod(number) for number in few])
    assert values(loaded.frame) == measured(few)
    assert loaded.frame["quality"].unique().to_list() == ["validated"]
    assert loaded.completeness.is_complete
    by_pod = {one.pod: one.expected for one in loaded.completeness}
    assert by_pod[pod(MOVED)] == len(measured([MOVED])) < by_pod[pod(0)] == len(measured([0]))
    frame = loaded.to_pandas()
    assert str(frame.dtypes["start"]) == "datetime64[us, UTC]"
    assert frame["energy_wh"].sum() == sum(measured(few).values())


def test_what_is_seen_at_once_is_what_was_measured(households: Activation):
    few = [0, 1, MOVED]
    seen = households.live_curves(pods=[pod(number) for number in few])
    assert values(seen.frame) == measured(few)
    assert seen.completeness.is_complete
    every = households.live_curves(("2025-03-29", "2025-04-01"), "PT1H", format="csv").frame
    assert every["pod"].n_unique() > len(few)
    columns = ["pod", "start", "resolution", "energy_wh", "quality"]
    delivered = households.load_curves(("2025-03-29", "2025-04-01"), "PT1H").frame
    assert every[columns].sort(columns[:2]).equals(delivered[columns].sort(columns[:2]))
    with pytest.raises(RemoteRefusal) as fault:
        households.live_curves(("2024-01-01", "2024-02-01"))
    assert fault.value.remote_code == "outside_activation"


@pytest.mark.parametrize(("form", "how"), [("csv", "zstd"), ("jsonl", "gzip"), ("espi", "none")])
def test_every_format_gives_the_same_frame_however_it_is_packed(households: Activation, form: str, how: str):
    period = ("2025-03-29", "2025-04-01")
    first = households.load_curves(period, "PT1H", pods=[pod(3)]).frame
    loaded = households.load_curves(period, "PT1H", pods=[pod(3)], format=form, compression=how)  # type: ignore[arg-type]
    assert {part.compression for part in loaded.manifest.parts} == {how}
    other = loaded.frame
    columns = ["pod", "start", "resolution", "energy_wh", "quality"]
    assert other[columns].equals(first[columns])
    assert first.height == 71


def test_a_group_is_told_by_its_measures_and_never_by_a_member(households: Activation):
    members, period = [number for number in range(5, 18) if number != MOVED], (date(2025, 3, 10), date(2025, 3, 12))
    told = households.group_curves(
        period, "PT1H", pods=[pod(number) for number in members], measures=("sum", "mean"), format="csv"
    )
    expected: dict[object, float] = {}
    for (_, start), energy in measured(members, *period).items():
        hour = start.replace(minute=0)  # type: ignore[attr-defined]
        expected[hour] = expected.get(hour, 0) + energy
    for measure, share in (("sum", 1), ("mean", 12)):
        rows = told.frame.filter(pl.col("measure") == measure)
        assert dict(zip(rows["start"], rows["energy_wh"], strict=True)) == {
            hour: pytest.approx(energy / share, abs=0.5) for hour, energy in expected.items()
        }
    assert [(one.pods, one.values, one.expected, one.withheld) for one in told.months] == [(12, 12 * 48, 12 * 48, 0)]
    assert "12 PODs" in str(told)
    for unclear in ({"measures": ("loudest",)}, {"over": {"area": "a", "postal_code": "b"}}, {"measures": ()}):
        with pytest.raises(GroupUnclear):
            households.group_curves(period, "PT1H", **unclear)  # type: ignore[arg-type]
    with pytest.raises(RemoteRefusal) as refused:
        households.group_curves(period, "PT1H", pods=[pod(5), pod(6)])
    assert refused.value.remote_code == "group_too_small"


def test_sums_over_areas_need_an_offer_of_them(contract: Subscription):
    made = contract.activate_areas(period=(FIRST, UNTIL))
    assert contract.activate_areas(period=(FIRST, UNTIL)).id == made.id
    with pytest.raises(RemoteRefusal) as refused:
        made.group_curves(over={"postal_code": "46003"}, granularity="PT1H")
    assert refused.value.remote_code == "outside_activation"


def test_what_is_missing_is_told_with_its_reason(office: Office, contract: Subscription):
    proofs = office.consents(range(2))
    proofs.jws[pod(1)] = proofs.jws[pod(0)]  # type: ignore[index]
    made = contract.activate([pod(0), pod(1), "no number"], proofs)
    answers = made.wait(120)
    assert len(answers.accepted) == 1
    told = {one.pod: (one.code, bool(one.advice)) for one in answers.refused}
    assert told == {pod(1): ("consent_missing", True), "no number": ("pod_unknown_scheme", False)}
    report = made.load_curves(("2025-03-01", "2025-03-02")).completeness
    assert (report.expected, report.missing, report.is_complete) == (96, 0, False)
    assert {one.code for one in report} == {None, "consent_missing", "pod_unknown_scheme"}
    with pytest.raises(NothingToActivate):
        contract.activate(["no number"])


def test_a_point_that_asks_its_customer_waits(office: Office, contract: Subscription):
    asking = [pod(CONSENTING.stop)]
    made = contract.activate(asking, "ask_customer")
    [waiting] = made.wait(120).pending
    assert waiting.state == "pending"
    again = contract.activate(asking, "ask_customer")
    assert again.id == made.id
    made.end("other")
    assert contract.activate(asking, "ask_customer").id != made.id


def test_a_customer_is_asked_on_the_providers_page(office: Office, contract: Subscription):
    need = Need("Advice on a heat pump", datetime.now(UTC) + timedelta(days=30))
    with pytest.raises(UnknownRedirectUri):
        contract.ask_consent(need, redirect_uri="https://elsewhere.invalid")
    back = asked_and_answered(office, contract, need, "allow")
    assert back.startswith(REDIRECT)
    with pytest.raises(WrongIssuer):
        office.hall.take_consent(back.replace("iss=", "iss=x"))
    with Meterhall.connect(office.home) as elsewhere:
        given = elsewhere.take_consent(back)
    assert (given.provider, given.subscription_id) == (contract.provider, contract.id)
    assert [detail.purpose for detail in given.details] == [need.purpose]
    with pytest.raises(ConsentNotAsked):
        office.hall.take_consent(back)
    asking = [pod(CONSENTING.stop)]
    made = contract.activate(asking, GivenConsents({asking[0]: given.consent_id}))
    assert len(made.wait(120).accepted) == 1
    with pytest.raises(ConsentRefused) as refused:
        office.hall.take_consent(asked_and_answered(office, contract, need, "refuse"))
    assert "access_denied" in refused.value.detail


def test_customers_come_back_to_a_new_address_once_it_is_declared(office: Office, contract: Subscription):
    moved, need = "https://moved.invalid/back", Need("Advice", datetime.now(UTC) + timedelta(days=30))
    for wrong in ({"address": "http://sdk.invalid"}, {"redirect_uris": ["nowhere"]}):
        with pytest.raises(BadClient, match="written https://host/path"):
            office.hall.declare_addresses(**wrong)  # type: ignore[arg-type]
    told = office.hall.declare_addresses(redirect_uris=[REDIRECT, moved])
    assert (told.endpoints.b2b, told.endpoints.redirect_uris) == ("https://sdk.invalid", (REDIRECT, moved))

    def asked() -> str:
        try:
            return contract.ask_consent(need, period=("2025-03-01", "2025-04-01"), redirect_uri=moved).url
        except TokenRefused:
            return ""

    url = wait_for("the provider to hear of it", asked)
    customer = office.streets.customer(CONSENTING.stop)
    answer = customer.submit(customer.get(url), "consent", {"decision": "refuse"})
    assert str(answer.response.headers["Location"]).startswith(moved)
    office.hall.declare_addresses(redirect_uris=[REDIRECT])


def asked_and_answered(office: Office, contract: Subscription, need: Need, decision: str) -> str:
    """The address the customer comes back to."""
    asked = contract.ask_consent(need, period=("2025-03-01", "2025-04-01"))
    customer = office.streets.customer(CONSENTING.stop)
    answer = customer.submit(customer.get(asked.url), "consent", {"decision": decision})
    return str(answer.response.headers["Location"])


def test_a_wish_finds_what_fits_and_is_made_once(office: Office):
    hall = office.hall
    asked = {"granularities": ("PT1H",), "formats": ("csv",), "period": ("2025-03-01", "2025-04-01")}
    made = hall.wish(["ES"], 400, **asked)  # type: ignore[arg-type]
    assert [match.fits for match in made.matches] == [True]
    assert hall.wish(["ES"], 400, **asked).wish_id == made.wish_id  # type: ignore[arg-type]
    [misfit] = hall.wish(["ES"], 400).matches
    assert (misfit.fits, "period" in misfit.reasons[0]) == (False, True)
    assert hall.wish(["BE"], 400).matches == ()
    assert hall.close_wish(made.wish_id).status == "closed"
    assert {one.wish_id: one.status for one in hall.wishes()}[made.wish_id] == "closed"


def test_the_same_script_again_is_the_same_activation(office: Office, contract: Subscription, households: Activation):
    with Meterhall.connect(office.home) as other:
        everybody = [pod(number) for number in CONSENTING]
        again = other.subscription(contract.id).activate(everybody, office.consents(CONSENTING))
        assert again.id == households.id
        assert households.id in {one.id for one in other.activations()}


def test_changes_are_told_once(office: Office, households: Activation):
    first = [page.frame.height for page in households.changes(restart=True)]
    assert sum(first) == len(measured(list(CONSENTING)))
    assert list(households.changes()) == []
    starts = quarters(date(2025, 3, 20), date(2025, 3, 21))
    office.streets.upload(readings([CORRECTED], starts, more=1000))
    page = next(households.changes())
    corrected = {(pod(CORRECTED), start): watt_hours(CORRECTED, start) + 1000.0 for start in starts}
    assert corrected.items() <= values(page.frame).items()
    assert next(households.changes()).frame.equals(page.frame), "a page not come back from comes again"
    assert len(list(households.changes())) == 1
    assert list(households.changes()) == []
    office.streets.upload(readings([CORRECTED], starts))  # others of this town expect what was measured
    assert sum(page.frame.height for page in households.changes()) >= len(starts)


KILLED = """
import os, signal, sys
from meterhall.client import Meterhall

def watch(progress):
    if progress.step == "download" and progress.done > progress.total / 2:
        os.kill(os.getpid(), signal.SIGKILL)

with Meterhall.connect(sys.argv[1] + "/", on_progress=watch) as hall:
    hall.activation(sys.argv[2]).load_curves(format="csv")
"""


def test_a_download_killed_half_way_goes_on_where_it_stopped(office: Office, households: Activation):
    command = [sys.executable, "-c", KILLED, str(office.home), households.id]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    partials = list(office.home.glob("files/*/*.partial"))
    came = [partial.stat().st_size for partial in partials]
    assert came, "parts are fetched together: it may have been killed in several"
    done = sum(file.stat().st_size for file in office.home.glob("files/*/*.part"))
    assert sum(came) + done > 1_000_000
    seen: list[Progress] = []
    with Meterhall.connect(office.home, on_progress=seen.append) as hall:
        loaded = hall.activation(households.id).load_curves(format="csv")
    delivery = loaded.manifest.delivery_id
    assert {partial.parent.name for partial in partials} == {delivery}, "the delivery that was asked for before"
    first = next(one.done for one in seen if one.step == "download" and one.done != done)
    told = (some for count in range(1, len(came) + 1) for some in combinations(came, count))  # whichever come first
    beyond = (first - sum(some) - here for some in told for here in (0, done))
    assert any(0 < more <= 1_000_000 for more in beyond), "nothing that was here is fetched again"
    assert loaded.frame.height == len(measured(list(CONSENTING)))
    assert list(office.home.glob("files/*")) == []
    wait_for(
        "the match", lambda: any(n.type == "delivery.matched" and n.subject == delivery for n in office.hall.news())
    )
    stated = office.hall._desk.marketplace.send(
        "GET", f"/v1/transactions/{loaded.manifest.subscription_id}/statements", params={"limit": 1000}
    ).json()["items"]
    mine = [one["statement"]["type"] for one in stated if one["statement"]["subject"] in (delivery, f"{delivery}:1")]
    assert sorted(mine) == ["data.requested", "delivery.published", "delivery.received", "receipt.acknowledged"]


def test_a_refusal_says_what_to_do(office: Office, contract: Subscription):
    with pytest.raises(RemoteRefusal) as refused:
        office.hall.subscription("sub_" + 24 * "0")
    assert (refused.value.remote_code, refused.value.advice != "") == ("unknown_subscription", True)
    with pytest.raises(RemoteRefusal) as refused:
        contract.activate([pod(5)], period=("2020-01-01", "2020-02-01"))
    assert refused.value.remote_code == "scope_exceeds_offer"
    assert "offer" in refused.value.advice


def test_a_signer_elsewhere_is_waited_for(office: Office):
    hall = office.hall
    offer = next(one for one in hall.search(country="ES") if one.provider == office.streets.numbers["grid"])
    waiting = hall.subscribe(offer)
    assert waiting.state == "drafted"
    with Meterhall.connect(office.home) as elsewhere:
        elsewhere.subscription(waiting.id).sign(elsewhere.signer("Stella Signer", PASSPHRASE))
    assert waiting.wait(120).state == "active"
    assert {one.id for one in hall.subscriptions("active")} >= {waiting.id}
    waiting.quit("A second one is not needed.")
    assert waiting.state == "quit"
    assert waiting.contract.access_until - waiting.contract.access_from >= timedelta(days=365)
