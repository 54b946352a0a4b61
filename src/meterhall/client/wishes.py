"""Wishes: what we need, matched by the Market Place to offers, now and whenever a new one fits (step 3)."""

from __future__ import annotations

from meterhall.client.desk import Desk
from meterhall.domain.protocol.offers import Wish, WishView


def wish(desk: Desk, wanted: Wish) -> WishView:
    """The open wish for just this; a fresh one where there is none."""
    same = (one for one in wishes(desk) if one.status != "closed" and one.wish == wanted)
    return next(same, None) or desk.marketplace.call("POST", "/v1/wishes", wanted, WishView)


def wishes(desk: Desk) -> list[WishView]:
    """Ours, with the offers that fit now."""
    return list(desk.marketplace.items("/v1/wishes", WishView))


def close(desk: Desk, wish_id: str) -> WishView:
    """Stop looking."""
    return desk.marketplace.call("DELETE", f"/v1/wishes/{wish_id}", None, WishView)
