"""A window of the browser that notes every fault, and a walk through all pages that links lead to."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

from axe_playwright_python.sync_playwright import Axe
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

from meterhall.demo.person import Person

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
OURS = "https://localhost:"
AXE = Axe()
ID = re.compile(r"\b([a-z]{2,4})_[0-9a-f]{24}\b|\bMH\d{10}\b|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|(?<=/)\d+(?=/|$)")


def launch(playwright: Playwright, chromium: str, homes: Iterable[Path]) -> Browser:
    """Chromium, which knows the keys of these platforms; any other certificate must be as good as anywhere."""
    keys = ",".join(_fingerprint(home / "tls" / "server.pem") for home in homes)
    trust = f"--ignore-certificate-errors-spki-list={keys}"
    return playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", trust])


def _fingerprint(certificate: Path) -> str:
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    return base64.b64encode(
        hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    ).decode()


def carry_over(person: Person, context: BrowserContext) -> None:
    """Somebody who has signed in already: the session goes to the window."""
    context.add_cookies(
        [{"name": one.name, "value": one.value or "", "url": person.portal_url} for one in person.http.cookies.jar]
    )


class Visit:
    """One window at a portal. `faults` gathers what the console complains of and what would leave the host."""

    def __init__(self, context: BrowserContext, portal: str) -> None:
        self.portal = portal
        self.faults: list[str] = []
        self.page: Page = context.new_page()
        context.on("console", self._console)
        context.on("request", self._request)
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"console at {self.page.url}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((OURS, "data:")):
            self.faults.append(f"left the host: {request.url}")

    def go(self, address: str) -> Page:
        """Open an address of the portal, or an absolute one; it must answer well."""
        answer = self.page.goto(urljoin(self.portal + "/", address))
        assert answer is not None
        assert answer.status < 400, f"{answer.status} {address}"
        return self.page

    def press(self, name: str) -> Page:
        """Press the button with this name and wait for what it leads to."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name, exact=True).click()
        return self.page

    def show_code(self, person: Person) -> None:
        """Where the second factor is asked for once more, type the app's code."""
        if "/account/confirmation" in self.page.url or "/account/second-factor" in self.page.url:
            self.page.get_by_label("Code from your authenticator app").fill(person.code())
            self.press("Continue")

    @property
    def heading(self) -> str:
        return self.page.locator("h1").inner_text()


def walk(visit: Visit, start: str = "/") -> Iterator[str]:
    """Visit every page links lead to from `start`, one of each kind; where it is, while the page is open."""
    waiting, seen = [start], set()
    while waiting:
        path = waiting.pop(0)
        if (kind := kind_of(path)) in seen:
            continue
        seen.add(kind)
        visit.go(path)
        yield path
        links = visit.page.eval_on_selector_all("a[href]:not([download])", "found => found.map(one => one.href)")
        waiting += [_within(visit.portal, link) for link in links if _within(visit.portal, link)]


def broken_links(page: Page) -> list[str]:
    """Addresses of the same portal the page links to, files included, that answer with a fault."""
    return page.evaluate(
        """async () => {
            const links = [...document.querySelectorAll("main a[href]")].map(one => one.href);
            const ours = [...new Set(links)].filter(one => one.startsWith(location.origin) && !one.includes("#"));
            const answers = await Promise.all(ours.map(one => fetch(one).then(answer => [answer.status, one])));
            return answers.filter(([status]) => status >= 400).map(([status, one]) => `${status} ${one}`);
        }"""
    )


def _within(portal: str, link: str) -> str:
    """The path of a link to a page of the portal; files are fetched by other tests."""
    parts = urlsplit(link)
    if f"{parts.scheme}://{parts.netloc}" != portal:
        return ""
    if parts.path.endswith((".csv", ".json")) or "/proofs/" in parts.path or "export=" in parts.query:
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "")


def kind_of(path: str) -> str:
    """What a page's address has in common with its like: no ids, and of a query only which names it has."""
    parts = urlsplit(path)
    names = sorted({name for name, _ in parse_qsl(parts.query)} - {"sort", "page"})
    return f"{ID.sub('*', parts.path)}?{','.join(names)}"


def faults_of(page: Page, *, thorough: bool) -> list[str]:
    """Whether the page as it stands is wider than the window and, if `thorough`, what axe finds wrong with it."""
    violations = AXE.run(page).response["violations"] if thorough else []
    found = [f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in violations]
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return [*found, *([f"{wide} px wider than the window"] if wide > 0 else [])]
