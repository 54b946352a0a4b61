"""What starts a town is on one worker, one town after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE and item.path.name in {"test_killed.py", "test_troubles.py"}:
            item.add_marker(pytest.mark.xdist_group("platforms"))
