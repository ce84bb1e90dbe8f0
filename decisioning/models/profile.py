"""Tables of customers, of what happened to them, and of what they agreed to; signals and transactions are partitioned
by migration SQL."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from decisioning.models.keys import CUSTOMER


class Customer(models.Model):
    """`external_id` is the bank's key, null once erased; `token` is its keyed hash, which names the Redis keys."""

    id = models.BigAutoField(primary_key=True)
    external_id = models.CharField(max_length=64, unique=True, null=True)
    token = models.CharField(max_length=32, unique=True, null=True)
    source = models.CharField(max_length=30, default="")  # the mapping that loaded it, empty if born here
    suppressed = models.BooleanField(default=False)
    known_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.external_id or f"erased {self.pk}"


class Suppression(models.Model):
    """An override: a person keeps one offer, or every one (`offer` empty), from one customer; see suppression.py. The
    database asks for the reason and for the roles, and nothing of a row changes but its end."""

    class Reason(models.TextChoices):
        HARDSHIP = "hardship", "financial hardship"
        VULNERABLE = "vulnerable", "a vulnerable customer"
        FRAUD = "fraud", "suspected fraud or a taken-over account"
        COMPLAINT = "complaint", "an open complaint or dispute"
        LEGAL = "legal", "insolvency, a court or a regulator"
        DECEASED = "deceased", "deceased, or an estate"
        DATA = "data", "data that is known to be wrong"

    customer_id = CUSTOMER(db_index=True)
    offer = models.CharField(max_length=120, blank=True)
    reason_code = models.CharField(max_length=20, choices=Reason.choices)
    note = models.TextField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    until = models.DateField(null=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="suppressed_for_a_reason",
                condition=Q(
                    reason_code__in=(
                        "hardship", "vulnerable", "fraud", "complaint", "legal", "deceased", "data"
                    ),
                    note__regex=r"\S",
                ),
            ),
            models.CheckConstraint(
                name="suppression_ended_by_another", condition=Q(ended_by__isnull=True) | ~Q(ended_by=F("made_by"))
            ),
            models.UniqueConstraint(
                name="one_open_suppression", fields=["customer_id", "offer"], condition=Q(ended_at__isnull=True)
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.offer or 'every offer'} kept from {self.customer_id}"


class Account(models.Model):
    pk = models.CompositePrimaryKey("customer_id", "account_key")
    customer_id = CUSTOMER()
    account_key = models.CharField(max_length=64)
    product = models.CharField(max_length=120)
    opened_on = models.DateField(null=True)
    closed_on = models.DateField(null=True)
    credit_limit = models.FloatField(null=True)
    balance = models.FloatField(null=True)
    occurred_at = models.DateTimeField()
    known_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.account_key


class Transaction(models.Model):
    pk = models.CompositePrimaryKey("customer_id", "transaction_key", "occurred_at")
    customer_id = CUSTOMER()
    transaction_key = models.CharField(max_length=64)
    account_key = models.CharField(max_length=64)
    occurred_at = models.DateTimeField()
    known_at = models.DateTimeField()
    amount = models.FloatField()  # positive: money out
    category = models.CharField(max_length=40)
    source = models.CharField(max_length=30)

    class Meta:
        managed = False
        db_table = "decisioning_transaction"

    def __str__(self) -> str:
        return self.transaction_key


class Signal(models.Model):
    pk = models.CompositePrimaryKey("customer_id", "event_id", "occurred_at")
    customer_id = CUSTOMER()
    event_id = models.CharField(max_length=64)
    type = models.CharField(max_length=30)
    occurred_at = models.DateTimeField()
    known_at = models.DateTimeField()
    payload = models.JSONField()

    class Meta:
        managed = False
        db_table = "decisioning_signal"

    def __str__(self) -> str:
        return self.event_id


class EventReceipt(models.Model):
    """Carries the uniqueness of event ids over all partitions; the body's hash tells a repeat from a conflict."""

    pk = models.CompositePrimaryKey("customer_id", "event_id")
    customer_id = CUSTOMER()
    event_id = models.CharField(max_length=64)
    body_hash = models.BinaryField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.event_id


class Consent(models.Model):
    """Granted purposes; a missing row is a denial. Purposes: "marketing" by channel, "personalisation" by level."""

    pk = models.CompositePrimaryKey("customer_id", "purpose", "channel")
    customer_id = CUSTOMER()
    purpose = models.CharField(max_length=30)
    channel = models.CharField(max_length=20)
    granted = models.BooleanField()
    text_version = models.CharField(max_length=30)
    occurred_at = models.DateTimeField()
    known_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.purpose} {self.channel}"


class Post(models.Model):
    """What a consented post tells, never its text, nor an embedding, which gives much of the text back: sentiment in
    [-1, 1], and by `encoder` how near it is to each kind of card."""

    pk = models.CompositePrimaryKey("customer_id", "source", "post_key")
    customer_id = CUSTOMER()
    source = models.CharField(max_length=30)
    post_key = models.CharField(max_length=64)
    occurred_at = models.DateTimeField()
    known_at = models.DateTimeField()
    sentiment = models.FloatField()
    interests = models.JSONField(default=dict)  # kind of card: similarity in [-1, 1]
    encoder = models.CharField(max_length=60, default="")

    def __str__(self) -> str:
        return self.post_key


class DeadLetter(models.Model):
    """An event that could not be taken in, with its reason; `origin` and `position` say where it came from."""

    origin = models.CharField(max_length=60)  # "redis:<stream>" or "kafka:<topic>"
    position = models.CharField(max_length=60)
    body = models.BinaryField()
    code = models.CharField(max_length=30)
    reason = models.TextField()
    arrived_at = models.DateTimeField()
    replayed_at = models.DateTimeField(null=True)
    replayed_by = models.CharField(max_length=150, default="")
    result = models.CharField(max_length=200, default="")  # of the replay: accepted, duplicate, or why not again

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="one_dead_letter_per_position", fields=["origin", "position"])
        ]

    def __str__(self) -> str:
        return f"{self.origin} {self.position}"


class QualityCheck(models.Model):
    """One expectation held against one source: how many of its rows failed, and since when it has failed."""

    source = models.CharField(max_length=30)
    subject = models.CharField(max_length=60)  # the kind of record or feature group
    column = models.CharField(max_length=60)
    expectation = models.CharField(max_length=120)
    run_at = models.DateTimeField()
    rows = models.BigIntegerField()
    failed = models.BigIntegerField()
    passed = models.BooleanField()
    examples = models.JSONField(default=list)
    failing_since = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-run_at", "source", "subject", "column"]
        indexes: ClassVar = [models.Index(fields=["source", "subject", "column", "expectation", "run_at"])]

    def __str__(self) -> str:
        return f"{self.source} {self.subject}.{self.column} {self.expectation}"
