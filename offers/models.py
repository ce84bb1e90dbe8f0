"""Tables of the catalogue, its approvals, its releases and the audit trail; what may happen to a row is in the domain
modules and, once more, in the constraints and triggers of the migrations."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

KINDS = (
    "product",
    "offer",
    "creative",
    "arm",
    "rule",
    "boost",
    "contact_policy",
    "ranking",
    "placement",
    "model",
    "pack",
)
# Changes of many items: back to an earlier release, and a catalogue read from files.
WHOLE_KINDS = ("rollback", "catalogue")


class CatalogueItem(models.Model):
    """The latest approved content of one thing. The engine never reads it: it reads the release's snapshot."""

    key = models.CharField(max_length=120, unique=True)
    title = models.CharField(max_length=200)
    version = models.PositiveIntegerField(default=1)
    live = models.BooleanField(default=True)  # False: retired by an approved change
    content = models.JSONField()
    release = models.ForeignKey("offers.Release", on_delete=models.PROTECT, related_name="+")
    updated_at = models.DateTimeField()

    class Meta:
        abstract = True
        ordering: ClassVar = ["key"]

    def __str__(self) -> str:
        return self.key


class Product(CatalogueItem):
    pass


class Offer(CatalogueItem):
    product = models.SlugField(max_length=120, db_index=True)
    starts_at = models.DateTimeField(null=True, db_index=True)
    ends_at = models.DateTimeField(null=True, db_index=True)


class Creative(CatalogueItem):
    offer = models.SlugField(max_length=120, db_index=True)


class Arm(CatalogueItem):
    offer = models.SlugField(max_length=120, db_index=True)


class EligibilityRule(CatalogueItem):
    scope = models.CharField(max_length=10)
    target = models.CharField(max_length=120, blank=True, db_index=True)


class BoostRule(CatalogueItem):
    scope = models.CharField(max_length=10)
    target = models.CharField(max_length=120, blank=True, db_index=True)


class ContactPolicy(CatalogueItem):
    pass


class RankingPolicy(CatalogueItem):
    pass


class Placement(CatalogueItem):
    pass


class Experiment(CatalogueItem):
    """A declared comparison: a hypothesis on two or more arms, with its dates. It changes no decision by itself."""


class ChangeRequest(models.Model):
    """A proposal to replace, add or retire catalogue items; frozen from submission on (trigger)."""

    class Status(models.TextChoices):
        DRAFT = "draft", "draft"
        SUBMITTED = "submitted", "in review"
        APPROVED = "approved", "approved"
        REJECTED = "rejected", "rejected"
        WITHDRAWN = "withdrawn", "withdrawn"

    kind = models.CharField(max_length=20, choices=[(kind, kind) for kind in (*KINDS, *WHOLE_KINDS)])
    key = models.CharField(max_length=120)
    title = models.CharField(max_length=200)
    rationale = models.TextField(blank=True)
    # [{"kind", "key", "content"}]; content null retires the item.
    items = models.JSONField()
    content_hash = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="authored_changes")
    created_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    checker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="checked_changes"
    )
    checked_at = models.DateTimeField(null=True)
    approved_hash = models.CharField(max_length=64, blank=True)
    comment = models.TextField(blank=True)  # the checker's
    # A compliance officer's business justification, without which a failing verdict blocks approval.
    justification = models.TextField(blank=True)
    justified_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    # The evidence that was justified: another candidate, or another live release, takes another signature.
    justified_evidence = models.ForeignKey("offers.Evidence", on_delete=models.PROTECT, null=True, related_name="+")
    # What else would have served the need, and why it was not taken.
    alternatives_considered = models.TextField(blank=True)
    # Why its checker approves although the evidence has too little data to say whether it is fair.
    little_data_because = models.TextField(blank=True)
    # The release that was live when it was approved: what a later one changed of its items is not overwritten.
    approved_on = models.PositiveIntegerField(null=True)
    # Approved now, published then; None publishes with the approval.
    go_live_at = models.DateTimeField(null=True)
    # Break-glass: the first of two people who put a change live without waiting for its evidence, and why.
    broken_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    broken_because = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["status", "-id"])]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="maker_is_not_checker", condition=Q(checker__isnull=True) | ~Q(checker=F("author"))
            ),
            models.CheckConstraint(
                name="maker_does_not_justify", condition=Q(justified_by__isnull=True) | ~Q(justified_by=F("author"))
            ),
            models.CheckConstraint(
                name="glass_is_broken_by_two",
                condition=Q(broken_by__isnull=True)
                | (~Q(broken_by=F("author")) & (Q(checker__isnull=True) | ~Q(checker=F("broken_by")))),
            ),
            models.CheckConstraint(
                name="approval_names_checker_and_content",
                condition=~Q(status="approved") | Q(checker__isnull=False, approved_hash=F("content_hash")),
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Comment(models.Model):
    """One contribution to the discussion of a change. Append-only."""

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="discussion")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    at = models.DateTimeField()
    content_hash = models.CharField(max_length=64)  # of the content that was discussed

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.author_id} on change {self.change_id}"


