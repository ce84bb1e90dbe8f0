"""The records of an examiner pack: whole rows as JSON, one a line, so that what the tables shorten can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import Any, Final

from django.db.models import Model, QuerySet

from decisioning.models import ModelVersion
from fairness import small_groups
from fairness.governance.examiner import tables
from fairness.governance.examiner.scope import Scope
from fairness.models import FindingEvent, ModelRecord, ModelValidation
from fairness.thresholds import Bands
from offers import snapshot
from offers.models import Comment, Evidence

Record = Mapping[str, Any]
_CHUNK: Final = 100


def _rows(rows: QuerySet[Any, Any], without: tuple[str, ...] = ()) -> Iterator[Record]:
    """Every column of every row; people by their names elsewhere, here by their keys."""
    model: type[Model] = rows.model
    names = [field.attname for field in model._meta.concrete_fields if field.attname not in without]
    return iter(rows.values(*names).iterator(chunk_size=_CHUNK))


def _trail(scope: Scope) -> Iterator[Record]:
    """Exactly what each hash covers, the moment in UTC as it was hashed."""
    for row in _rows(tables.trail(scope)):
        yield {**row, "at": row["at"].astimezone(UTC).isoformat()}


def _catalogue(scope: Scope) -> Iterator[Record]:
    """The release in force at the end of the period, whole."""
    live = snapshot.live_at(scope.end)
    if live is not None:
        yield {"number": live.number, "content_hash": live.content_hash, "content": live.content}


def _evidence(scope: Scope) -> Iterator[Record]:
    """Each as it was stored, but for what would show too few people."""
    bands = tables.bands(scope)
    for row in _rows(Evidence.objects.filter(change__in=tables.changes(scope)).order_by("pk")):
        yield {**row, "content": small_groups.hidden(_without_small_steps(row["content"], bands), bands)}


def _without_small_steps(content: Record, bands: Bands) -> Record:
    """Without the steps of a group whose comparison is of too few: a step is a ratio without counts."""
    shown = [change["after"] for change in content.get("shown_parity", ())]
    large = {
        (one["attribute"], one["group"])
        for one in shown
        if not small_groups.few(one["total"], one["reference_total"], bands)
    }
    steps = [step for step in content.get("waterfall", ()) if (step["attribute"], step["group"]) in large]
    return {**content, "waterfall": steps} if "waterfall" in content else content


RECORDS: Final[Mapping[str, Callable[[Scope], Iterator[Record]]]] = {
    "changes": lambda scope: _rows(tables.changes(scope)),
    "discussion": lambda scope: _rows(Comment.objects.filter(change__in=tables.changes(scope)).order_by("pk")),
    "evidence": _evidence,
    "catalogue_at_the_end": _catalogue,
    "findings": lambda scope: _rows(tables.findings(scope)),
    "finding_events": lambda scope: _rows(
        FindingEvent.objects.filter(finding__in=tables.findings(scope)).order_by("pk")
    ),
    "models": lambda scope: _rows(ModelVersion.objects.filter(trained_at__lt=scope.end).order_by("pk"), ("content",)),
    "model_records": lambda scope: _rows(ModelRecord.objects.filter(at__lt=scope.end).order_by("pk")),
    "model_validations": lambda scope: _rows(ModelValidation.objects.filter(started_at__lt=scope.end).order_by("pk")),
    "audit_trail": _trail,
}
