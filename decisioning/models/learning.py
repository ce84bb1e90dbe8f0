"""Tables of models and of what the bandit has learned."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from decisioning.models.keys import CUSTOMER


class ModelVersion(models.Model):
    """A trained propensity model. One champion at most; who promotes it is fairness.gate."""

    class Status(models.TextChoices):
        CHALLENGER = "challenger", "challenger"
        CHAMPION = "champion", "champion"
        RETIRED = "retired", "retired"

    name = models.CharField(max_length=60, unique=True)
    sha256 = models.CharField(max_length=64, unique=True)
    content = models.BinaryField()
    report = models.JSONField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CHALLENGER)
    trained_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="one_champion", fields=["status"], condition=Q(status="champion"))
        ]

    def __str__(self) -> str:
        return self.name


class Posterior(models.Model):
    """A checkpoint of the bandit at a position of the reward log; later versions are folded from it."""

    position = models.BigIntegerField(primary_key=True)
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    made_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-position"]

    def __str__(self) -> str:
        return str(self.position)


class PosteriorHead(models.Model):
    """One row: how far the learner has folded the reward log."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    position = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(name="one_posterior_head", condition=Q(id=1))]

    def __str__(self) -> str:
        return str(self.position)


class RewardWork(models.Model):
    """An outcome that waits for the learner; inserted in the outcome's transaction, deleted in the fold's."""

    id = models.BigAutoField(primary_key=True)
    customer_id = CUSTOMER()
    decision_id = models.UUIDField()
    offer = models.CharField(max_length=120)
    type = models.CharField(max_length=20)
    occurred_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.type} {self.decision_id}"


class RewardLog(models.Model):
    """The ordered log that the posterior is folded from. Append-only; `context` is float64, little-endian."""

    position = models.BigIntegerField(primary_key=True)
    customer_id = CUSTOMER()
    decision_id = models.UUIDField()
    arm = models.CharField(max_length=120)
    context = models.BinaryField()
    type = models.CharField(max_length=20)
    trial = models.BooleanField()
    reward = models.FloatField()
    occurred_at = models.DateTimeField()
    folded_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["customer_id", "decision_id"]),
            models.Index(fields=["arm", "folded_at"]),
        ]

    def __str__(self) -> str:
        return str(self.position)
