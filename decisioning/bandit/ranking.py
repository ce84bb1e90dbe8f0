"""From propensity and belief to an order of arms: blended scores and the ranking; no draw is made, no I/O comes in.

Every operation on scores is element-wise, so that N customers together get the very bits that each gets alone.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

ABSENT = -1  # pads a row of `rank_many` that lists fewer offers than the limit


class UndefinedScore(ValueError):
    """A score is not a number, so that no order exists."""


@dataclass(frozen=True, slots=True)
class RankingWeights:
    """How a release weighs propensity against the bandit; the two weights sum to 1.

    With `shift_trials` = C an arm with n effective trials moves n / (n + C) of the propensity's weight to the bandit;
    None means no shift. Scores are multiplied by the offer's value to the power `value_exponent`.
    """

    propensity: float = 0.6
    bandit: float = 0.4
    shift_trials: float | None = None
    value_exponent: float = 0.0

    def __post_init__(self) -> None:
        if not (self.propensity >= 0 and self.bandit >= 0 and abs(self.propensity + self.bandit - 1.0) < 1e-9):
            raise ValueError(f"the weights must be 0 or more and sum to 1: {self.propensity}, {self.bandit}")
        if self.shift_trials is not None and not 0 < self.shift_trials < np.inf:
            raise ValueError(f"shift_trials must be above 0, not {self.shift_trials}")
        if not np.isfinite(self.value_exponent):
            raise ValueError("value_exponent must be finite")


class Blend(NamedTuple):
    """Each arm's score before its draw: normal with mean `location` and standard deviation `scale`, same shape."""

    location: Floats
    scale: Floats

    def score(self, normals: ArrayLike) -> Floats:
        """The scores that these standard normal draws realise."""
        return np.asarray(self.location + self.scale * np.asarray(normals, dtype=np.float64))


def blend(
    weights: RankingWeights,
    *,
    propensity: ArrayLike,
    boost: ArrayLike,
    mean: ArrayLike,
    width: ArrayLike,
    effective_trials: ArrayLike,
    value: ArrayLike = 1.0,
) -> Blend:
    """The score's distribution for arms (k,), or for N customers (N, k); arguments broadcast.

    score = ((1 - w) min(1, propensity x boost) + w draw) value^exponent, where the draw is normal with the posterior's
    `mean` and `width`, and w is the bandit's weight. `effective_trials` (above 0) counts only with `shift_trials`,
    `value` (above 0, in any one currency) only with an exponent.
    """
    likely = np.minimum(1.0, np.multiply(propensity, boost))
    share = bandit_weight(weights, effective_trials)
    location = (1.0 - share) * likely + share * np.asarray(mean, dtype=np.float64)
    scale = share * np.asarray(width, dtype=np.float64)
    if weights.value_exponent:
        worth = np.power(np.ascontiguousarray(value, dtype=np.float64), weights.value_exponent)
        location, scale = location * worth, scale * worth
    return Blend(*np.broadcast_arrays(location, scale))


def bandit_weight(weights: RankingWeights, effective_trials: ArrayLike) -> Floats:
    """The draw's weight for each arm, same shape as `effective_trials`; rises to 1 with trials under `shift_trials`."""
    trials = np.asarray(effective_trials, dtype=np.float64)
    if weights.shift_trials is None:
        return np.full(trials.shape, weights.bandit)
    return np.asarray(weights.bandit + weights.propensity / (1.0 + weights.shift_trials / trials))


def rank(scores: ArrayLike, offers: ArrayLike, limit: int | None = None) -> Indices:
    """Arm indices, best first, one arm for each offer: its best one. `offers` (k,) says which offer each arm is of.

    Equal scores stand in arm order. A score of minus infinity keeps an arm out. Raises UndefinedScore for NaN.
    """
    values, owners = _checked(scores), np.asarray(offers)
    order = np.argsort(-values, kind="stable")
    order = order[: np.count_nonzero(values > -np.inf)]
    _, first_of_offer = np.unique(owners[order], return_index=True)
    return np.asarray(order[np.sort(first_of_offer)][:limit], dtype=np.intp)


def rank_many(scores: ArrayLike, offers: ArrayLike, limit: int) -> Indices:
    """`rank` for N customers: scores (N, k) give (N, limit), where ABSENT fills what a customer has no offer for."""
    remaining, owners = _checked(scores).copy(), np.asarray(offers)
    customers = np.arange(len(remaining))
    ranked = np.full((len(remaining), limit), ABSENT, dtype=np.intp)
    for place in range(limit):
        best = np.argmax(remaining, axis=1)  # the first of equals, hence arm order
        present = remaining[customers, best] > -np.inf
        ranked[present, place] = best[present]
        remaining[owners == owners[best][:, np.newaxis]] = -np.inf
    return ranked


def _checked(scores: ArrayLike) -> Floats:
    values = np.asarray(scores, dtype=np.float64)
    if np.isnan(values).any():
        raise UndefinedScore(f"{np.count_nonzero(np.isnan(values))} of {values.size} scores are not numbers")
    return values
