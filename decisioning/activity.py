"""What the engine has done lately: counts, latencies and shares of the newest decisions; it reads and decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from decisioning.models import Decision as DecisionRow

SAMPLE: Final = 5_000
"""Decisions that shares and latencies are taken from: enough for a share to within 1.4 points, and read in milliseconds
however many decisions there are."""


@dataclass(frozen=True, slots=True)
class Activity:
    """The newest decisions. Times in microseconds, None without a decision; counters hold how many by name."""

    decisions: int
    with_offer: int
    degraded: int
    steps: Mapping[str, int]
    reasons: Mapping[str, int]
    offers: Mapping[str, int]  # ranked first
    arms: Mapping[str, int]
    p50_us: float | None
    p99_us: float | None

    def share_of(self, arm: str) -> float | None:
        """The share of this arm in the decisions that chose one."""
        return self.arms.get(arm, 0) / self.with_offer if self.with_offer else None


def newest(since: datetime | None = None) -> Activity:
    """Of the newest SAMPLE decisions, or of those among them that were made from `since` on."""
    rows = DecisionRow.objects.order_by("-id").values_list("reason", "offer", "arm", "degraded", "took_us")
    if since is not None:
        rows = rows.filter(id__gte=_first_id(since))
    found = list(rows[:SAMPLE])
    chosen = [row for row in found if row[2] is not None]
    took = np.array([row[4] for row in found], dtype=np.float64)
    return Activity(
        decisions=len(found),
        with_offer=len(chosen),
        degraded=sum(bool(row[3]) for row in found),
        steps=Counter(step for row in found for step in row[3]),
        reasons=Counter(row[0] for row in found if row[0] is not None),
        offers=Counter(row[1] for row in chosen if row[1] is not None),
        arms=Counter(row[2] for row in chosen if row[2] is not None),
        p50_us=float(np.percentile(took, 50)) if found else None,
        p99_us=float(np.percentile(took, 99)) if found else None,
    )


def count_since(moment: datetime) -> int:
    """How many decisions were made from `moment` on, read from the index alone."""
    return DecisionRow.objects.filter(id__gte=_first_id(moment)).count()
