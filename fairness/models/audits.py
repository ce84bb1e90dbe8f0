"""Tables of what audits and measurements found; aggregates only."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class FairnessAudit(models.Model):
    """One audit of one stage: counts, verdicts and AIF360's figures beside the closed forms. Aggregates only."""

    stage = models.CharField(max_length=20)
    source = models.CharField(max_length=30)  # "decisions", or the mapping whose logged decisions were audited
    period_from = models.DateTimeField()
    period_to = models.DateTimeField()
    population = models.PositiveBigIntegerField()
    verdict = models.CharField(max_length=20)
    comparisons = models.JSONField()
    largest_difference = models.FloatField()  # between AIF360 and the closed forms
    methods = models.JSONField(default=dict)  # how each figure of its rows was computed
    computed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["source", "stage", "-id"])]

    def __str__(self) -> str:
        return f"{self.stage} {self.computed_at:%Y-%m-%d %H:%M}"


class ProxyStrength(models.Model):
    """How much one attribute, or one clause on it, tells of one protected group, as of the last measurement. Aggregates
    only."""

    attribute = models.CharField(max_length=60)
    clause = models.CharField(
        max_length=64, blank=True
    )  # the hash of a clause of the live release; "" for the attribute
    protected = models.CharField(max_length=30)
    group = models.CharField(max_length=60)
    auc = models.FloatField()
    mutual_information = models.FloatField()  # normalised, of the attribute's values with all groups of `protected`
    people = models.PositiveIntegerField()  # in and outside of the group, together
    computed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["attribute", "-auc"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="one_strength_per_group", fields=["attribute", "clause", "protected", "group"])
        ]

    def __str__(self) -> str:
        return f"{self.attribute} of {self.group}"
