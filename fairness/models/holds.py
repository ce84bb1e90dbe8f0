"""Legal holds: what no purge may take, for as long as a dispute or an examination needs it; see fairness/holds.py."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class LegalHold(models.Model):
    """What one officer keeps, and why. Append-only; it holds until a HoldEnd of another officer. A day that is not
    given is open: from the beginning, or without an end."""

    class Scope(models.TextChoices):
        CUSTOMER = "customer", "one customer"
        OFFER = "offer", "one offer"
        PERIOD = "period", "a period"

    scope = models.CharField(max_length=10, choices=Scope.choices)
    customer_id = models.BigIntegerField(null=True)  # the surrogate key
    offer = models.CharField(max_length=120, blank=True)
    first_day = models.DateField(null=True)
    last_day = models.DateField(null=True)
    reason = models.TextField()
    placed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    placed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="a_hold_names_what_it_holds",
                condition=Q(scope="customer", customer_id__isnull=False, offer="")
                | (Q(scope="offer", customer_id__isnull=True) & ~Q(offer=""))
                | Q(scope="period", customer_id__isnull=True, offer="", first_day__isnull=False),
            ),
            models.CheckConstraint(
                name="a_hold_ends_after_it_begins",
                condition=Q(first_day__isnull=True) | Q(last_day__isnull=True) | Q(last_day__gte=F("first_day")),
            ),
            models.CheckConstraint(name="a_hold_says_why", condition=Q(reason__regex=r"\S")),
        ]

    def __str__(self) -> str:
        return f"hold {self.pk}"


class HoldEnd(models.Model):
    """Who ended a hold, and why. Append-only."""

    hold = models.OneToOneField(LegalHold, on_delete=models.PROTECT, related_name="end")
    reason = models.TextField()
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="ending_a_hold_says_why", condition=Q(reason__regex=r"\S"))
        ]

    def __str__(self) -> str:
        return f"end of hold {self.hold_id}"
