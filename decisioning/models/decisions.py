"""Tables of what was decided, shown and answered; decisions and outcomes are partitioned by migration SQL."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from decisioning.models.keys import CUSTOMER


class Decision(models.Model):
    """One decision, whole: `inputs` and `result` are canonical JSON bytes, `digest` their SHA-256."""

    pk = models.CompositePrimaryKey("customer_id", "id")
    id = models.UUIDField()
    customer_id = CUSTOMER()
    session = models.CharField(max_length=32)
    channel = models.CharField(max_length=20)
    placement = models.CharField(max_length=60)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    reason = models.CharField(max_length=30, null=True)
    offer = models.CharField(max_length=120, null=True)  # ranked first
    arm = models.CharField(max_length=120, null=True)
    action_probability = models.FloatField(null=True)
    release = models.PositiveIntegerField()
    model = models.CharField(max_length=60)
    posterior = models.BigIntegerField()
    degraded = ArrayField(models.CharField(max_length=40))
    inputs = models.BinaryField()
    result = models.BinaryField()
    digest = models.BinaryField()
    took_us = models.IntegerField()

    class Meta:
        managed = False
        db_table = "decisioning_decision"

    def __str__(self) -> str:
        return str(self.id)


class SessionLease(models.Model):
    """Carries the uniqueness that the partitioned decision table cannot: one decision per customer and session."""

    pk = models.CompositePrimaryKey("customer_id", "session")
    customer_id = CUSTOMER()
    session = models.CharField(max_length=32)
    decision_id = models.UUIDField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.decision_id)


class CapLedger(models.Model):
    """Contacts of one customer by day and offer. By `sequence` a decision's insert sees that its counts are current."""

    customer_id = models.BigIntegerField(primary_key=True)
    sequence = models.BigIntegerField()
    contacts = models.JSONField()

    def __str__(self) -> str:
        return str(self.customer_id)


class Presentation(models.Model):
    """What one channel was given of a decision, and why anything was removed; replayable from its inputs, which are
    empty where it is the decision's own first presentation."""

    pk = models.CompositePrimaryKey("customer_id", "id")
    id = models.UUIDField()
    customer_id = CUSTOMER()
    decision_id = models.UUIDField()  # found by customer: a session has a handful
    channel = models.CharField(max_length=20)
    placement = models.CharField(max_length=60)
    at = models.DateTimeField()
    offers = ArrayField(models.CharField(max_length=120))
    reason = models.CharField(max_length=30, null=True)
    release = models.PositiveIntegerField()
    inputs = models.BinaryField()
    result = models.BinaryField()

    def __str__(self) -> str:
        return str(self.id)


class Outcome(models.Model):
    pk = models.CompositePrimaryKey("customer_id", "event_id", "occurred_at")
    customer_id = CUSTOMER()
    event_id = models.CharField(max_length=64)
    decision_id = models.UUIDField()
    offer = models.CharField(max_length=120)
    arm = models.CharField(max_length=120)
    type = models.CharField(max_length=20)
    occurred_at = models.DateTimeField()
    known_at = models.DateTimeField()
    value = models.FloatField(null=True)
    reason = models.CharField(max_length=40, default="")  # of a decline, the reason code of a rule

    class Meta:
        managed = False
        db_table = "decisioning_outcome"

    def __str__(self) -> str:
        return self.event_id


class LoggedDecision(models.Model):
    """A bank's own past decision with its probability: it has no release and is not replayed. Retention spares it."""

    pk = models.CompositePrimaryKey("customer_id", "decision_key")
    customer_id = CUSTOMER()
    decision_key = models.CharField(max_length=64)
    source = models.CharField(max_length=30, db_index=True)
    arm = models.CharField(max_length=120)
    action_probability = models.FloatField()
    channel = models.CharField(max_length=20)
    reward = models.FloatField()
    occurred_at = models.DateTimeField()
    known_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="logged_probability_in_unit",
                condition=Q(action_probability__gt=0) & Q(action_probability__lte=1),
            )
        ]

    def __str__(self) -> str:
        return self.decision_key


class Delivery(models.Model):
    """The outbox of channels that Candor sends on itself; one row per message."""

    pk = models.CompositePrimaryKey("customer_id", "id")
    id = models.UUIDField()
    customer_id = CUSTOMER()
    decision_id = models.UUIDField()
    channel = models.CharField(max_length=20)
    status = models.CharField(max_length=20)
    queued_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.id)
