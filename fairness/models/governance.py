"""Tables of model-risk governance: the inventory, validations, what calls for a review, anchors of the audit trail, and
packs for an examiner."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class ModelRecord(models.Model):
    """One version of a model's row in the inventory; the newest is in force, and all of them are its change log.
    Append-only (trigger); a release whose model is not fully documented is refused (trigger)."""

    model = models.ForeignKey(
        "decisioning.ModelVersion", to_field="name", on_delete=models.PROTECT, db_column="model", related_name="records"
    )
    version = models.PositiveIntegerField()
    tier = models.PositiveSmallIntegerField()
    # Who trained or wrote it: a person, a role whose holders did, or neither where Candor trained it by itself.
    developer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    developer_role = models.CharField(max_length=30, blank=True)
    content = models.JSONField()  # the fields of fairness.governance.fields, texts by name
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    note = models.TextField()  # what changed, and why
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="one_record_a_version", fields=["model", "version"]),
            models.CheckConstraint(name="tier_is_one_to_three", condition=Q(tier__gte=1, tier__lte=3)),
        ]

    def __str__(self) -> str:
        return f"{self.model_id} version {self.version}"


class ModelMeasurement(models.Model):
    """How a model does on what was decided and answered: its performance by group and segment, a simple rival, drift,
    and whether it can be made again. Append-only; aggregates of 20 people at least."""

    model = models.ForeignKey(
        "decisioning.ModelVersion", to_field="name", on_delete=models.PROTECT, db_column="model", related_name="+"
    )
    made_at = models.DateTimeField()
    content = models.JSONField()

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.model_id} on {self.made_at:%Y-%m-%d}"


class ModelValidation(models.Model):
    """A validation report. Its validator did not develop the model, nor did who countersigns it; what is signed stays
    as it is (constraints and trigger)."""

    class Conclusion(models.TextChoices):
        APPROVED = "approved", "approved"
        CONDITIONS = "conditions", "approved with conditions"
        REJECTED = "rejected", "rejected"

    model = models.ForeignKey(
        "decisioning.ModelVersion", to_field="name", on_delete=models.PROTECT, db_column="model",
        related_name="validations",
    )  # fmt: skip
    record = models.ForeignKey(ModelRecord, on_delete=models.PROTECT, related_name="+")
    validator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    developer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    sections = models.JSONField(default=dict)  # what the validator found, texts by section
    measured = models.JSONField(default=dict)  # what the machine found: replication, benchmark, skew
    findings = models.TextField(blank=True)
    conclusion = models.CharField(max_length=10, choices=Conclusion.choices, blank=True)
    started_at = models.DateTimeField()
    signed_at = models.DateTimeField(null=True)
    countersigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    countersigned_at = models.DateTimeField(null=True)
    valid_until = models.DateField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="validator_is_not_developer",
                condition=Q(developer__isnull=True) | ~Q(validator=F("developer")),
            ),
            models.CheckConstraint(
                name="countersigned_by_another",
                condition=Q(countersigned_by__isnull=True)
                | (
                    ~Q(countersigned_by=F("validator"))
                    & (Q(developer__isnull=True) | ~Q(countersigned_by=F("developer")))
                    & Q(signed_at__isnull=False, countersigned_at__isnull=False)
                ),
            ),
            models.CheckConstraint(
                name="signed_with_a_conclusion",
                condition=Q(signed_at__isnull=True) | (~Q(conclusion="") & Q(valid_until__isnull=False)),
            ),
            models.UniqueConstraint(
                name="one_open_validation", fields=["model"], condition=Q(signed_at__isnull=True)
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"validation {self.pk} of {self.model_id}"


class ReviewTrigger(models.Model):
    """Something that calls for a review of a model before its time, until a validation answers it."""

    model = models.ForeignKey(
        "decisioning.ModelVersion", to_field="name", on_delete=models.PROTECT, db_column="model",
        related_name="review_triggers",
    )  # fmt: skip
    kind = models.CharField(max_length=20)
    detail = models.JSONField()
    seen_at = models.DateTimeField()
    settled_by = models.ForeignKey(ModelValidation, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="one_open_trigger", fields=["model", "kind"], condition=Q(settled_by__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.model_id}"


class Anchor(models.Model):
    """The head of the audit trail's chain at a moment, and where else it was published. Append-only."""

    sequence = models.BigIntegerField()
    hash = models.CharField(max_length=64)
    made_at = models.DateTimeField()
    published = models.JSONField()  # [{"where", "target", "ok", "message"}]

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"event {self.sequence}, {self.made_at:%Y-%m-%d}"


class ExaminerPack(models.Model):
    """A pack that was made for an examiner: what it covers, and the hash of its bytes. Append-only."""

    requested_by = models.CharField(max_length=150)
    period_from = models.DateTimeField()
    period_to = models.DateTimeField()
    campaign = models.CharField(max_length=120, blank=True)  # an offer, or the mapping of a loaded history
    totals = models.JSONField()  # rows by table, decisions, offers
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()  # bytes
    made_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"pack {self.pk}"


class ExaminerPackPart(models.Model):
    """A slice of a pack's bytes: workers and web servers share no disk."""

    pack = models.ForeignKey(ExaminerPack, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [models.UniqueConstraint(name="one_part_a_number", fields=["pack", "number"])]

    def __str__(self) -> str:
        return f"part {self.number} of pack {self.pack_id}"
