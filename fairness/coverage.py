"""Whether the figures that the packs in force ask for were made: which, by whom asked, and when last. What no pack asks
for is made as well and named here as asked for by none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.db.models import Max

from fairness.cube import lines
from fairness.cube.rollup import ANY
from fairness.models import Cause, CubeComparison, IndividualCheck, MonthFigure
from fairness.scores import comparison
from fairness.scores.record import looked_at
from offers import packs
from offers.pack_schema import METRICS
from offers.types import Pack

AUDIT, SCORES, SCAN, NEIGHBOURS, EXPOSURE = "audit", "scores", "scan", "neighbours", "exposure"
_DECILES: Final = "deciles"
_FIGURES: Final[Mapping[str, str]] = {
    "M3": comparison.OPPORTUNITY, "M4": comparison.ODDS, "M5": comparison.ODDS, "M6": comparison.ODDS,
    "M8": comparison.SCORE, "M9": comparison.EFFECT, "M11": _DECILES, "M13": comparison.RESIDUAL,
    "M15": comparison.CALIBRATION,
}  # fmt: skip
"""Where a metric of the scores stands in what a night keeps of them."""
MADE_BY: Final[Mapping[str, str]] = {
    **dict.fromkeys(("M1", "M2", "M10", "M12", "M14", "M16"), AUDIT), **dict.fromkeys(_FIGURES, SCORES),
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
    """The newest month of which the audit of record could tell something, the packs that were in force at its end, and
    every metric in its order, as they ask for it; before the first such audit None, and the packs of today."""
    told = CubeComparison.objects.filter(ratio__isnull=False).order_by("-month")
    month, audited = told.values_list("month", "audit__computed_at").first() or (None, None)
    made = {**{metric: audited for metric, run in MADE_BY.items() if run == AUDIT}, **dict(_made(month))}
    in_force = packs.in_force(source, lines.last_day(month) if month else today)
    return month, in_force, [
        Asked(metric, tuple(pack.title for pack in in_force if metric in pack.metrics), MADE_BY[metric],
              made.get(metric))
        for metric in METRICS
    ]  # fmt: skip


def _made(month: date | None) -> Iterator[tuple[str, datetime | None]]:
    checks = IndividualCheck.objects.filter(kind=IndividualCheck.Kind.NEIGHBOURS)
    yield "M7", checks.aggregate(at=Max("computed_at"))["at"]
    audience = Cause.objects.filter(kind=Cause.Kind.AUDIENCE)
    yield "M18", audience.aggregate(at=Max("computed_at"))["at"]
    if month is not None:
        yield from _of_scores(month)
        yield "M17", looked_at(month)


def _of_scores(month: date) -> Iterator[tuple[str, datetime]]:
    """Those of which at least one group could be told something, of any offer."""
    rows = MonthFigure.objects.filter(kind=MonthFigure.Kind.SCORES, month=month, offer=ANY)
    for content, at in rows.values_list("content", "computed_at"):
        told = {one["metric"] for one in content["figures"] if one.get("value") is not None}
        told |= {_DECILES} if any(one["ratio"] is not None for one in content["deciles"]) else set()
        yield from ((metric, at) for metric, place in _FIGURES.items() if place in told)
