"""Tables of the count cube: who came how far with which offer in which month, the counts by group, and what the audits
made of them. Only the units are rows about one person, and they hold no protected attribute."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from fairness.models.audits import FairnessAudit


class CubeOffer(models.Model):
    """An offer that was ever considered: its place in the arrays of a unit, and its family as of its newest release."""

    place = models.PositiveIntegerField(primary_key=True)
    key = models.CharField(max_length=120, unique=True)
    family = models.CharField(max_length=60)

    def __str__(self) -> str:
        return self.key


class CubeUnit(models.Model):
    """A customer in a month on the channel that asked: for each offer by its place, the furthest stage reached (a byte)
    and -ln(1 - expected exposure) (a little-endian float32). A row an offer would be 5,000 rows a customer."""

    pk = models.CompositePrimaryKey("month", "customer_id", "channel")
    month = models.DateField()
    customer_id = models.BigIntegerField()
    channel = models.CharField(max_length=20)
    segment = models.CharField(max_length=20)  # credit score band at the last decision, "" where it is not known
    furthest = models.BinaryField()
    exposure = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.channel}"


class CubePosition(models.Model):
    """How far the units have been filled: a single row, locked by whoever fills."""

    decision = models.UUIDField()
    presentation = models.UUIDField()
    outcome_known_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.decision)


class CubeCount(models.Model):
    """The people of one cut of a month by group: `reached` holds, stage after stage, how many of each group came at
    least so far; `exposure` the expected exposures of each group, summed."""

    month = models.DateField()
    offer = models.CharField(max_length=130)  # a key, "family:" and a family, or "" for any offer
    channel = models.CharField(max_length=20)  # "" for all
    segment = models.CharField(max_length=20)  # "" for all
    attribute = models.CharField(max_length=70)  # of the vault; two joined by " and " for an intersection
    groups = ArrayField(models.CharField(max_length=130))
    reached = ArrayField(models.PositiveIntegerField())
    exposure = ArrayField(models.FloatField())
    computed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="one_count_per_cut", fields=["month", "channel", "segment", "attribute", "offer"]
            )
        ]
        indexes: ClassVar = [models.Index(fields=["offer", "attribute", "channel", "segment", "-month"])]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.offer} {self.attribute}"


class CubeComparison(models.Model):
    """One comparison of the audit of record, with all that it can be derived from again: the counts, whose they are,
    how it was judged, what AIF360 says, and the hash of all that was asked and found. Replaced whole, never changed."""

    audit = models.ForeignKey(FairnessAudit, on_delete=models.CASCADE, related_name="rows")
    month = models.DateField()
    stage = models.CharField(max_length=20)
    offer = models.CharField(max_length=130)
    attribute = models.CharField(max_length=70)
    group = models.CharField(max_length=130)
    reference = models.CharField(max_length=130)
    reference_chosen_by = models.CharField(max_length=20)
    total = models.PositiveIntegerField()
    favourable = models.PositiveIntegerField()
    reference_total = models.PositiveIntegerField()
    reference_favourable = models.PositiveIntegerField()
    ratio = models.FloatField(null=True)
    ratio_low = models.FloatField(null=True)
    ratio_high = models.FloatField(null=True)
    p = models.FloatField(null=True)
    q = models.FloatField(null=True)
    family = models.PositiveIntegerField()
    shortfall = models.FloatField(null=True)
    needed_n = models.BigIntegerField(null=True)
    verdict = models.CharField(max_length=20)
    aif360 = models.JSONField()  # AIF360's figures by its method names
    difference = models.FloatField()  # the largest between AIF360 and the closed forms
    definition = models.CharField(max_length=200)  # of the attribute: its groups' bounds and where it was recorded
    version = models.CharField(max_length=60)
    query_hash = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="one_comparison_per_cell", fields=["month", "stage", "offer", "attribute", "group"]
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["month", "stage", "attribute", "verdict"]),
            models.Index(fields=["offer", "attribute", "stage", "month"]),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.stage} {self.offer} {self.group}"
