"""What another policy would have earned, from logged decisions and their probabilities; no model of reward comes in.

Sources: Horvitz and Thompson 1952 (IPS); Swaminathan and Joachims, "The self-normalized estimator for counterfactual
learning", NIPS 2015 (SNIPS); Owen, Monte Carlo theory, methods and examples, 9.2 (delta method, effective sample size).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_NORMAL_97_5 = 1.959963984540054


class NoOverlap(ValueError):
    """The target policy gives no probability to any logged action, so the log says nothing about it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Expected reward a decision, its standard error, its 95 % interval, and how many decisions the weights leave."""

    value: float
    standard_error: float
    interval: tuple[float, float]
    effective_sample_size: float


def snips(reward: ArrayLike, logged: ArrayLike, target: ArrayLike) -> Estimate:
    """Self-normalised estimate: the mean of `reward` (n,) weighted by `target` / `logged` probability, (n,) each.

    It stays within the range of the rewards and has a bias of order 1/n. Raises ValueError for unequal shapes, fewer
    than two decisions or impossible probabilities, and NoOverlap.
    """
    rewards, weights = _rewards_and_weights(reward, logged, target)
    total = weights.sum()
    value = float(weights @ rewards / total)
    n = len(rewards)
    variance = np.square(weights * (rewards - value)).sum() / total**2 * n / (n - 1)
    return _estimate(value, float(np.sqrt(variance)), weights)


def ips(reward: ArrayLike, logged: ArrayLike, target: ArrayLike) -> Estimate:
    """The plain estimate, without bias but with more variance: the mean of reward x target / logged. As `snips`."""
    rewards, weights = _rewards_and_weights(reward, logged, target)
    terms = weights * rewards
    return _estimate(float(terms.mean()), float(terms.std(ddof=1) / np.sqrt(len(terms))), weights)


def _rewards_and_weights(reward: ArrayLike, logged: ArrayLike, target: ArrayLike) -> tuple[Floats, Floats]:
    rewards, old, new = (np.asarray(column, dtype=np.float64) for column in (reward, logged, target))
    if rewards.ndim != 1 or not rewards.shape == old.shape == new.shape or len(rewards) < 2:
        raise ValueError(f"needs three columns of equal length, at least 2: {rewards.shape}, {old.shape}, {new.shape}")
    if not np.isfinite(rewards).all():
        raise ValueError("rewards must be finite")
    if not ((old > 0) & (old <= 1) & (new >= 0) & (new <= 1)).all():
        raise ValueError("logged probabilities must lie in (0, 1] and target probabilities in [0, 1]")
    if not new.any():
        raise NoOverlap(f"the target policy would have taken none of {len(rewards)} logged actions")
    return rewards, new / old


def _estimate(value: float, standard_error: float, weights: Floats) -> Estimate:
    margin = _NORMAL_97_5 * standard_error
    effective = float(weights.sum() ** 2 / np.square(weights).sum())
    return Estimate(value, standard_error, (value - margin, value + margin), effective)
