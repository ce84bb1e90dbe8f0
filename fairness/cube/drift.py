"""Whether a gap grows over the months: a moving average of ln AIR with control limits; no database, no clock.

The average is exponentially weighted (Roberts 1959, Technometrics 1:239), its limits three standard errors of a series
whose points have errors of their own (the Katz variance of each).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import log, sqrt
from typing import Final

from fairness.counts import GroupCounts
from fairness.metrics import disparate_impact

MONTHS: Final = 13
WEIGHT: Final = 0.3
LIMIT: Final = 3.0


@dataclass(frozen=True, slots=True)
class Point:
    """One month of one comparison, with the q value that it had in its family."""

    month: date
    group: GroupCounts
    reference: GroupCounts
    q: float | None


@dataclass(frozen=True, slots=True)
class Charted:
    """A month on the chart; `value` is ln AIR. None where the ratio is zero or undefined."""

    month: date
    value: float
    average: float
    low: float
    high: float
    red: bool

    @property
    def out(self) -> bool:
        """Whether the average has left its limits downwards: the group falls further behind than it used to."""
        return self.average < self.low


@dataclass(frozen=True, slots=True)
class Chart:
    """`centre` is the mean ln AIR of the months before the last `periods`, by their precision."""

    points: tuple[Charted, ...]
    centre: float
    alert: bool


def chart(points: Sequence[Point], *, periods: int = 2, significance: float = 0.05) -> Chart | None:
    """The last 13 months by rising month. It alerts only where the last `periods` months were red one after the other
    (the group behind, with a q below `significance`) and the average has left its limit. None with fewer months."""
    known = [(point, *found) for point in points[-MONTHS:] if (found := _log_ratio(point)) is not None]
    if len(known) <= periods:
        return None
    before = known[:-periods]
    precision = [1 / error**2 for _, _, error in before]
    centre = sum(value * weight for (_, value, _), weight in zip(before, precision, strict=True)) / sum(precision)
    charted = tuple(_charted(known, centre, significance))
    red = all(one.red for one in charted[-periods:]) and _adjoining(charted[-periods:])
    return Chart(charted, centre, alert=red and charted[-1].out)


def _charted(known: Sequence[tuple[Point, float, float]], centre: float, significance: float) -> list[Charted]:
    average, variance, found = centre, 0.0, []
    for point, value, error in known:
        average = WEIGHT * value + (1 - WEIGHT) * average
        variance = (WEIGHT * error) ** 2 + (1 - WEIGHT) ** 2 * variance
        half = LIMIT * sqrt(variance)
        red = value < 0 and point.q is not None and point.q < significance
        found.append(Charted(point.month, value, average, centre - half, centre + half, red))
    return found


def _log_ratio(point: Point) -> tuple[float, float] | None:
    """ln AIR and its standard error; half a person is spared where everybody is favourable, which has no variance."""
    ratio = disparate_impact(point.group, point.reference)
    if not ratio:
        return None
    spread = sum(1 / one.favourable - 1 / one.total for one in (point.group, point.reference))
    return log(ratio), sqrt(max(spread, 1 / (2 * point.group.total)))


def _adjoining(months: Sequence[Charted]) -> bool:
    """Without a month between them that could not be compared."""
    numbers = [one.month.year * 12 + one.month.month for one in months]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))
