"""Tables of access and of work: API keys, answers already given, and long tasks."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models


class ApiKey(models.Model):
    """A channel's credential; only its SHA-256 is kept (the secret has 256 random bits, so no slow hash is needed)."""

    prefix = models.CharField(max_length=12, primary_key=True)
    secret_hash = models.CharField(max_length=64)
    channel = models.CharField(max_length=20)
    scopes = ArrayField(models.CharField(max_length=20))
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.prefix} {self.channel}"


class IdempotencyKey(models.Model):
    """The answer that a request with an `Idempotency-Key` header got, by API key."""

    pk = models.CompositePrimaryKey("api_key", "key")
    api_key = models.CharField(max_length=12)
    key = models.CharField(max_length=120)
    body_hash = models.BinaryField()
    status = models.PositiveSmallIntegerField()
    answer = models.BinaryField()
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key


class UnservedReport(models.Model):
    """Who is shown no offer or a weak one under a release, as `decisioning.impact.unserved` counted it. Aggregates of
    20 people at least; the newest is shown."""

    release = models.PositiveIntegerField()
    computed_at = models.DateTimeField()
    content = models.JSONField()

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"unserved under release {self.release}"


class Job(models.Model):
    """A long task: what it does, how far it is, and how it ended. Celery only wakes it."""

    class Status(models.TextChoices):
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    kind = models.CharField(max_length=30, db_index=True)
    argument = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    message = models.TextField(blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.status}"


class StopDrill(models.Model):
    """What one drill of the emergency brake has shown of one scope; append-only. `seconds` from the stop to the first
    decision under it."""

    at = models.DateTimeField()
    scope = models.CharField(max_length=10)
    target = models.CharField(max_length=120, blank=True)
    decision_id = models.UUIDField()
    seconds = models.FloatField()
    ok = models.BooleanField()
    detail = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"drill of {self.scope} {self.target}".strip()
