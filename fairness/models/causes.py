"""The table of what a night found to be behind the gaps; aggregates only, and of no group under twenty people."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from fairness.small_groups import FLOOR


class Cause(models.Model):
    """One answer about one group: which rules, which inputs, how exposed, how steered. `subject` is the offer, family,
    arm or model that it is about, "" for all; `people` are those of the smaller of the two groups compared."""

    class Kind(models.TextChoices):
        RULES = "rules", "rules and clauses of an offer"
        DRIVERS = "drivers", "inputs of the model for an offer"
        LEAK = "leak", "what a model's inputs tell of a group"
        STEERING = "steering", "the best or a lesser card of a family"
        ARM = "arm", "exposure to an arm"
        AUDIENCE = "audience", "exposure to an offer"
        EXPLORATION = "exploration", "the burden of learning"
        CAPS = "caps", "what contact caps take away"

    kind = models.CharField(max_length=20, choices=Kind)
    subject = models.CharField(max_length=120, blank=True)
    attribute = models.CharField(max_length=30)
    group = models.CharField(max_length=60)
    reference = models.CharField(max_length=60, blank=True)  # "" where a group is measured against all others
    people = models.PositiveIntegerField()
    content = models.JSONField()
    computed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["kind", "subject", "attribute", "group"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="one_cause_per_group", fields=["kind", "subject", "attribute", "group"]),
            models.CheckConstraint(name="no_cause_of_a_few", condition=Q(people__gte=FLOOR)),
        ]
        indexes: ClassVar = [models.Index(fields=["kind", "attribute", "subject"])]

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject or 'all'}: {self.group}"
