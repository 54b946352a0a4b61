"""Publishing checkpoints."""

from __future__ import annotations

from meterhall.marketplace.ledger.tree import publish
from meterhall.web.platform import platform
from meterhall.web.work.engine import every


@every(5)
def publish_checkpoint() -> None:
    """Sign the log as it stands, when it has grown."""
    if platform().role == "marketplace":
        publish()
