"""Where the files of parts are while they are on their way; how they come is the client's matter (`downloads`)."""

from __future__ import annotations

from pathlib import Path

from meterhall.client import downloads
from meterhall.client.b2b import B2BClient
from meterhall.domain.protocol.deliveries import Part
from meterhall.requester.collection.models import Delivery
from meterhall.web.platform import platform


def path_of(delivery: Delivery, number: int) -> Path:
    """Where the whole file of a part is."""
    return platform().home.path / "files" / "collected" / delivery.provider / delivery.delivery_id / f"{number}.part"


def partial_of(delivery: Delivery, number: int) -> Path:
    """Where the bytes that have come so far are."""
    return downloads.partial_of(path_of(delivery, number))


def drop(delivery: Delivery, number: int) -> None:
    """Remove what there is of a part."""
    downloads.drop(path_of(delivery, number))


def drop_all(delivery: Delivery) -> None:
    """Remove every file of a delivery."""
    folder = path_of(delivery, 0).parent
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        folder.rmdir()


def pull(client: B2BClient, delivery: Delivery, part: Part) -> None:
    """Bring a part whole onto this disk. Raises like `downloads.bring`."""
    downloads.bring(client, delivery.delivery_id, part.number, part.size_bytes, path_of(delivery, part.number))
