"""Reading a provider's manifest: believed only under its signature, and for the delivery and requester it is for."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.deliveries import MANIFEST_TYP, Manifest
from meterhall.domain.protocol.keys import PublicKey, verify


class BadManifest(InvalidInput):
    code = "bad_manifest"
    title = "The manifest is not one of this delivery, from its provider, for us."


def read_manifest(jws: str, keys: Iterable[PublicKey], *, provider: str, delivery_id: str, requester: str) -> Manifest:
    """What the provider signed with one of `keys`. Raises `BadSignature` and `BadManifest`."""
    signed = verify(jws, keys, typ=MANIFEST_TYP).document
    try:
        manifest = Manifest.model_validate(signed)
    except ValidationError as fault:
        raise BadManifest(f"The manifest does not fit the published interface: {fault.error_count()} faults.") from None
    expected = (("provider", provider), ("delivery_id", delivery_id), ("requester", requester))
    for name, value in expected:
        if getattr(manifest, name) != value:
            raise BadManifest(f"The manifest names another {name}.", field=f"/{name}")
    return manifest
