"""Table of what customers ask about decisions: an explanation, a correction, a person who looks at it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class CustomerRequest(models.Model):
    """One request of one customer, until it is answered or refused with a reason; never deleted, and closed for good
    (trigger). The customer is a surrogate key; what was written is free text, and goes with an erasure."""

    class Kind(models.TextChoices):
        EXPLANATION = "explanation", "explanation"
        CORRECTION = "correction", "correction"
        HUMAN_REVIEW = "human_review", "human review"

    class State(models.TextChoices):
        OPEN = "open", "open"
        IN_PROGRESS = "in_progress", "in progress"
        ANSWERED = "answered", "answered"
        REFUSED = "refused", "refused"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    customer_id = models.BigIntegerField(db_index=True)
    decision_id = models.UUIDField(null=True)
    question = models.TextField()
    received_at = models.DateTimeField()
    due_at = models.DateTimeField()
    state = models.CharField(max_length=11, choices=State.choices, default=State.OPEN)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    answer = models.TextField(blank=True)  # of a refusal, the reason
    answered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    answered_at = models.DateTimeField(null=True)
    # Of a human review: whether the decision was wrong, and then what was done and the finding that it opened.
    decision_wrong = models.BooleanField(null=True)
    remedy = models.TextField(blank=True)
    finding = models.ForeignKey("fairness.Finding", on_delete=models.PROTECT, null=True, related_name="+")
    erased_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["due_at", "id"]
        indexes: ClassVar = [models.Index(fields=["state", "due_at"])]
        constraints: ClassVar = [
            models.CheckConstraint(name="request_due_later", condition=Q(due_at__gt=F("received_at"))),
            models.CheckConstraint(
                name="request_closed_by_somebody",
                condition=Q(state__in=("open", "in_progress"), answered_by__isnull=True, answered_at__isnull=True)
                | (
                    Q(state__in=("answered", "refused"), answered_by__isnull=False, answered_at__isnull=False)
                    & (~Q(answer="") | Q(erased_at__isnull=False))
                ),
            ),
            models.CheckConstraint(
                name="request_reviewed_by_a_person",
                condition=Q(kind="human_review", state="answered", decision_wrong__isnull=False)
                | (~Q(kind="human_review", state="answered") & Q(decision_wrong__isnull=True)),
            ),
            models.CheckConstraint(
                name="request_wrong_has_finding", condition=~Q(decision_wrong=True) | Q(finding__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
