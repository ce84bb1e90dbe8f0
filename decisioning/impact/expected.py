"""What a choice is expected to bring: the one definition that every forecast of Candor uses, with its uncertainty.

The expected response of a choice is `(1 - w) propensity + w mean`: the propensity before boosts, the mean reward that
the bandit expects of the arm in the customer's context, and w the bandit's weight in the release in force, for every
release that is compared. Its expected value is that, times the offer's value. A fallback's is its offer's base rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decisioning.bandit.posterior import Posterior
from decisioning.bandit.ranking import RankingWeights, bandit_weight
from decisioning.impact.people import Floats, People
from decisioning.impact.propensities import keys_of, propensities
from decisioning.impact.stages import NOBODY, Made, Policy, contexts_of

METHOD: Final = (
    "expected response of a choice: the propensity before boosts and the bandit's expected reward, weighted as in the "
    "release in force; of a fallback, its base rate; expected value: times the offer's value to the bank"
)
INTERVAL: Final = (
    "95 %, with the choices held: the uncertainty of what the bandit has learned and, of a sample, of who is in it; "
    "the propensity is taken as it is"
)
_Z: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of one customer of the population, on average; `low` and `high` are 95 %."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Expected:
    """Of customers (n,): what the choice for each is expected to bring, 0 without one. `learned` are (arms, dimension):
    by how much the sum of it rises with each weight of each arm's posterior."""

    response: Floats
    value: Floats
    learned_response: Floats
    learned_value: Floats


def expect(policy: Policy, made: Made, people: People, weights: RankingWeights, judge: Policy) -> Expected:
    """What these decisions bring. The propensity is `judge`'s where its release has what was chosen: two models judged
    each by itself could not be compared."""
    plan, size = policy.plan, len(people)
    response, value = np.zeros(size), np.zeros(size)
    arms = made.arm[made.ranked].astype(np.intp)
    at = np.arange(len(arms))
    mean, width = made.mean[at, arms], made.width[at, arms]
    share = bandit_weight(weights, policy.posterior.effective_trials(width))
    likely = made.propensity[at, plan.row_of_arm[arms]]
    if judge.plan.model is not plan.model:
        likely = _judged(policy, judge, people.among(made.ranked), arms, likely)
    response[made.ranked] = np.clip((1.0 - share) * likely + share * mean, 0.0, 1.0)
    fallback = np.setdiff1d(np.flatnonzero(made.arm != NOBODY), made.ranked)
    response[fallback] = plan.base_rates[made.arm[fallback]]
    chosen = made.arm != NOBODY
    value[chosen] = response[chosen] * plan.values[made.arm[chosen]]
    contexts = contexts_of(plan, people.some(made.ranked), len(arms)) * share[:, np.newaxis]
    return Expected(
        response, value, _by_arm(arms, contexts, len(plan.arms)),
        _by_arm(arms, contexts * plan.values[arms, np.newaxis], len(plan.arms)),
    )  # fmt: skip


def _judged(policy: Policy, judge: Policy, people: People, arms: NDArray[np.intp], own: Floats) -> Floats:
    place = {key: row for row, key in enumerate(keys_of(judge.plan))}
    per_arm = len(keys_of(judge.plan)) == len(judge.plan.arms) and keys_of(judge.plan) == judge.plan.arms
    keys = [arm if per_arm else policy.plan.release.arms[arm].offer for arm in policy.plan.arms]
    rows = np.array([place.get(key, NOBODY) for key in keys], dtype=np.intp)[arms]
    known = np.flatnonzero(rows != NOBODY)
    needed = np.zeros((len(people), len(place)), dtype=bool)
    needed[known, rows[known]] = True
    found = propensities(judge.plan, people, needed, model_stopped=judge.model_stopped)
    result = own.copy()
    result[known] = found[known, rows[known]]
    return result


def _by_arm(arms: NDArray[np.intp], weighted: Floats, count: int) -> Floats:
    return np.stack(
        [np.bincount(arms, weights=weighted[:, at], minlength=count) for at in range(weighted.shape[1])], axis=1
    )


@dataclass(frozen=True, slots=True)
class Learned:
    """One release's sums for the interval: arms by name with (arms, dimension), and the posterior that they are of."""

    arms: tuple[str, ...]
    sums: Floats
    posterior: Posterior


def estimate(each: Floats, learned: Sequence[tuple[float, Learned]], *, sampled: bool) -> Estimate:
    """The mean of `each` (n,) with its interval; `learned` are the sums with a sign each, for a difference."""
    if not len(each):
        return Estimate(0.0, 0.0, 0.0)
    mean, count = float(each.mean()), len(each)
    variance = _variance(learned) / count**2 + (float(each.var()) / count if sampled else 0.0)
    reach = _Z * float(np.sqrt(variance))
    return Estimate(mean, mean - reach, mean + reach)


def _variance(learned: Sequence[tuple[float, Learned]]) -> float:
    """Of the sum. What two releases expect of one arm errs together, so that it is added up before it is squared."""
    total = 0.0
    groups: dict[int, list[tuple[float, Learned]]] = {}
    for sign, one in learned:
        groups.setdefault(one.posterior.dimension, []).append((sign, one))
    for members in groups.values():
        sums: dict[str, tuple[Floats, Floats]] = {}
        for sign, one in members:
            covariance, index = one.posterior.covariance, one.posterior.index
            for arm, row in zip(one.arms, one.sums, strict=True):
                before = sums[arm][0] if arm in sums else np.zeros_like(row)
                sums[arm] = (before + sign * row, covariance[index[arm]])
        total += sum(float(row @ spread @ row) for row, spread in sums.values())
    return total
