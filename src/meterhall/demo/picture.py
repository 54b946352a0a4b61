"""The load-curve picture of the demo: the chart of the requester's own page, kept as a file that stands on its own."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin

from lxml import etree

from meterhall.demo.person import NotThere, Page, Person

SVG = "http://www.w3.org/2000/svg"
SHEETS = ("tokens", "charts")
DRAWING = re.compile(r'class="chart-plot"[^>]*>(<svg.*?</svg>)\s*</div>', re.DOTALL)
"""As it was sent: an HTML parser would lower the case of SVG's attributes."""
LIGHT_DARK = re.compile(r"light-dark\((#[0-9a-fA-F]+), *#[0-9a-fA-F]+\)")
"""A picture in a file is light."""


def keep_picture(person: Person, path: str, file: Path) -> Path:
    """Write the first chart of a page of the portal as an SVG file with its style in it; the file."""
    page = person.get(path)
    drawn = DRAWING.search(page.text)
    if drawn is None:
        raise NotThere(f"{page.path} (HTTP {page.status}) shows no chart.")
    root = etree.fromstring(drawn[1].replace("<svg", f'<svg xmlns="{SVG}"', 1))
    style = etree.SubElement(root, f"{{{SVG}}}style")
    style.text = _style(person, page)
    root.insert(0, style)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(etree.tostring(root, encoding="utf-8", xml_declaration=True))
    return file


def _style(person: Person, page: Page) -> str:
    """The page's own sheets that a chart needs."""
    sheets = [str(href) for href in page.document.xpath("//link[@rel='stylesheet']/@href")]
    wanted = [href for href in sheets if any(name in href for name in SHEETS)]
    text = "\n".join(person.http.get(urljoin(page.url, href)).text for href in wanted)
    return LIGHT_DARK.sub(r"\1", text) + "\nsvg { background: var(--paper); }\n"
