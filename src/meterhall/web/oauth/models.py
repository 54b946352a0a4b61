"""What is stored of OAuth: clients, pushed requests, codes, and marks of what was used once. Tokens are not stored."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Client(models.Model):
    """A player that may get tokens here; `client_id` is its access number."""

    client_id = models.CharField(primary_key=True, max_length=12)
    name = models.CharField(max_length=200)
    keys = models.JSONField(help_text="Public transport keys, JWK.")
    redirect_uris = models.JSONField(default=list)
    scopes = models.JSONField(default=list)
    valid_until = models.DateTimeField(null=True)
    suspended_at = models.DateTimeField(null=True)
    source = models.CharField(max_length=200, help_text="By which attestation or decision it is here.")
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.client_id


class ReplayMark(models.Model):
    """A proof or an assertion that was used, by the SHA-256 of its owner and id; kept until it would be too old."""

    mark = models.CharField(primary_key=True, max_length=64)
    until_s = models.BigIntegerField(db_index=True, help_text="Seconds since 1970.")


class PushedRequest(models.Model):
    """A request for consent as its client pushed it (RFC 9126).

    It has to be opened before `expires_at`; from then on the customer has the time to sign in and think.
    """

    request_uri = models.CharField(primary_key=True, max_length=120)
    client = models.ForeignKey(Client, on_delete=models.CASCADE)
    redirect_uri = models.CharField(max_length=500)
    state = models.CharField(max_length=500)
    scope = models.CharField(max_length=200)
    code_challenge = models.CharField(max_length=128)
    dpop_jkt = models.CharField(max_length=43)
    details = models.JSONField()
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)


class Code(models.Model):
    """An authorization code, stored as its SHA-256; used once."""

    digest = models.CharField(primary_key=True, max_length=64)
    client = models.ForeignKey(Client, on_delete=models.CASCADE)
    redirect_uri = models.CharField(max_length=500)
    scope = models.CharField(max_length=200)
    code_challenge = models.CharField(max_length=128)
    dpop_jkt = models.CharField(max_length=43)
    grant_id = models.CharField(max_length=40)
    details = models.JSONField(help_text="GrantedDetail documents.")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["expires_at"])]