class Evidence(models.Model):
    """What an approver saw: reach and parity of one candidate on the whole population. Append-only."""

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="evidence")
    content_hash = models.CharField(max_length=64)  # of the change
    candidate_hash = models.CharField(max_length=64)  # of the release that approval would make
    base = models.PositiveIntegerField(null=True)  # the live release that it was compared with; None before the first
    verdict = models.CharField(max_length=20)
    population = models.PositiveBigIntegerField()
    content = models.JSONField()
    computed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"evidence {self.pk} on change {self.change_id}"


class Release(models.Model):
    """An approved catalogue as one immutable snapshot; refused by trigger without evidence on this very content."""

    number = models.PositiveIntegerField(primary_key=True)
    content = models.JSONField()
    content_hash = models.CharField(max_length=64, db_index=True)
    change = models.OneToOneField(ChangeRequest, on_delete=models.PROTECT, related_name="release")
    evidence = models.ForeignKey(Evidence, on_delete=models.PROTECT, related_name="+")
    published_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-number"]

    def __str__(self) -> str:
        return f"release {self.number}"


class FirmOffer(models.Model):
    """By what a list was pulled for a firm offer of credit, and until when it is honoured so: offers/firm_offers.py.
    Append-only, and a release that moves these criteria is refused by trigger meanwhile."""

    offer = models.CharField(max_length=120, db_index=True)
    campaign = models.CharField(max_length=120)
    criteria = models.JSONField()
    sha256 = models.CharField(max_length=64)
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="+")
    basis = models.CharField(max_length=200)  # the law, as the packs in force cited it
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    honoured_until = models.DateTimeField(db_index=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="honoured_after_it_was_made", condition=Q(honoured_until__gt=F("made_at")))
        ]

    def __str__(self) -> str:
        return f"{self.offer}, {self.campaign}"


class Stop(models.Model):
    """An emergency brake on one thing or on everything; one person stops, another resumes. What a policy stops by
    itself (`stopped_by` None) anybody may resume who may resume at all."""

    class Scope(models.TextChoices):
        ALL = "all", "everything"
        PRODUCT = "product", "product"
        OFFER = "offer", "offer"
        ARM = "arm", "arm"
        MODEL = "model", "model"

    scope = models.CharField(max_length=10, choices=Scope.choices)
    target = models.CharField(max_length=120, blank=True)
    reason = models.TextField()
    stopped_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    stopped_at = models.DateTimeField()
    resumed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    resumed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="resumed_by_a_second_person",
                condition=Q(resumed_by__isnull=True) | Q(stopped_by__isnull=True) | ~Q(resumed_by=F("stopped_by")),
            ),
            models.UniqueConstraint(
                name="one_open_stop_per_target", fields=["scope", "target"], condition=Q(resumed_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.target}".strip()


class StopEpoch(models.Model):
    """One row, raised by a trigger on Stop; a decision's insert compares it with the epoch it was decided under."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.BigIntegerField(default=1)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(name="one_stop_epoch", condition=Q(id=1))]

    def __str__(self) -> str:
        return str(self.epoch)


class AuditEvent(models.Model):
    """One link of the hash chain; see offers/audit.py. Append-only by trigger and by grant."""

    sequence = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=60, db_index=True)
    subject = models.CharField(max_length=200, db_index=True)
    detail = models.TextField()  # canonical JSON, kept as text so that its hash can be recomputed
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering: ClassVar = ["-sequence"]

    def __str__(self) -> str:
        return f"{self.sequence} {self.action} {self.subject}"
