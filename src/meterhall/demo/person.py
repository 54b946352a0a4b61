"""A person at a portal, driven as a browser without JavaScript would: links, forms, CSRF and an authenticator app."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from urllib.parse import urljoin

import httpx
from lxml import html

from meterhall.domain.errors import MeterhallError

STEP_S = 30
REDIRECTS = 10


class NotThere(MeterhallError):
    code = "demo_page_differs"
    title = "A page of the portal does not hold what the person of the demo looks for."


def totp(seed: str, step: int) -> str:
    """The six digits of an authenticator app in a time step (RFC 6238, SHA-1, 30 s)."""
    mac = hmac.digest(base64.b32decode(seed), step.to_bytes(8, "big"), hashlib.sha1)
    start = mac[-1] & 0x0F
    return f"{(int.from_bytes(mac[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


class Page:
    """A page as received: its address, status and forms."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.url = str(response.url)
        self.status = response.status_code
        self.text = response.text

    @property
    def path(self) -> str:
        return self.response.url.path

    @property
    def document(self) -> html.HtmlElement:
        return html.fromstring(self.text)

    def texts(self, xpath: str) -> list[str]:
        """The texts of the elements found, without surrounding space."""
        return [" ".join(element.text_content().split()) for element in self.document.xpath(xpath)]

    def form(self, holding: str) -> html.FormElement:
        """The form that has a field, or a form id, named `holding`. Raises `NotThere`."""
        for form in self.document.forms:
            if holding in form.fields or form.get("id") == holding:
                return form
        raise NotThere(f"{self.path} (HTTP {self.status}) has no form with {holding}.")


class Person:
    """One person with one browser (cookies) and one authenticator app, which keeps the seed it enrolled."""

    def __init__(
        self,
        portal_url: str,
        http: httpx.Client,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`http` verifies the portal's certificate; it is this person's alone, for its cookies."""
        self.portal_url = portal_url.rstrip("/")
        self.http = http
        self.clock = clock
        self.sleep = sleep
        self.seed = ""
        self.recovery_codes: list[str] = []
        self._last_step = 0
        self._seen: Page | None = None

    def redeem(self, link: str) -> Page:
        """Use a one-time link; at the first visit enrol the app and keep the recovery codes. The page it leads to."""
        page = self.submit(self.get(link), "csrfmiddlewaretoken")
        return self._second_factor(page)

    def sign_in(self, email: str, password: str) -> Page:
        """Sign in by e-mail and password, then the app's code."""
        page = self.submit(self.get("/account/sign-in"), "password", {"email": email, "password": password})
        return self._second_factor(page)

    def set_password(self, password: str) -> Page:
        """Choose a password."""
        page = self._second_factor(self.get("/account/password"))
        return self.submit(page, "again", {"password": password, "again": password})

    def confirm(self) -> Page:
        """Show the second factor once more, so that a signature may follow within five minutes."""
        return self.submit(self.get("/account/confirmation"), "code", {"code": self.code()})

    def sign_out(self) -> Page:
        """End the session."""
        return self.post("/account/sign-out", {})

    def code(self) -> str:
        """A code of the app that was not used yet: at once while the clock's tolerance has one, else after a wait."""
        step = max(int(self.clock()) // STEP_S, self._last_step + 1)
        early = (step - 1) * STEP_S - self.clock()
        if early > 0:
            self.sleep(early)
        self._last_step = step
        return totp(self.seed, step)

    def _second_factor(self, page: Page) -> Page:
        """Enrol or show the second factor where the page asks for it."""
        if seeds := page.texts("//*[@id='totp-seed']"):
            self.seed = seeds[0]
            page = self.submit(page, "code", {"code": self.code()})
            self.recovery_codes = page.texts("//*[@id='recovery-codes']//li")
            onward = page.document.xpath("//a[@id='onward']/@href")
            if not onward:
                raise NotThere(f"{page.path} (HTTP {page.status}) shows no recovery codes.")
            return self.get(str(onward[0]))
        if page.path in ("/account/second-factor", "/account/confirmation"):
            return self.submit(page, "code", {"code": self.code()})
        return page

    def get(self, path: str) -> Page:
        """A page, by path or absolute address, redirects followed within the portal."""
        return self._follow(self.http.get(urljoin(self.portal_url + "/", path)))

    def post(self, path: str, data: Mapping[str, str | list[str]]) -> Page:
        """Post a form's fields with the CSRF token of the page seen last."""
        if self._seen is None or not self._token():
            self.get("/account")
        return self._post(urljoin(self.portal_url + "/", path), {"csrfmiddlewaretoken": self._token(), **data})

    def submit(self, page: Page, holding: str, data: Mapping[str, str | list[str]] | None = None) -> Page:
        """Fill in the page's form that has the field (or id) `holding` and send it, with what it held already."""
        form = page.form(holding)
        held: dict[str, str | list[str]] = {}
        for name, value in form.form_values():
            held[name] = [*held.get(name, []), value]
        fields = held | dict(data or {})
        return self._post(urljoin(page.url, form.action or page.url), fields)

    def _token(self) -> str:
        tokens = self._seen.document.xpath("//input[@name='csrfmiddlewaretoken']/@value") if self._seen else []
        return str(tokens[0]) if tokens else ""

    def _post(self, url: str, fields: Mapping[str, str | list[str]]) -> Page:
        referer = self._seen.url if self._seen else self.portal_url + "/"
        origin = self.portal_url
        return self._follow(self.http.post(url, data=dict(fields), headers={"Referer": referer, "Origin": origin}))

    def _follow(self, response: httpx.Response) -> Page:
        """Redirects within the portal; one that leads elsewhere (to a requester's page) is handed back as it is."""
        for _ in range(REDIRECTS):
            following = response.next_request
            if following is None or not str(following.url).startswith(self.portal_url + "/"):
                break
            response = self.http.send(following)
        page = Page(response)
        if "text/html" in response.headers.get("Content-Type", "") and page.text.strip():
            self._seen = page
        return page
