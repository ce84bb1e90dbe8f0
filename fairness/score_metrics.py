"""Fairness of numbers instead of decisions: scores, rates, limits, bonuses by group; no verdicts, no database.

Groups are masks (n,) over the same people. Every function gives None where it is undefined, never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import rankdata

from fairness.counts import GroupCounts
from fairness.intervals import Z_95, Interval
from fairness.metrics import disparate_impact

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_DECILES: Final = tuple(tenth / 10 for tenth in range(1, 10))
_STEPS: Final = 50
_CLIP: Final = 1e-6  # of a probability, before its log-odds


def standardised_mean_difference(
    values: Floats, group: Mask, reference: Mask, *, lower_is_better: bool = False, weights: Floats | None = None
) -> float | None:
    """(group mean - reference mean) / standard deviation of both together; positive where the group is better off, so
    that the sign turns for what is better when it is lower, such as a rate or a fee. `values` (n,) without NaN."""
    mass = np.ones(len(values)) if weights is None else weights
    both = group | reference
    if not (mass[group].sum() and mass[reference].sum()):
        return None
    centre = np.average(values[both], weights=mass[both])
    spread = float(np.sqrt(np.average((values[both] - centre) ** 2, weights=mass[both])))
    ours, theirs = (float(np.average(values[who], weights=mass[who])) for who in (group, reference))
    if not spread:
        return None
    return (theirs - ours if lower_is_better else ours - theirs) / spread


def difference_interval(value: float | None, people: int, others: int) -> Interval | None:
    """95 % around a standardised mean difference of one row a person (Hedges and Olkin 1985, chapter 5)."""
    if value is None:
        return None
    half = Z_95 * float(np.sqrt((people + others) / (people * others) + value**2 / (2 * (people + others))))
    return Interval(value - half, value + half)


def residual_difference(actual: Floats, predicted: Floats, group: Mask, reference: Mask) -> float | None:
    """The standardised mean difference of outcome minus prediction: positive where the group is underrated."""
    return standardised_mean_difference(actual - predicted, group, reference)


@dataclass(frozen=True, slots=True)
class Cut:
    """Who of group and reference would be chosen if everybody from `score` up were."""

    score: float
    group: GroupCounts
    reference: GroupCounts

    @property
    def rate(self) -> float:
        """Of both groups together."""
        return (self.group.favourable + self.reference.favourable) / (self.group.total + self.reference.total)

    @property
    def ratio(self) -> float | None:
        return disparate_impact(self.group, self.reference)


def ratios_by_cut(scores: Floats, group: Mask, reference: Mask, shares: Sequence[float] = _DECILES) -> list[Cut]:
    """At each share of people that could be chosen, highest scores first; deciles unless the caller names others. Equal
    scores are never parted."""
    both = scores[group | reference]
    if not len(both):
        return []
    cuts = np.quantile(both, [1 - share for share in shares], method="higher").tolist()
    return [Cut(cut, _above(scores, group, cut), _above(scores, reference, cut)) for cut in cuts]


def _above(scores: Floats, who: Mask, cut: float) -> GroupCounts:
    return GroupCounts("", int(who.sum()), int((scores[who] >= cut).sum()))


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with both ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> list[float]:
        return [self.value, self.low, self.high]


def area(score: Floats, member: Mask) -> float:
    """Under the ROC curve: the chance that a member is scored above somebody else, ties counting half (Mann and
    Whitney); (n,) each, with members and others."""
    return float(_placements(score, member).mean())


def auc(score: Floats, accepted: Mask) -> Measured | None:
    """The same with DeLong's interval (DeLong and others 1988, Biometrics 44:837). None where nobody, or
    everybody, accepted."""
    if not accepted.any() or accepted.all():
        return None
    above, below = _placements(score, accepted), _placements(score, ~accepted)
    value = float(above.mean())
    half = Z_95 * float(np.sqrt(_variance(above) / len(above) + _variance(below) / len(below)))
    return Measured(value, max(0.0, value - half), min(1.0, value + half))


def _placements(score: Floats, member: Mask) -> Floats:
    """The share of the others below each member, by ranks over all and within."""
    return np.asarray((rankdata(score)[member] - rankdata(score[member])) / (~member).sum(), dtype=np.float64)


def _variance(placements: Floats) -> float:
    return float(placements.var(ddof=1)) if len(placements) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of one group: observed over expected, the slope of outcome on log-odds (1 is calibrated), and the expected
    calibration error over ten bins of equal people."""

    people: int
    observed_over_expected: float | None
    slope: float | None
    error: float | None


def calibration(actual: Floats, predicted: Floats, group: Mask) -> Calibration:
    """`actual` (n,) is 0 or 1, `predicted` (n,) a probability."""
    happened, likely = actual[group], np.clip(predicted[group], _CLIP, 1 - _CLIP)
    if not len(happened):
        return Calibration(0, None, None, None)
    bins = np.array_split(np.argsort(likely, kind="stable"), 10)
    error = sum(abs(float(happened[one].sum() - likely[one].sum())) for one in bins if len(one)) / len(happened)
    fitted = _logistic(np.column_stack([np.ones(len(happened)), logit(likely)]), happened)
    ratio = float(happened.sum() / likely.sum())
    return Calibration(len(happened), ratio, float(fitted[0][1]) if fitted else None, error)


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference of favourable rates with its 95 % interval; positive where the group falls behind."""

    value: float
    interval: Interval


def conditional_marginal_effect(
    favourable: Mask, group: Mask, reference: Mask, controls: Floats
) -> Effect | None:  # fmt: skip
    """The average marginal effect of being in the reference, in a logit with legitimate controls (n, k): what is left
    of the gap among people who are alike in them. The interval is the delta method's. None where the fit has no finite
    answer: a group or an outcome is missing, or separated by the controls."""
    if not (group.any() and reference.any()):
        return None
    both = group | reference
    spread = controls[both].std(axis=0)
    standardised = (controls[both] - controls[both].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    kept = standardised[:, spread > 0]
    design = np.column_stack([np.ones(int(both.sum())), reference[both].astype(float), kept])
    fitted = _logistic(design, favourable[both].astype(float))
    if fitted is None:
        return None
    beta, covariance = fitted
    with_it, without = design.copy(), design.copy()
    with_it[:, 1], without[:, 1] = 1.0, 0.0
    high, low = expit(with_it @ beta), expit(without @ beta)
    gradient = ((high * (1 - high))[:, None] * with_it - (low * (1 - low))[:, None] * without).mean(axis=0)
    value, half = float((high - low).mean()), Z_95 * float(np.sqrt(gradient @ covariance @ gradient))
    return Effect(value, Interval(value - half, value + half))


def _logistic(design: Floats, outcome: Floats) -> tuple[Floats, Floats] | None:
    """Coefficients (k,) and covariance (k, k) by Newton's steps; None where they do not settle."""
    if not 0 < outcome.sum() < len(outcome) or np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    beta = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = expit(design @ beta)
        information = design.T @ ((chance * (1 - chance))[:, None] * design)
        try:
            step = np.linalg.solve(information, design.T @ (outcome - chance))
        except np.linalg.LinAlgError:
            return None
        beta = beta + step
        if not np.isfinite(beta).all() or np.abs(beta).max() > 30:  # separated: the odds run away
            return None
        if np.abs(step).max() < 1e-10:
            return np.asarray(beta), np.asarray(np.linalg.inv(information), dtype=np.float64)
    return None
