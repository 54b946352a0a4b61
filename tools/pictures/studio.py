"""The studio: the whole demo with all its operators, played once, and windows of a browser on its portals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.urls import resolve
from playwright.sync_api import Browser, sync_playwright
from tests.e2e.browser import hall
from tests.e2e.browser.visits import DESKTOP, Visit, carry_over, launch
from tools.pictures.camera import Camera
from tools.pictures.routes import name_of, urlconf

from meterhall.demo.cards import CardAuthority
from meterhall.demo.cast import operators
from meterhall.demo.launch import Plan, Town
from meterhall.demo.run import STEPS, plans
from meterhall.demo.stage import Stage

GALLERY = {"debug_kit": True, "contact": "desk@hall.example"}


def _plan(plan: Plan) -> Plan:
    """With somebody of the back office, and the gallery of the components at the Market Place."""
    extra = GALLERY if plan.role == "marketplace" else {}
    return hall.with_staff(replace(plan, settings={**plan.settings, **extra}))


@contextmanager
def open_town(folder: Path, say: Callable[[str], None]) -> Iterator[Stage]:
    """The five platforms of the demo after its ten steps, and an applicant who waits."""
    stage = Stage(Town(folder), operators(), CardAuthority.create(), say)
    try:
        stage.town.create(_plan(plan) for plan in plans(stage.operators))
        for operator in stage.operators:
            stage.cards.trust(stage.town.platforms[operator.key].home / "trust" / "consent")
        stage.town.start()
        for name, act in STEPS:
            with stage.step(name) as step:
                act(stage, step)
        hall.newcomer(stage)
        yield stage
    finally:
        stage.town.stop()


@dataclass
class Studio:
    """A browser before the portals, with a camera."""

    stage: Stage
    browser: Browser
    camera: Camera
    dark: frozenset[str]
    windows: dict[tuple[str, str], Visit] = field(default_factory=dict)

    def window(self, key: str, email: str = "") -> Visit:
        """A window on a portal, as somebody who has signed in, or as nobody."""
        if (key, email) not in self.windows:
            context = self.browser.new_context(viewport=DESKTOP, locale="en-GB")  # type: ignore[arg-type]
            if email:
                carry_over(self.stage.person(key, email), context)
            self.windows[key, email] = Visit(context, self.stage.town.platforms[key].portal)
        return self.windows[key, email]

    def shoot(self, visit: Visit, name: str) -> None:
        """Photograph a window as it stands."""
        self.camera.page(visit.page, name, dark=name in self.dark)

    def route(self, key: str, path: str) -> str:
        """The name of the page at a path of a portal."""
        platform = self.stage.town.platforms[key].role
        return name_of(platform, resolve(path.partition("?")[0], urlconf(platform)).route)


@contextmanager
def open_studio(stage: Stage, chromium: str, camera: Camera, dark: frozenset[str]) -> Iterator[Studio]:
    """Start the browser; it ends with everything in it."""
    with sync_playwright() as playwright:
        homes = [running.home for running in stage.town.platforms.values()]
        browser = launch(playwright, chromium, homes)
        try:
            yield Studio(stage, browser, camera, dark)
        finally:
            browser.close()
