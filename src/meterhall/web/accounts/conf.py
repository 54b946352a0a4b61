"""The part of the Django settings that people's accounts need."""

from __future__ import annotations


def account_settings() -> dict[str, object]:
    """Settings merged into every platform's."""
    return {}
