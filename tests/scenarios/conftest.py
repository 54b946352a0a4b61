"""A provider of its own for each scenario, and the scenario in the folder of the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from meterhall.web.home import Home
from meterhall.web.platform import Platform
from tests.scenarios.stage import Clock, Scenario


@pytest.fixture
def scenario(db: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scenario]:
    """The provider's services on a fresh home, a fresh database and a clock that stands still between the steps."""
    settings = {"role": "provider", "name": "Red Demo", "country": "ES", "zone": "Europe/Madrid"}
    clock = Clock()
    with override_settings(METERHALL=Platform(Home.create(tmp_path / "home", settings, None), clock=clock)):
        yield Scenario(request.path.parent, clock)
