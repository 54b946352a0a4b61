"""The part of the Django settings that pages need."""

from __future__ import annotations


def portal_settings() -> dict[str, object]:
    """Settings merged into every platform's."""
    return {}
