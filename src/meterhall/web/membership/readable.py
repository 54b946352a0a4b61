"""The readable text of a contract as HTML: headings, lists, paragraphs; everything in it is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

INLINE = re.compile(r"\\(.)|`([^`]*)`|\*((?:[^*\\]|\\.)+)\*|([^\\`*]+|.)", re.DOTALL)
HEADING = re.compile(r"(#{1,3}) (.*)", re.DOTALL)


def as_html(text: str) -> SafeString:
    """What `domain.market.contracts` writes, to be read on a page; its headings begin at the second level."""
    return format_html_join("\n", "{}", ((_block(block),) for block in text.strip().split("\n\n") if block.strip()))


def _block(block: str) -> SafeString:
    heading = HEADING.fullmatch(block)
    if heading:
        level = min(len(heading[1]) + 1, 4)
        return format_html("<h{}>{}</h{}>", level, _inline(heading[2]), level)
    lines = block.split("\n")
    if all(line.startswith("- ") for line in lines):
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((_inline(line[2:]),) for line in lines)))
    return format_html("<p>{}</p>", _inline(block))


def _inline(text: str) -> SafeString:
    return format_html_join("", "{}", ((piece,) for piece in _pieces(text)))


def _pieces(text: str) -> Iterator[str]:
    for match in INLINE.finditer(text):
        escaped, code, stressed, plain = match.groups()
        if code is not None:
            yield format_html("<code>{}</code>", code)
        elif stressed is not None:
            yield format_html("<em>{}</em>", _inline(stressed))
        else:
            yield escaped or plain
