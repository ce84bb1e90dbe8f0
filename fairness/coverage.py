"""Whether the figures that the packs in force ask for were made: which, by whom asked, and when last. What no pack asks
for is made as well and named here as asked for by none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.db.models import Max

from fairness.cube import lines
from fairness.cube.record import SOURCE
from fairness.models import Cause, FairnessAudit, IndividualCheck, MonthFigure
from fairness.scores.record import looked_at
from offers import packs
from offers.pack_schema import METRICS
from offers.types import Pack

AUDIT, SCORES, SCAN, NEIGHBOURS, EXPOSURE = "audit", "scores", "scan", "neighbours", "exposure"
MADE_BY: Final[Mapping[str, str]] = {
    **dict.fromkeys(("M1", "M2", "M10", "M12", "M14", "M16"), AUDIT),
    **dict.fromkeys(("M3", "M4", "M5", "M6", "M8", "M9", "M11", "M13", "M15"), SCORES),
    "M7": NEIGHBOURS, "M17": SCAN, "M18": EXPOSURE,
}  # fmt: skip
"""Which run makes each metric: the audit of record over a month's counts, the night's scores and outcomes of a month,
its scan for groups that nobody named, the check of single people, the causes of what was decided lately."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A metric with the titles of the packs that ask for it; `made_at` is when the newest of its figures was made, None
    where there is none: nothing ran, or no group was large enough to be told."""

    metric: str
    packs: tuple[str, ...]
    made_by: str
    made_at: datetime | None

    @property
    def owed(self) -> bool:
        """Asked for, and not made."""
        return bool(self.packs) and self.made_at is None


def asked(source: packs.Source, today: date) -> tuple[date | None, tuple[Pack, ...], list[Asked]]:
    """The newest month with an audit of record, the packs that were in force at its end, and every metric in its order,
    as they ask for it; before the first audit None, and the packs of today."""
    audits = FairnessAudit.objects.filter(source=SOURCE).order_by("-period_from", "-computed_at")
    start, audited = audits.values_list("period_from", "computed_at").first() or (None, None)
    month = start.date() if start else None
    made = {AUDIT: audited, **dict(_made(month))}
    in_force = packs.in_force(source, lines.last_day(month) if month else today)
    return (
        month,
        in_force,
        [
            Asked(metric, tuple(pack.title for pack in in_force if metric in pack.metrics), run, made.get(run))
            for metric, run in ((metric, MADE_BY[metric]) for metric in METRICS)
        ],
    )


def _made(month: date | None) -> Iterator[tuple[str, datetime | None]]:
    checks = IndividualCheck.objects.filter(kind=IndividualCheck.Kind.NEIGHBOURS)
    yield NEIGHBOURS, checks.aggregate(at=Max("computed_at"))["at"]
    audience = Cause.objects.filter(kind=Cause.Kind.AUDIENCE)
    yield EXPOSURE, audience.aggregate(at=Max("computed_at"))["at"]
    if month is not None:
        figures = MonthFigure.objects.filter(kind=MonthFigure.Kind.SCORES, month=month)
        yield SCORES, figures.aggregate(at=Max("computed_at"))["at"]
        yield SCAN, looked_at(month)
