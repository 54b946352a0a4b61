"""What every list of the pages must do: narrow, give as a file what it shows, answer a filter it does not know."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Mapping

from django.http import HttpResponse

Get = Callable[[str], HttpResponse]


def shown(page: str) -> list[str]:
    """The first cell of each row of the list, as text."""
    frame = page.partition('id="table"')[2].partition("</tbody>")[0]
    rows = frame.partition("<tbody>")[2].split("<tr>")[1:]
    return [_text(re.search(r'class="cell-value">(.*?)</td>', row, re.S)[1]) for row in rows]  # type: ignore[index]


def _text(cell: str) -> str:
    return html.unescape(re.sub(r"<button.*?</button>|<[^>]+>", "", cell, flags=re.S)).strip()


def holds(
    get: Get, path: str, narrowings: Mapping[str, int], unknown: str, *, first: Callable[[str], str] = str
) -> None:
    """`narrowings`: of each query the rows it must leave; `unknown`: a query whose value is no choice.

    `first` makes of a first cell in the file what the page shows there.
    """
    everything = shown(_page(get, path))
    for query, left in narrowings.items():
        page = _page(get, f"{path}?{query}")
        found = shown(page)
        assert len(found) == left, (path, query, found)
        assert left < len(everything) <= 25, (path, query, everything)
        file = get(f"{path}?{query}&export=csv")
        assert file.status_code == 200
        assert [first(row[0]) for row in list(csv.reader(io.StringIO(file.content.decode())))[1:]] == found, query
        assert ">Clear</a>" in page
        name, _sign, value = query.partition("=")
        assert left == 0 or f"?{name}={value}&amp;export=csv" in page, (path, query)
        if not left:
            assert "the filter hides" in page, (path, query)
            assert "Clear the filter</a>" in page
            assert get(f"{path}?{query}&sort=x").status_code == 200
    assert _page(get, path).count('<form class="filters"') == 1
    wrong = _page(get, f"{path}?{unknown}")
    value = unknown.partition("=")[2]
    assert f"“{value}” is not one of the choices of this list." in wrong, (path, unknown)
    assert shown(wrong) == []
    refused = get(f"{path}?{unknown}&export=csv")
    assert refused.status_code == 422
    assert f"“{value}” is not one of the choices" in refused.content.decode()


def _page(get: Get, path: str) -> str:
    response = get(path)
    assert response.status_code == 200, (path, response.content[:300])
    return response.content.decode()
