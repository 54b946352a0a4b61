import pytest
from authserver_world import World


@pytest.fixture
def world() -> World:
    return World()
