"""What the last runs found of each expectation, for a line of small columns: how often it fails, and how much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from decisioning.models import QualityCheck

RUNS: Final = 12  # a quarter of weekly loads

Key = tuple[str, str, str, str]  # source, subject, column, expectation


@dataclass(frozen=True, slots=True)
class Run:
    """One run's finding; `passed` may be true with some that failed, where the expectation allows a share."""

    at: datetime
    rows: int
    failed: int
    passed: bool

    @property
    def share(self) -> float:
        return self.failed / self.rows if self.rows else 0.0


def runs(most: int = RUNS) -> Mapping[Key, tuple[Run, ...]]:
    """The last runs of every expectation, the oldest first."""
    place = Window(
        RowNumber(),
        partition_by=["source", "subject", "column", "expectation"],
        order_by=[F("run_at").desc(), F("id").desc()],
    )
    rows = QualityCheck.objects.annotate(place=place).filter(place__lte=most).order_by("run_at", "id").defer("examples")
    found: dict[Key, list[Run]] = defaultdict(list)
    for row in rows:
        key = (row.source, row.subject, row.column, row.expectation)
        found[key].append(Run(row.run_at, row.rows, row.failed, row.passed))
    return {key: tuple(of) for key, of in found.items()}
