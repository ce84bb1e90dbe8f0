"""Tables of the searches for less discriminatory alternatives and of the checks of single people. Every row is written
once; the triggers of the migration refuse a change, and a release with a model that may not be used."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q


class Search(models.Model):
    """One protocol, frozen by being written: what counts as good enough and what is tried, before anything is run."""

    class Kind(models.TextChoices):
        MODEL = "model", "model"
        RULE = "rule", "rule"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    subject = models.CharField(max_length=120)  # the model's name, or the rule's key
    protocol = models.JSONField()
    sha256 = models.CharField(max_length=64)
    reweighing = models.BooleanField()  # it may use groups in training, which takes a signature before it runs
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    frozen_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["kind", "subject", "-id"], name="search_of_subject")]

    def __str__(self) -> str:
        return f"search {self.pk} for {self.subject}"


class SearchRun(models.Model):
    """What a search found, once it is through; refused by trigger where it began before its protocol was frozen."""

    search = models.OneToOneField(Search, on_delete=models.PROTECT, related_name="run")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    facts = models.JSONField()  # rows, periods, versions and hashes of what it ran on

    def __str__(self) -> str:
        return f"run of search {self.search_id}"


class Candidate(models.Model):
    """One alternative, as measured out of time; number 0 is what is in use today. Aggregates only."""

    run = models.ForeignKey(SearchRun, on_delete=models.PROTECT, related_name="candidates")
    number = models.PositiveIntegerField()
    generator = models.CharField(max_length=30)
    parameters = models.JSONField()
    performance = models.FloatField(null=True)  # in the protocol's metric; None where it could not be made
    worst_ratio = models.FloatField(null=True)
    figures = models.JSONField()
    refused = models.TextField(blank=True)  # why it could not be made
    pareto = models.BooleanField()
    uses_group_at_training = models.BooleanField()
    uses_group_at_decision = models.BooleanField()
    model_sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    content = models.BinaryField(null=True)  # the model itself, of those that may be chosen

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [models.UniqueConstraint(name="one_candidate_a_number", fields=["run", "number"])]

    def __str__(self) -> str:
        return f"candidate {self.number} of run {self.run_id}"


class DecisionMemo(models.Model):
    """What was decided on a run, and why: adopt one candidate, or keep what is in use."""

    class Verdict(models.TextChoices):
        ADOPT = "adopt", "adopt"
        KEEP = "keep", "keep"

    run = models.OneToOneField(SearchRun, on_delete=models.PROTECT, related_name="memo")
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    candidate = models.ForeignKey(Candidate, on_delete=models.PROTECT, null=True, related_name="+")
    rationale = models.TextField()
    figures = models.JSONField()  # on the untouched holdout, and who enters and leaves
    model_name = models.CharField(max_length=60, blank=True)  # the challenger that was made of it
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="adopting_names_a_candidate",
                condition=Q(verdict="adopt", candidate__isnull=False) | Q(verdict="keep", candidate__isnull=True),
            ),
            models.CheckConstraint(name="a_memo_says_why", condition=Q(rationale__regex=r"\S")),
        ]

    def __str__(self) -> str:
        return f"memo on run {self.run_id}"


class SearchSignature(models.Model):
    """A second person's name under a search: its memo, or the use of groups in training. Refused by trigger of whoever
    wrote the search or the memo."""

    class Purpose(models.TextChoices):
        MEMO = "memo", "decision memo"
        REWEIGHING = "reweighing", "use of groups in training"

    search = models.ForeignKey(Search, on_delete=models.PROTECT, related_name="signatures")
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    comment = models.TextField(blank=True)
    signed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(name="signed_once", fields=["search", "purpose"])]

    def __str__(self) -> str:
        return f"{self.purpose} of search {self.search_id}"


class SearchWaiver(models.Model):
    """Why a model may go live without a search, where the pack in force lets that be waived."""

    model_name = models.CharField(max_length=60, db_index=True)
    packs = models.JSONField()  # keys of the packs in force when it was given
    reason = models.TextField()
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    given_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(name="a_waiver_says_why", condition=Q(reason__regex=r"\S"))]

    def __str__(self) -> str:
        return f"waiver for {self.model_name}"


class IndividualCheck(models.Model):
    """One run of a check of single people. Aggregates only."""

    class Kind(models.TextChoices):
        FLIP = "flip", "attribute flip"
        SWAP = "swap", "proxy swap"
        NEIGHBOURS = "neighbours", "consistency of neighbours"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    customers = models.PositiveIntegerField()
    differing = models.PositiveIntegerField()
    figures = models.JSONField()
    computed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["kind", "-id"], name="check_of_kind")]

    def __str__(self) -> str:
        return f"{self.kind} {self.computed_at:%Y-%m-%d %H:%M}"


class ComparatorPair(models.Model):
    """Two people alike in what a decision may use and unlike in what they got: surrogate keys, values that a decision
    may use, and nothing protected."""

    check_of = models.ForeignKey(IndividualCheck, on_delete=models.PROTECT, related_name="pairs")
    place = models.PositiveSmallIntegerField()
    customer_id = models.BigIntegerField()
    other_id = models.BigIntegerField()
    figures = models.JSONField()

    class Meta:
        ordering: ClassVar = ["place"]
        constraints: ClassVar = [models.UniqueConstraint(name="one_pair_a_place", fields=["check_of", "place"])]

    def __str__(self) -> str:
        return f"pair {self.place} of check {self.check_of_id}"
