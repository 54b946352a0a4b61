"""The camera: one page, in both sizes, as a small WebP file; dark as well where that is wanted."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import CDPSession, Page
from tests.e2e.browser.visits import DESKTOP, PHONE

SIZES = {"desktop": DESKTOP, "phone": PHONE}
SCALE = {"desktop": 0.7, "phone": 0.85}
TALLEST = {"desktop": 1100, "phone": 1200}
"""A longer page is cut off below, in CSS pixels."""
WHOLE = frozenset({"provider-oauth-authorize"})
"""Pages that must be seen to their end."""
QUALITY = 38


@dataclass
class Camera:
    """Where the pictures go, and which were taken."""

    folder: Path
    taken: set[str] = field(default_factory=set)
    session: dict[int, CDPSession] = field(default_factory=dict)

    def page(self, page: Page, name: str, *, dark: bool = False) -> None:
        """Photograph a page in both sizes, light; dark as well if wanted."""
        self.taken.add(name)
        for looks in ("light", "dark") if dark else ("light",):
            for size, viewport in SIZES.items():
                page.emulate_media(color_scheme=looks, reduced_motion="reduce")  # type: ignore[arg-type]
                page.set_viewport_size(viewport)  # type: ignore[arg-type]
                page.wait_for_function("([w, h]) => innerWidth === w && innerHeight === h", arg=[*viewport.values()])
                high = page.locator("body").evaluate("one => one.getBoundingClientRect().height")
                clip = {
                    "x": 0,
                    "y": 0,
                    "width": viewport["width"],
                    "height": high if name in WHOLE else min(high, TALLEST[size]),
                }
                suffix = "-dark" if looks == "dark" else ""
                self._keep(page, f"{name}-{size}{suffix}", clip, SCALE[size])
        page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
        page.emulate_media(color_scheme="light")

    def part(self, page: Page, selector: str, name: str, *, width: int = 760) -> None:
        """Photograph one element of a page, light and dark."""
        self.taken.add(name)
        page.set_viewport_size({"width": width, "height": 900})
        for looks in ("light", "dark"):
            page.emulate_media(color_scheme=looks, reduced_motion="reduce")  # type: ignore[arg-type]
            box = page.locator(selector).first.evaluate(
                "one => { const b = one.getBoundingClientRect();"
                " return {x: b.x + scrollX - 12, y: b.y + scrollY - 12, width: b.width + 24, height: b.height + 24}; }"
            )
            clip = {**box, "x": max(box["x"], 0), "y": max(box["y"], 0)}
            self._keep(page, f"{name}-{looks}", clip, 1.0)

    def _keep(self, page: Page, name: str, clip: dict[str, float], scale: float) -> None:
        session = self.session.get(id(page))
        if session is None:
            session = self.session[id(page)] = page.context.new_cdp_session(page)
        shown = session.send(
            "Page.captureScreenshot",
            {"format": "webp", "quality": QUALITY, "captureBeyondViewport": True, "clip": {**clip, "scale": scale}},
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{name}.webp").write_bytes(base64.b64decode(shown["data"]))
