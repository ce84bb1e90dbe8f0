"""The tables of an examiner pack: counts and names of approvals, never a row about a customer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet

from decisioning import activity
from decisioning.models import ModelVersion, Suppression
from fairness import small_groups
from fairness.cube import lines
from fairness.cube.stages import STAGES
from fairness.governance import fields, inventory
from fairness.governance.examiner.scope import Scope
from fairness.models import (
    Anchor,
    CubeComparison,
    CubeCount,
    FairnessAudit,
    Finding,
    ModelRecord,
    ModelValidation,
)
from fairness.thresholds import Bands
from offers.models import AuditEvent, ChangeRequest, Release, Stop

Row = tuple[Any, ...]
_CHUNK: Final = 2000
_DECISIONS: Final = """
SELECT to_char(made_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, coalesce(offer, ''), channel, coalesce(reason, ''),
  count(*)
FROM decisioning_decision WHERE id >= %(first)s AND id < %(last)s AND (%(offer)s = '' OR offer = %(offer)s)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_OUTCOMES: Final = """
SELECT to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, offer, type, count(*)
FROM decisioning_outcome WHERE occurred_at >= %(start)s AND occurred_at < %(end)s
  AND (%(offer)s = '' OR offer = %(offer)s)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_HISTORY: Final = """
SELECT to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, arm, channel, '', count(*)
FROM decisioning_loggeddecision WHERE source = %(source)s AND occurred_at >= %(start)s AND occurred_at < %(end)s
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Table:
    """One CSV: what it holds in words, its columns, and its rows of a scope, read in bounded memory."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: Callable[[Scope], Iterator[Row]]


def _of(name: str, title: str, columns: Mapping[str, str], rows: Callable[[Scope], QuerySet[Any, Any]]) -> Table:
    """A table of stored rows: `columns` are lookups by heading."""

    def read(scope: Scope) -> Iterator[Row]:
        return iter(rows(scope).values_list(*columns.values()).iterator(chunk_size=_CHUNK))

    return Table(name, title, tuple(columns), read)


def _asked(statement: str, scope: Scope) -> Iterator[Row]:
    first, last = (activity.first_id(moment) for moment in scope.period)
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {"first": first, "last": last, "start": scope.start, "end": scope.end, "offer": scope.offer,
             "source": scope.source},
        )  # fmt: skip
        yield from cursor.fetchall()


def _decisions(scope: Scope) -> Iterator[Row]:
    return _asked(_HISTORY if scope.source else _DECISIONS, scope)


def _outcomes(scope: Scope) -> Iterator[Row]:
    return iter(()) if scope.source else _asked(_OUTCOMES, scope)


def _stages(scope: Scope) -> Iterator[Row]:
    """Every stage of every group, channels and credit bands together; a count of too few is left out."""
    smallest = small_groups.smallest(bands(scope))
    rows = CubeCount.objects.filter(month__gte=scope.first_month, month__lt=scope.end.date(), channel="", segment="")
    rows = rows.none() if scope.source else rows.filter(offer=scope.offer) if scope.offer else rows
    found = rows.order_by("month", "offer", "attribute").exclude(attribute__contains=" and ")
    for row in found.iterator(chunk_size=_CHUNK):
        reached = len(row.groups)
        for place, group in enumerate(row.groups):
            counts = row.reached[place::reached]
            for stage, people in zip(STAGES, counts, strict=True):
                shown = people if people >= smallest else None
                yield row.month, row.offer or "any offer", row.attribute, group, stage, shown


_COMPARED: Final = (
    "attribute", "group", "reference", "total", "favourable", "reference_total", "reference_favourable", "ratio", "p",
    "q", "shortfall", "verdict",
)  # fmt: skip


def audits(scope: Scope) -> QuerySet[FairnessAudit]:
    """The audits whose period touches that of the scope."""
    rows = FairnessAudit.objects.filter(period_from__lt=scope.end, period_to__gte=scope.start).order_by("pk")
    return rows.filter(source=scope.source) if scope.source else rows


def bands(scope: Scope) -> Bands:
    """The lines in force at the end of the scope."""
    return lines.in_force(scope.end.date())


def _comparisons(scope: Scope) -> Iterator[Row]:
    """Each with the counts that it is computed from, but for those of too few people."""
    at = bands(scope)
    for audit in audits(scope).iterator(chunk_size=50):
        for row in small_groups.hidden(audit.comparisons, at):
            if not scope.offer or row["subject"] == scope.offer:
                head = (audit.pk, audit.period_from, audit.stage, row["subject"])
                yield *head, *(row.get(name) for name in _COMPARED)
    if scope.source:
        return
    stored = CubeComparison.objects.filter(month__gte=scope.first_month, month__lt=scope.end.date()).order_by("pk")
    stored = stored.filter(offer=scope.offer) if scope.offer else stored
    names = ("audit_id", "month", "stage", "offer")
    for one in stored.values(*names, *_COMPARED).iterator(chunk_size=_CHUNK):
        shown = small_groups.hidden({name: one[name] for name in _COMPARED}, at)
        yield *(one[name] for name in names), *shown.values()


def changes(scope: Scope) -> QuerySet[ChangeRequest]:
    """Proposals that were written or settled in the period, and those of its releases."""
    during = Q()
    for field in ("created_at", "submitted_at", "checked_at", "release__published_at"):
        during |= Q(**{f"{field}__gte": scope.start, f"{field}__lt": scope.end})
    rows = ChangeRequest.objects.filter(during).order_by("pk")
    if not scope.offer:
        return rows
    about = Q(kind="offer", key=scope.offer) | Q(items__contains=[{"kind": "offer", "key": scope.offer}])
    for field in ("offer", "target"):
        about |= Q(items__contains=[{"content": {field: scope.offer}}])
    return rows.filter(about)


def releases(scope: Scope) -> QuerySet[Release]:
    return Release.objects.filter(published_at__gte=scope.start, published_at__lt=scope.end).order_by("number")


def stops(scope: Scope) -> QuerySet[Stop]:
    """Those that began in the period or were in force in it."""
    rows = Stop.objects.filter(stopped_at__lt=scope.end).order_by("pk")
    return rows.filter(Q(resumed_at__isnull=True) | Q(resumed_at__gte=scope.start))


def findings(scope: Scope) -> QuerySet[Finding]:
    rows = Finding.objects.filter(opened_at__lt=scope.end).order_by("pk")
    return rows.filter(Q(closed_at__isnull=True) | Q(closed_at__gte=scope.start))


def overrides(scope: Scope) -> Iterator[Row]:
    """Where a person set aside what the machine would have done: (at, kind, subject, who, reason)."""
    signed = ChangeRequest.objects.filter(checked_at__gte=scope.start, checked_at__lt=scope.end).order_by("pk")
    kinds = (
        ("failing evidence justified", "justification", "justified_by__username"),
        ("glass broken", "broken_because", "broken_by__username"),
        ("too little data accepted", "little_data_because", "checker__username"),
    )
    for name, reason, person in kinds:
        found = signed.exclude(**{reason: ""}).values_list("checked_at", "pk", person, reason)
        yield from ((at, name, f"change {pk}", who, why) for at, pk, who, why in found.iterator(chunk_size=_CHUNK))
    made = Stop.objects.filter(stopped_at__gte=scope.start, stopped_at__lt=scope.end).order_by("pk")
    for stop in made.select_related("stopped_by").iterator(chunk_size=_CHUNK):
        who = stop.stopped_by.get_username() if stop.stopped_by else "a policy"
        yield stop.stopped_at, "stopped", f"{stop.scope} {stop.target}".strip(), who, stop.reason
    kept = Suppression.objects.filter(made_at__gte=scope.start, made_at__lt=scope.end).order_by("pk")
    for one in kept.select_related("made_by").iterator(chunk_size=_CHUNK):
        subject, why = f"customer {one.customer_id}: {one.offer or 'every offer'}", one.get_reason_code_display()
        # What was written of one person stays on her profile: models and examiners need the reason alone.
        yield one.made_at, "kept from a customer", subject, one.made_by.get_username(), why


def trail(scope: Scope) -> QuerySet[AuditEvent]:
    """The events of the period and all between them, without a gap."""
    inside = AuditEvent.objects.filter(at__gte=scope.start, at__lt=scope.end).order_by("sequence")
    first, last = inside.first(), inside.last()
    if first is None or last is None:
        return AuditEvent.objects.none()
    return AuditEvent.objects.filter(sequence__gte=first.sequence, sequence__lte=last.sequence).order_by("sequence")


def models(scope: Scope) -> Iterator[Row]:
    """The inventory as it stood at the end of the period."""
    for model in ModelVersion.objects.filter(trained_at__lt=scope.end).defer("content").order_by("pk"):
        row = ModelRecord.objects.filter(model__name=model.name, at__lt=scope.end).select_related("developer").first()
        content = row.content if row else {}
        yield (
            model.name, model.sha256, model.status, model.trained_at, row.version if row else None,
            row.tier if row else None, content.get(inventory.RATIONALE),
            row.developer.get_username() if row and row.developer else None, model.report.get("rows"),
            model.report.get("auc"), *(content.get(field.name) for field in fields.STATED),
        )  # fmt: skip


TABLES: Final = (
    Table("decisions", "Decisions by month, offer and channel", ("month", "offer", "channel", "reason", "decisions"),
          _decisions),
    Table("outcomes", "Outcomes by month and offer", ("month", "offer", "type", "outcomes"), _outcomes),
    Table("stages", "People by stage and group, blank under 20",
          ("month", "offer", "attribute", "group", "stage", "people"), _stages),
    _of("fairness_audits", "Audits", {
        "audit": "pk", "stage": "stage", "source": "source", "from": "period_from", "to": "period_to",
        "population": "population", "verdict": "verdict", "difference_from_aif360": "largest_difference",
        "computed_at": "computed_at",
    }, audits),
    Table("fairness_comparisons", "Comparisons with their counts", ("audit", "period", "stage", "offer", *_COMPARED),
          _comparisons),
    _of("changes", "Changes, with maker and checker", {
        "change": "pk", "kind": "kind", "key": "key", "title": "title", "status": "status", "rationale": "rationale",
        "maker": "author__username", "submitted_at": "submitted_at", "checker": "checker__username",
        "checked_at": "checked_at", "comment": "comment", "content_hash": "content_hash",
        "approved_hash": "approved_hash", "justified_by": "justified_by__username", "justification": "justification",
        "release": "release__number",
    }, changes),
    _of("releases", "Releases", {
        "release": "number", "published_at": "published_at", "content_hash": "content_hash", "change": "change_id",
        "maker": "change__author__username", "checker": "change__checker__username", "verdict": "evidence__verdict",
        "population": "evidence__population",
    }, releases),
    Table("overrides", "Overrides, with their reasons", ("at", "kind", "subject", "by", "reason"), overrides),
    _of("stops", "Stops", {
        "scope": "scope", "target": "target", "reason": "reason", "stopped_by": "stopped_by__username",
        "stopped_at": "stopped_at", "resumed_by": "resumed_by__username", "resumed_at": "resumed_at",
    }, stops),
    _of("findings", "Findings", {
        "finding": "pk", "kind": "kind", "subject": "subject", "title": "title", "severity": "severity",
        "status": "status", "owner": "owner__username", "due_on": "due_on", "opened_at": "opened_at",
        "cause": "cause", "root_cause": "root_cause", "remediation": "remediation", "closed_by": "closed_by__username",
        "closed_at": "closed_at", "closing_note": "closing_note",
    }, findings),
    Table("models", "Model inventory", (
        "model", "sha256", "status", "trained_at", "record_version", "tier", "tier_rationale", "developer_account",
        "training_rows", "auc", *(field.name for field in fields.STATED),
    ), models),
    _of("validations", "Validations of models", {
        "model": "model_id", "validator": "validator__username", "conclusion": "conclusion", "findings": "findings",
        "started_at": "started_at", "signed_at": "signed_at", "countersigned_by": "countersigned_by__username",
        "countersigned_at": "countersigned_at", "valid_until": "valid_until",
    }, lambda scope: ModelValidation.objects.filter(started_at__lt=scope.end).order_by("pk")),
    _of("anchors", "Anchors of the audit trail", {
        "made_at": "made_at", "sequence": "sequence", "hash": "hash", "published": "published",
    }, lambda scope: Anchor.objects.filter(made_at__lt=scope.end).order_by("pk")),
    _of("audit_trail", "Audit trail", {
        "sequence": "sequence", "at": "at", "actor": "actor", "action": "action", "subject": "subject",
        "detail": "detail", "previous_hash": "previous_hash", "hash": "hash",
    }, trail),
)  # fmt: skip
