"""A requester as in its own tests, with the Market Place and a provider at the HTTP boundary."""

from tests.platform.requester.conftest import activation, clock, delivery_id, eso, grid, subscription

__all__ = ["activation", "clock", "delivery_id", "eso", "grid", "subscription"]
