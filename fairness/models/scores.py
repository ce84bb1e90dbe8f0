"""The table of what a month's scores and outcomes say of groups; aggregates only, and of no group under twenty."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from fairness.small_groups import FLOOR


class MonthFigure(models.Model):
    """One answer about one group in one month: its scores and outcomes, a group that a scan came upon, or one that is
    only estimated. `offer` is a key, or "" for any offer; `people` are those of the smaller of the two groups. Replaced
    whole by the next night, never changed."""

    class Kind(models.TextChoices):
        SCORES = "scores", "scores and outcomes"
        SUBGROUP = "subgroup", "a group that nobody named"
        ESTIMATE = "estimate", "a group that is estimated"

    month = models.DateField()
    kind = models.CharField(max_length=10, choices=Kind)
    offer = models.CharField(max_length=130, blank=True)
    attribute = models.CharField(max_length=30, blank=True)
    group = models.CharField(max_length=300)
    reference = models.CharField(max_length=60, blank=True)
    people = models.PositiveIntegerField()
    content = models.JSONField()
    version = models.CharField(max_length=60)
    query_hash = models.CharField(max_length=64)
    computed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="one_figure_per_group", fields=["month", "kind", "offer", "attribute", "group"]
            ),
            models.CheckConstraint(name="no_figure_of_a_few", condition=Q(people__gte=FLOOR)),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.kind} of {self.offer or 'any offer'}: {self.group}"
