"""What the log holds for good (entries, tile hashes, checkpoints) and what may be forgotten (statements, salts)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class LogHead(models.Model):
    """One row: how many entries the log has. Whoever appends locks it first, so that numbers have no gap."""

    size = models.PositiveBigIntegerField(default=0)


class LogEntry(models.Model):
    """An entry: a salted hash that says nothing by itself. Rows are never changed and never deleted."""

    seq = models.PositiveBigIntegerField(primary_key=True)
    entry = models.BinaryField(max_length=32)
    leaf = models.BinaryField(max_length=32)


class TileHash(models.Model):
    """The root of a full tile: hash number `index` of tile level `level`, which is 1 or more."""

    level = models.PositiveSmallIntegerField()
    index = models.PositiveBigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["level", "index"], name="one_hash_a_place")]


class KeptStatement(models.Model):
    """A statement and its salt, for its parties and the auditor. Deleting the row forgets; the entry stays."""

    entry = models.OneToOneField(LogEntry, primary_key=True, on_delete=models.PROTECT, related_name="kept")
    statement_id = models.CharField(max_length=40, unique=True)
    type = models.CharField(max_length=60)
    by = models.CharField(max_length=12)
    first_party = models.CharField(max_length=12, db_index=True)
    second_party = models.CharField(max_length=12, default="", blank=True, db_index=True)
    at = models.DateTimeField()
    transaction_id = models.CharField(max_length=60, db_index=True)
    subject = models.CharField(max_length=80, default="", blank=True)
    document = models.JSONField()
    jws = models.TextField()
    salt = models.CharField(max_length=32)
    key = models.JSONField(help_text="The maker's public key by which the statement was verified.")
    taken_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["type", "subject"]),
            models.Index(fields=["by", "at"]),
        ]

    def __str__(self) -> str:
        return f"{self.statement_id} {self.type}"

    @property
    def match(self) -> Match | None:
        """How it met the other side's statement."""
        found: Match | None = getattr(self, "met_as_sent", None) or getattr(self, "met_as_received", None)
        return found


class Match(models.Model):
    """Two sides' statements about one delivery that met, and whether their commitments are the same."""

    sent = models.OneToOneField(KeptStatement, on_delete=models.CASCADE, related_name="met_as_sent")
    received = models.OneToOneField(KeptStatement, on_delete=models.CASCADE, related_name="met_as_received")
    matched = models.BooleanField()
    at = models.DateTimeField()


class PublishedCheckpoint(models.Model):
    """A tree head the log signed."""

    size = models.PositiveBigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    note = models.TextField(help_text="C2SP signed note with the log's signature only.")
    published_at = models.DateTimeField()


class WitnessCosignature(models.Model):
    """A player's word that a checkpoint goes on from all it has seen before."""

    checkpoint = models.ForeignKey(PublishedCheckpoint, on_delete=models.CASCADE, related_name="cosignatures")
    witness = models.CharField(max_length=12)
    line = models.CharField(max_length=600)
    taken_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["checkpoint", "witness"], name="one_word_a_witness")]
