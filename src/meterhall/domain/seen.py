"""Which characters of a text are seen: what a person is shown must be what was written."""

from __future__ import annotations

import unicodedata
from typing import Final

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of characters that control and are not seen, those that turn the direction among them."""


def is_seen(text: str, *, lines: bool = False) -> bool:
    """Whether every character is seen; a text of `lines` may be broken and indented."""
    allowed = "\n\r\t" if lines else ""
    return all(unicodedata.category(one) not in _UNSEEN or one in allowed for one in text)
