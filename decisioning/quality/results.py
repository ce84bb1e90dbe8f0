"""The findings of each run, kept as rows: what failed, how much of it and since when; and what the page asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from decisioning.models import QualityCheck
from decisioning.quality.expectations import EXAMPLES, Finding

_Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """How a source stands: what was checked of it last, and since when the longest failure lasts."""

    source: str
    checked_at: datetime
    expectations: int
    failing: int
    failing_since: datetime | None


def record(source: str, findings: Iterable[Finding], now: datetime) -> None:
    """Keep a run's findings; a failure that was there at the run before keeps its beginning."""
    before = {_key(row): row for row in latest(source)}
    rows = []
    for finding in findings:
        expected = finding.expectation
        row = QualityCheck(
            source=source, subject=expected.subject, column=expected.column, expectation=expected.text, run_at=now,
            rows=finding.rows, failed=finding.failed, passed=finding.passed,
            examples=[dict(example) for example in finding.examples[:EXAMPLES]],
        )  # fmt: skip
        if not finding.passed:
            earlier = before.get(_key(row))
            row.failing_since = (earlier.failing_since if earlier else None) or now
        rows.append(row)
    QualityCheck.objects.bulk_create(rows, batch_size=1000)


def latest(source: str | None = None) -> list[QualityCheck]:
    """The newest result of every expectation, of one source or of all: failing ones first, then by name."""
    rows = QualityCheck.objects.order_by("source", "subject", "column", "expectation", "-run_at", "-id").distinct(
        "source", "subject", "column", "expectation"
    )
    if source is not None:
        rows = rows.filter(source=source)
    return sorted(rows, key=lambda row: row.passed)


def sources() -> list[SourceSummary]:
    """Every source that was ever checked, by name."""
    held: dict[str, list[QualityCheck]] = {}
    for row in latest():
        held.setdefault(row.source, []).append(row)
    return [
        SourceSummary(
            source,
            max(row.run_at for row in rows),
            len(rows),
            sum(not row.passed for row in rows),
            min((row.failing_since for row in rows if row.failing_since), default=None),
        )
        for source, rows in sorted(held.items())
    ]


def _key(row: QualityCheck) -> _Key:
    return row.source, row.subject, row.column, row.expectation
