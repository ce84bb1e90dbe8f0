"""Tables of what is known of customers as features: given values, the packed vector, scores, and the checks of them."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from decisioning.models.keys import CUSTOMER


class FeatureRow(models.Model):
    """What one source says of a customer for one feature group, as true at `occurred_at` and known from `known_at` on.

    Append-only history of given values; what Candor computes from events is in no table but the vector, because it can
    be computed again for any moment."""

    pk = models.CompositePrimaryKey("customer_id", "group", "source", "known_at")
    customer_id = CUSTOMER()
    group = models.CharField(max_length=30)
    source = models.CharField(max_length=30, default="")
    version = models.PositiveSmallIntegerField()
    occurred_at = models.DateTimeField()
    known_at = models.DateTimeField()
    values = models.JSONField()

    def __str__(self) -> str:
        return f"{self.group} of {self.customer_id}"


class FeatureVector(models.Model):
    """Every precomputed group of one customer, packed by `features.vector`, as the last materialising left it.

    `as_of` is the moment that it was computed for, `made_at` when that was done. A cache: history makes it again."""

    customer_id = models.BigIntegerField(primary_key=True)
    as_of = models.DateTimeField()
    made_at = models.DateTimeField()
    content = models.BinaryField()

    def __str__(self) -> str:
        return str(self.customer_id)


class ScoreLayout(models.Model):
    """What a row of scores is of: the model's name, and offers (or arms) in the order of the scores. `number` is a hash
    of both, so that a number never means anything else."""

    number = models.BigIntegerField(primary_key=True)
    model = models.CharField(max_length=60)
    keys = ArrayField(models.CharField(max_length=120))

    def __str__(self) -> str:
        return f"{self.model} {self.number:08x}"


class PrecomputedScore(models.Model):
    """Propensities of one customer from the nightly scoring, packed by `features.scores`; decisions without a session
    and the degraded path read them."""

    customer_id = models.BigIntegerField(primary_key=True)
    layout = models.ForeignKey(ScoreLayout, on_delete=models.PROTECT)
    content = models.BinaryField()
    scored_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.customer_id)


class ActivityForest(models.Model):
    """The forest of `features.derived.unusual` that tells unusual activity from `fitted_at` on, until the next."""

    fitted_at = models.DateTimeField(primary_key=True)
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"forest of {self.fitted_at}"


class SkewCheck(models.Model):
    """Served values of a sample of decisions against the same values computed again from history; `skipped` are those
    of the sample that could not be, by reason."""

    made_at = models.DateTimeField()
    decisions = models.PositiveIntegerField()
    values = models.PositiveIntegerField()
    mismatches = models.JSONField(default=dict)  # attribute: count
    examples = models.JSONField(default=list)
    skipped = models.JSONField(default=dict)  # reason: count

    class Meta:
        ordering: ClassVar = ["-made_at"]

    def __str__(self) -> str:
        return f"skew at {self.made_at}"


class FeatureStatistics(models.Model):
    """The distribution of every attribute at one moment: `subject` is "population" or "training:<model>"."""

    subject = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    rows = models.BigIntegerField()
    content = models.JSONField()

    class Meta:
        ordering: ClassVar = ["-made_at"]

    def __str__(self) -> str:
        return f"{self.subject} at {self.made_at}"
