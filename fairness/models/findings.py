"""Tables of findings: what was found wrong, who answers for it, and how it ended."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Finding(models.Model):
    """One breach, from its discovery to its closure; the newest evidence is the row's, what came before is in its
    history. Never deleted, and closed by somebody who did not work on it (constraint and trigger)."""

    class Status(models.TextChoices):
        OPEN = "open", "open"
        REMEDIED = "remedied", "waits for sign-off"
        CLOSED = "closed", "closed"

    class Severity(models.TextChoices):
        HIGH = "high", "high"
        MEDIUM = "medium", "medium"
        LOW = "low", "low"

    kind = models.CharField(max_length=30)
    subject = models.CharField(max_length=300)
    title = models.CharField(max_length=300)
    cause = models.TextField(blank=True)  # as the machine sees it
    severity = models.CharField(max_length=6, choices=Severity.choices)
    evidence = models.JSONField()
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.OPEN)
    owner_role = models.CharField(max_length=30)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    due_on = models.DateField()
    opened_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    times_seen = models.PositiveIntegerField(default=1)
    root_cause = models.TextField(blank=True)  # as people found it
    remediation = models.TextField(blank=True)
    remedied_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    closed_at = models.DateTimeField(null=True)
    closing_note = models.TextField(blank=True)
    stop = models.ForeignKey("offers.Stop", on_delete=models.PROTECT, null=True, related_name="+")  # what it paused

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["status", "-id"])]
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="one_open_finding", fields=["kind", "subject"], condition=~Q(status="closed")
            ),
            models.CheckConstraint(
                name="closed_by_another",
                condition=~Q(status="closed")
                | (
                    Q(closed_by__isnull=False, closed_at__isnull=False, remedied_by__isnull=False)
                    & ~Q(closed_by=F("remedied_by")) & ~Q(root_cause="") & ~Q(remediation="") & ~Q(closing_note="")
                ),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.title


class FindingEvent(models.Model):
    """One line of a finding's history. Append-only; `actor` is a user's name, or "candor"."""

    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="history")
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    what = models.CharField(max_length=30)
    detail = models.JSONField()

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.what} on finding {self.finding_id}"
