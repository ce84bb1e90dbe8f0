"""How well a candidate foretells acceptance, with its uncertainty; arrays in, numbers out, no group."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from fairness.intervals import Z_95

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

METHODS: Final = {
    "auc": "area under the ROC curve over the offers that were shown; interval of DeLong, DeLong and Clarke-Pearson "
    "(Biometrics 1988;44:837)",
    "value": "value to the bank of what the people ranked highest accepted, for a thousand people; interval from the "
    "spread between people",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with both ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> list[float]:
        return [self.value, self.low, self.high]


def auc(score: Floats, accepted: Mask) -> Measured | None:
    """The chance that somebody who accepted is scored above somebody who did not, ties counting half; (n,) each.

    None where nobody, or everybody, accepted.
    """
    positive, negative = int(accepted.sum()), int((~accepted).sum())
    if not positive or not negative:
        return None
    over_all = rankdata(score)
    # The share of the others below each: DeLong's placements, by ranks within and over all.
    above = (over_all[accepted] - rankdata(score[accepted])) / negative
    below = 1 - (over_all[~accepted] - rankdata(score[~accepted])) / positive
    area = float(above.mean())
    variance = _variance(above) / positive + _variance(below) / negative
    return Measured(area, max(0.0, area - Z_95 * sqrt(variance)), min(1.0, area + Z_95 * sqrt(variance)))


def _variance(placements: Floats) -> float:
    return float(placements.var(ddof=1)) if len(placements) > 1 else 0.0


def per_thousand(each: Floats) -> Measured | None:
    """The mean of what each person (m,) brings, for a thousand people; None where there is nobody."""
    if not len(each):
        return None
    mean, error = float(each.mean()), sqrt(_variance(each) / len(each))
    return Measured(1000 * mean, 1000 * (mean - Z_95 * error), 1000 * (mean + Z_95 * error))
