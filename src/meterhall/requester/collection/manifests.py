"""Manifests: fetched from the provider or pushed by it, believed only under its signature and for an activation of
ours."""

from __future__ import annotations

from django.db import transaction

from meterhall.client.b2b import B2BClient
from meterhall.client.manifests import BadManifest, read_manifest
from meterhall.domain.protocol.deliveries import Manifest, ManifestView
from meterhall.domain.protocol.keys import header_of, signed_digest
from meterhall.requester.activations.models import Activation
from meterhall.requester.collection.models import Delivery, Part, Version
from meterhall.web.membership.service import renew_peer
from meterhall.web.messaging.peers import my_access_number, transport_keys
from meterhall.web.platform import platform


def fetch(client: B2BClient, delivery: Delivery) -> Version:
    """The newest manifest, verified and kept. Raises `RemoteRefusal`, `BadSignature`, `BadManifest`.

    The provider may have replaced its key a moment ago: of one nobody knows the Market Place is asked.
    """
    view = client.call("GET", f"/v1/deliveries/{delivery.delivery_id}", None, ManifestView)
    if header_of(view.jws).get("kid") not in {key.kid for key in transport_keys(delivery.provider)}:
        renew_peer(delivery.provider)
    return keep(delivery, read(view.jws, delivery.provider, delivery.delivery_id), view.jws)


def read(jws: str, provider: str, delivery_id: str) -> Manifest:
    """What the provider signed. Raises `BadSignature` and `BadManifest`."""
    return read_manifest(
        jws, transport_keys(provider), provider=provider, delivery_id=delivery_id, requester=my_access_number()
    )


def activation_of(manifest: Manifest) -> Activation:
    """The activation of ours it answers. Raises `BadManifest`."""
    found = Activation.objects.filter(
        remote_id=manifest.activation_id,
        subscription_id=manifest.subscription_id,
        subscription__provider=manifest.provider,
    ).first()
    if found is None:
        raise BadManifest("The manifest is for an activation that is not ours.", field="/activation_id")
    return found


def keep(delivery: Delivery, manifest: Manifest, jws: str) -> Version:
    """Keep a version and the parts it lists; parts that are no longer in a newer manifest go."""
    activation = activation_of(manifest)
    with transaction.atomic():
        version, _ = Version.objects.get_or_create(
            delivery=delivery,
            version=manifest.version,
            defaults={
                "manifest": manifest.document(),
                "digest": signed_digest(jws),
                "jws": jws,
                "fetched_at": platform().now(),
            },
        )
        if version.digest != signed_digest(jws):
            raise BadManifest("The provider signed two manifests of one version.", field="/version")
        newest = max(delivery.version, manifest.version)
        Delivery.objects.filter(pk=delivery.pk).update(activation=activation, version=newest)
        delivery.activation, delivery.version = activation, newest
        if manifest.version == newest:
            delivery.versions.filter(version__lt=newest, outcome="").update(outcome="superseded")
            _keep_parts(delivery, manifest)
    return version


def _keep_parts(delivery: Delivery, manifest: Manifest) -> None:
    """A part is kept as it is where number and digest are the same."""
    delivery.parts.exclude(number__in=[part.number for part in manifest.parts]).delete()
    for part in manifest.parts:
        row, _ = Part.objects.get_or_create(
            delivery=delivery, number=part.number, defaults={"digest": part.digest, "size_bytes": part.size_bytes}
        )
        if row.digest != part.digest:
            row.digest, row.size_bytes, row.state = part.digest, part.size_bytes, "awaited"
            row.save()


def manifest_of(version: Version) -> Manifest:
    """The manifest as it was kept."""
    return Manifest.model_validate(version.manifest)
