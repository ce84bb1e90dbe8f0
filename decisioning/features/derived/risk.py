"""The financial risk profile: a table of points that a person recomputes by hand. More points are more risk, 0 to 100.

It contains no time with the bank and no income: the one goes with age, the other is in debt to income already. It is
made from a consumer report, so it is one in law (15 USC 1681a(d)), and the register lets it serve firm offers only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decisioning.features.derived.column import Categories, Column, band
from offers.register import ATTRIBUTES


@dataclass(frozen=True, slots=True)
class Line:
    """Points for one attribute: `points[0]` below `floors[0]`, `points[i]` from `floors[i - 1]` on.

    `unknown` are the points where the attribute is not known, about the middle; None: then there is no profile at all.
    """

    attribute: str
    floors: tuple[float, ...]
    points: tuple[int, ...]
    unknown: int | None

    def count(self, values: Column) -> Column:
        """The points of each value."""
        missing = np.nan if self.unknown is None else float(self.unknown)
        return np.where(np.isfinite(values), np.array(self.points, dtype=np.float64)[self._index(values)], missing)

    def words(self, value: float | None) -> str:
        """The band of the value, as the table names it."""
        if value is None or not np.isfinite(value):
            return "not known"
        index = int(self._index(np.array([value]))[0])
        if index == 0:
            return f"below {self._say(0)}"
        if index == len(self.floors):
            highest = (ATTRIBUTES[self.attribute].bounds or (0.0, np.inf))[1]
            return self._say(-1) if self.floors[-1] == highest else f"{self._say(-1)} or more"
        return f"{self._say(index - 1)} to below {self._say(index)}"

    def _index(self, values: Column) -> NDArray[np.intp]:
        return np.digitize(values, self.floors)

    def _say(self, index: int) -> str:
        floor = self.floors[index]
        return f"{floor:.0%}" if ATTRIBUTES[self.attribute].unit == "ratio" else f"{floor:g}"


# A judgement, weighted as scorecards usually are, with the bands of credit_score_band; 36 % and 43 % of debt to income
# are the limits that mortgage lenders have long used. It is fitted on nothing, and a bank sets its own.
TABLE: Final = (
    Line("credit_score", (580, 670, 740, 800), (40, 30, 18, 8, 0), None),
    Line("debt_to_income", (0.2, 0.36, 0.43), (0, 8, 15, 25), 12),
    Line("utilisation_90d", (0.1, 0.3, 0.5, 0.75), (0, 4, 9, 14, 20), 9),
    Line("on_time_payment_rate_12m", (0.9, 0.95, 0.98, 1.0), (15, 11, 7, 3, 0), 7),
)
PROFILE_FLOORS: Final = (20, 40, 60)


@dataclass(frozen=True, slots=True)
class Counted:
    """One line of the table applied to one customer."""

    attribute: str
    value: float | None
    band: str
    points: int


def risk_points(
    credit_score: Column, debt_to_income: Column, utilisation_90d: Column, on_time_payment_rate_12m: Column
) -> Column:
    """The sum of the points that the table gives for credit score, debt to income, utilisation over 90 days and on-time
    payment rate; more points are more risk.

    What is not known counts as the middle of its line; without a credit score there are no points.
    """
    columns = (credit_score, debt_to_income, utilisation_90d, on_time_payment_rate_12m)
    points = np.zeros(len(credit_score))
    for line, values in zip(TABLE, columns, strict=True):
        points += line.count(values)
    return points


def risk_profile(risk_points: Column) -> Categories:
    """Low below 20 risk points, moderate below 40, elevated below 60, high from 60 on."""
    return band(risk_points, PROFILE_FLOORS, ATTRIBUTES["risk_profile"].choices)


def explain(values: Mapping[str, float | None]) -> tuple[Counted, ...]:
    """The table applied to one customer, line by line, as they add up to risk_points; empty without a credit score."""
    counted = []
    for line in TABLE:
        value = values.get(line.attribute)
        points = float(line.count(np.array([np.nan if value is None else value], dtype=np.float64))[0])
        if np.isnan(points):
            return ()
        counted.append(Counted(line.attribute, value, line.words(value), int(points)))
    return tuple(counted)
