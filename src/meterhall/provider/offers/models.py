"""Our own offers as the Market Place keeps them."""

from __future__ import annotations

from django.db import models


class OwnOffer(models.Model):
    """The newest version of an offer of ours; `document` is the OfferView."""

    offer_id = models.CharField(primary_key=True, max_length=40)
    version = models.PositiveIntegerField()
    status = models.CharField(max_length=12)
    title = models.CharField(max_length=200)
    document = models.JSONField()
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.title


class OwnCertification(models.Model):
    """A conformance run that we asked for; `document` is the CertificationView as last heard."""

    certification_id = models.CharField(primary_key=True, max_length=40)
    status = models.CharField(max_length=12)
    document = models.JSONField()
    requested_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.certification_id
