from collections.abc import Iterator
from pathlib import Path

import pytest

from meterhall.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(tmp_path / "lake", buckets=2, threads=1)
    yield opened
    opened.close()
