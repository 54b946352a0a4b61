"""What people come for: a customer decides and withdraws on a phone, a signer signs, an analyst reads a curve."""

from __future__ import annotations

from playwright.sync_api import expect

from meterhall.demo.stage import Stage
from tests.e2e.browser.conftest import Open
from tests.e2e.browser.hall import CLOCK_CHANGE, GRID, consent_link, invite_customer, new_contract, wait
from tests.e2e.browser.test_joining import join
from tests.e2e.browser.visits import DESKTOP, PHONE


def test_a_customer_allows_a_part_and_withdraws_in_two_taps(visit: Open, hall: Stage) -> None:
    holder = hall.operators[0].households[0].holder
    phone = visit(GRID, size=PHONE, script=False)
    join(phone, invite_customer(hall, holder, "carla@customer.invalid"))
    page = phone.go(consent_link(hall, holder, "advice", "comparison"))
    assert phone.heading == "Clear Energy Advice (fictitious) asks for your energy data"
    phone.press("Go to Demonet Brussel (fictitious) and decide")

    allow, refuse = (page.get_by_role("button", name=name, exact=True).bounding_box() for name in ("Allow", "Refuse"))
    assert allow is not None
    assert refuse is not None
    assert (allow["width"], allow["height"]) == (refuse["width"], refuse["height"])
    phone.press("Allow")
    assert "There is a problem" in page.get_by_role("alert").inner_text()
    phone.faults.clear()  # the console names the 422 of a form that has to be completed

    page.get_by_label("Energy advice from your own load curve").check()
    phone.press("Allow")
    assert phone.heading.startswith("Thank you")
    told = page.locator("main").inner_text()
    assert "Energy advice" in told
    assert "Comparing your months" not in told

    phone.go("/")
    assert phone.heading == "Your consents"
    card = page.locator(".card").filter(has_text="Energy advice from your own load curve").first
    assert "Last read" in card.inner_text()
    before = page.get_by_role("button", name="Withdraw", exact=True).count()
    card.get_by_role("button", name="Withdraw", exact=True).click()
    phone.press("Yes, withdraw")
    assert "gets no more data" in page.get_by_role("status").inner_text()
    assert page.get_by_role("button", name="Withdraw", exact=True).count() == before - 1


def test_a_customer_refuses_and_nothing_is_shared(visit: Open, hall: Stage) -> None:
    home = hall.operators[0].households[-1]
    phone = visit(GRID, as_=f"{home.holder.lower()}@customer.invalid", size=PHONE, script=False)
    phone.go(consent_link(hall, home.holder, "advice"))
    phone.press("Go to Demonet Brussel (fictitious) and decide")
    phone.page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    box = phone.page.locator("main").bounding_box()
    assert box is not None
    assert box["width"] > DESKTOP["width"] / 2, "a page without navigation keeps the whole width"
    phone.press("Refuse")
    assert phone.heading == "You said no. Nothing is shared."


def test_the_signer_reads_and_signs_a_contract(visit: Open, hall: Stage) -> None:
    number = new_contract(hall)
    person = hall.person("requester", "signer@requester.invalid")
    window = visit("requester", as_="signer@requester.invalid", script=False)
    page = window.go(f"/contracts/{number}")
    page.get_by_role("link", name="Read and sign the contract").click()
    window.show_code(person)
    article = page.locator("article")
    assert "Demonet Brussel (fictitious)" in article.inner_text()
    assert article.locator("h2, h3").count() > 3
    window.press("Sign the contract")
    assert "Signed." in page.get_by_role("status").inner_text()

    wait("the contract at the grid operator", lambda: number in str(hall.office(GRID).all("/contracts")))
    signer = hall.person(GRID, "signer@belgium.invalid")
    theirs = visit(GRID, as_="signer@belgium.invalid", script=False)
    theirs.go(f"/contracts/{number}")
    theirs.press("Sign this contract")
    if "/account/" in theirs.page.url:
        theirs.show_code(signer)
        theirs.press("Sign this contract")
    assert theirs.page.get_by_role("button", name="Sign this contract").count() == 0


def test_the_day_of_25_hours_has_25_hours(visit: Open) -> None:
    window = visit("requester", as_="signer@requester.invalid")
    page = window.go("/curves")
    page.locator(".data tbody a").first.click()
    window.go(page.url.split("?")[0] + f"?from={CLOCK_CHANGE}&to=2016-10-31")
    chart = page.locator("figure.chart").first
    assert chart.locator("svg path.c-line").count() >= 1
    chart.get_by_text("Show as a table").click()
    rows = chart.locator("tbody tr").all_inner_texts()
    assert len(rows) == 25
    assert sum("02:00" in row.split("\t")[0] for row in rows) == 2
    chart.get_by_role("link", name="Week").click()
    expect(chart.locator("tbody tr")).to_have_count(7 * 24 + 1)
    assert chart.locator("[aria-current]").inner_text() == "Week"


def test_the_grid_operators_monday(visit: Open, hall: Stage) -> None:
    window = visit(GRID, as_="staff@belgium.invalid", script=False)
    page = window.go("/today")
    for caption in ("What came in", "What is late", "Who waits", "What was delivered", "Promises at risk"):
        assert page.get_by_text(caption).first.is_visible()
    page.locator("table", has_text="What was delivered").locator("a").first.click()
    assert window.page.locator("h1").inner_text().startswith("dlv_")


def test_first_paint_is_quick_and_light(visit: Open) -> None:
    window = visit("marketplace")
    window.go("/")
    window.go("/")
    sizes = window.page.evaluate(
        "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
        ".map(one => one.encodedBodySize)"
    )
    assert 0 < sum(sizes) < 100_000
