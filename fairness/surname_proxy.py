"""Groups that nobody recorded, estimated from surname and place (BISG), and what a gap seen through estimates may be
called; tables are the bank's, and nobody is ever put into the likeliest group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from fairness.thresholds import DEFAULT, Bands, Verdict

Floats = NDArray[np.float64]
LABEL: Final = "estimated"
CUTS: Final = (0.5, 0.8)
METHODS: Final = ("weighted", *(f"at least {cut}" for cut in CUTS), "regression")
_WHOLE: Final = 0.99  # probabilities of one person that add up to less are missing


def posterior(by_name: Floats, of_place: Floats, base: Floats) -> Floats:
    """p(group | name, place) as (N, groups), proportional to p(group | name) p(place | group).

    `by_name` (N, groups) is p(group | name) and `of_place` (N, groups) p(group | place), NaN where a table lacks the
    name or place; `base` (groups,) is p(group) of the population that both tables are of, by which p(group | place) is
    divided. A row is NaN where either is missing, or where its name's or place's probabilities do not add up to 0.99.
    """
    usable = (np.nansum(by_name, axis=1) >= _WHOLE) & (np.nansum(of_place, axis=1) >= _WHOLE)
    product = by_name * of_place / base
    total = product.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(usable[:, None] & (total > 0), product / total, np.nan)


@dataclass(frozen=True, slots=True)
class Estimator:
    """The rates of the group and its reference as one method sees them, and their ratio; None where it sees nobody.
    `people` is how many of the group it counts, a sum of probabilities for all but the cuts."""

    method: str
    people: float
    rate: float | None
    reference_rate: float | None

    @property
    def ratio(self) -> float | None:
        if self.rate is None or not self.reference_rate:
            return None
        return self.rate / self.reference_rate


@dataclass(frozen=True, slots=True)
class Estimate:
    """One group against one reference, by every method; `low` and `high` are the range of their ratios."""

    estimators: tuple[Estimator, ...]
    p: float | None  # of the regression's difference, with errors robust to unequal variance
    shortfall: float | None
    verdict: Verdict
    label: str = LABEL

    @property
    def low(self) -> float | None:
        return min((one.ratio for one in self.estimators if one.ratio is not None), default=None)

    @property
    def high(self) -> float | None:
        return max((one.ratio for one in self.estimators if one.ratio is not None), default=None)

    def of(self, method: str) -> Estimator:
        return next(one for one in self.estimators if one.method == method)


def compare(probabilities: Floats, favourable: NDArray[np.bool_], group: int, reference: int,
            bands: Bands = DEFAULT) -> Estimate:  # fmt: skip
    """A gap seen through probabilities (N, groups) alone: weighted by them, above two cuts, and by regression.

    Weighting hides a gap and cutting exaggerates it, so no method speaks alone: `fail` only where the weighted and the
    regressed ratio both are under the failing line, the gap significant and material; else at most `watch`.
    """
    known = ~np.isnan(probabilities).any(axis=1)
    p, y = probabilities[known], favourable[known].astype(np.float64)
    slopes, p_value = _regression(p, y, group, reference)
    weighted = Estimator("weighted", float(p[:, group].sum()), _mean(y, p[:, group]), _mean(y, p[:, reference]))
    cuts = [
        Estimator(f"at least {cut}", float((p[:, group] >= cut).sum()),
                  _mean(y, p[:, group] >= cut), _mean(y, p[:, reference] >= cut))
        for cut in CUTS
    ]  # fmt: skip
    regressed = Estimator("regression", weighted.people, *(slopes or (None, None)))
    short = max(0.0, weighted.people * (slopes[1] - slopes[0])) if slopes else None
    verdict = _verdict(weighted, regressed, cuts, p_value, short, bands)
    return Estimate((weighted, *cuts, regressed), p_value, short, verdict)


def _mean(y: Floats, weights: Floats | NDArray[np.bool_]) -> float | None:
    total = float(weights.sum())
    return float((y * weights).sum() / total) if total else None


def _regression(p: Floats, y: Floats, group: int, reference: int) -> tuple[tuple[float, float] | None, float | None]:
    """Least squares of the outcome on the probabilities, which add up to one and so leave no room for a constant: each
    slope is a group's rate. The rates of the two groups, held within 0 and 1, and the p value of their difference."""
    if len(y) <= p.shape[1] or np.linalg.matrix_rank(p) < p.shape[1]:
        return None, None
    inverse = np.linalg.inv(p.T @ p)
    slopes = inverse @ p.T @ y
    residual = y - p @ slopes
    covariance = inverse @ (p.T * residual**2) @ p @ inverse
    difference = np.zeros(p.shape[1])
    difference[group], difference[reference] = 1.0, -1.0
    spread = float(np.sqrt(difference @ covariance @ difference))
    p_value = float(2 * norm.sf(abs(slopes @ difference) / spread)) if spread else None
    rates = np.clip(slopes, 0.0, 1.0)
    return (float(rates[group]), float(rates[reference])), p_value


def _verdict(
    weighted: Estimator, regressed: Estimator, cuts: Sequence[Estimator], p: float | None, short: float | None,
    bands: Bands,
) -> Verdict:  # fmt: skip
    if weighted.ratio is None or regressed.ratio is None or p is None or short is None:
        return Verdict.UNDEFINED
    found = p < bands.significance and short >= bands.material_shortfall
    if max(weighted.ratio, regressed.ratio) < bands.fail_ratio and found:
        return Verdict.FAIL
    happy = weighted.people * (weighted.rate or 0.0)
    if min(happy, weighted.people - happy) < bands.smallest_cell:
        return Verdict.TOO_LITTLE_DATA
    ratios = [one.ratio for one in (weighted, regressed, *cuts) if one.ratio is not None]
    return Verdict.WATCH if min(ratios) < bands.watch_ratio else Verdict.PASS
