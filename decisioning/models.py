"""Tables of customers, what is known of them, decisions and learning. Customer-owned tables carry the customer in every
key; the partitioned ones (signals, transactions, decisions, outcomes) are made by migration SQL."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

CUSTOMER = models.BigIntegerField  # a surrogate; sharding later moves whole customers, so no foreign key is needed


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


class FeatureRow(models.Model):
    """The values of one feature group, as true at `occurred_at` and known from `known_at` on. Append-only history."""

    pk = models.CompositePrimaryKey("customer_id", "group", "known_at")
    customer_id = CUSTOMER()
    group = models.CharField(max_length=30)
    version = models.PositiveSmallIntegerField()
    occurred_at = models.DateTimeField()
    known_at = models.DateTimeField()
    values = models.JSONField()

    def __str__(self) -> str:
        return f"{self.group} of {self.customer_id}"


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


class ModelVersion(models.Model):
    """A trained propensity model. One champion at most; who promotes it is fairness.gate."""

    class Status(models.TextChoices):
        CHALLENGER = "challenger", "challenger"
        CHAMPION = "champion", "champion"
        RETIRED = "retired", "retired"

    name = models.CharField(max_length=60, unique=True)
    sha256 = models.CharField(max_length=64, unique=True)
    content = models.BinaryField()
    report = models.JSONField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CHALLENGER)
    trained_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="one_champion", fields=["status"], condition=Q(status="champion"))
        ]

    def __str__(self) -> str:
        return self.name


class Posterior(models.Model):
    """A checkpoint of the bandit at a position of the reward log; later versions are folded from it."""

    position = models.BigIntegerField(primary_key=True)
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    made_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-position"]

    def __str__(self) -> str:
        return str(self.position)


class PosteriorHead(models.Model):
    """One row: how far the learner has folded the reward log."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    position = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(name="one_posterior_head", condition=Q(id=1))]

    def __str__(self) -> str:
        return str(self.position)


class RewardWork(models.Model):
    """An outcome that waits for the learner; inserted in the outcome's transaction, deleted in the fold's."""

    id = models.BigAutoField(primary_key=True)
    customer_id = CUSTOMER()
    decision_id = models.UUIDField()
    offer = models.CharField(max_length=120)
    type = models.CharField(max_length=20)
    occurred_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.type} {self.decision_id}"


class RewardLog(models.Model):
    """The ordered log that the posterior is folded from. Append-only; `context` is float64, little-endian."""

    position = models.BigIntegerField(primary_key=True)
    customer_id = CUSTOMER()
    decision_id = models.UUIDField()
    arm = models.CharField(max_length=120)
    context = models.BinaryField()
    type = models.CharField(max_length=20)
    trial = models.BooleanField()
    reward = models.FloatField()
    occurred_at = models.DateTimeField()
    folded_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["customer_id", "decision_id"]),
            models.Index(fields=["arm", "folded_at"]),
        ]

    def __str__(self) -> str:
        return str(self.position)


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


class EventReceipt(models.Model):
    """Carries the uniqueness of event ids over all partitions; the body's hash tells a repeat from a conflict."""

    pk = models.CompositePrimaryKey("customer_id", "event_id")
    customer_id = CUSTOMER()
    event_id = models.CharField(max_length=64)
    body_hash = models.BinaryField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.event_id


class IdempotencyKey(models.Model):
    """The answer that a request with an `Idempotency-Key` header got, by API key."""

    pk = models.CompositePrimaryKey("api_key", "key")
    api_key = models.CharField(max_length=12)
    key = models.CharField(max_length=120)
    body_hash = models.BinaryField()
    status = models.PositiveSmallIntegerField()
    answer = models.BinaryField()
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key


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


class PrecomputedScore(models.Model):
    """Propensities of one customer from the nightly scoring, by offer (or arm); the degraded path reads them."""

    customer_id = models.BigIntegerField(primary_key=True)
    model = models.CharField(max_length=60)
    scores = models.JSONField()
    scored_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.customer_id)


class Job(models.Model):
    """A long task: what it does, how far it is, and how it ended. Celery only wakes it."""

    class Status(models.TextChoices):
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    kind = models.CharField(max_length=30, db_index=True)
    argument = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    message = models.TextField(blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.status}"


class ApiKey(models.Model):
    """A channel's credential; only its SHA-256 is kept (the secret has 256 random bits, so no slow hash is needed)."""

    prefix = models.CharField(max_length=12, primary_key=True)
    secret_hash = models.CharField(max_length=64)
    channel = models.CharField(max_length=20)
    scopes = ArrayField(models.CharField(max_length=20))
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.prefix} {self.channel}"
