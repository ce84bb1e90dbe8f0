"""What the engine has done and learned: shares and latencies of the newest decisions, and where each arm stands; it
reads and decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import NormalDist
from typing import Final
from uuid import UUID

import numpy as np

from decisioning.bandit.action_probability import first_probabilities
from decisioning.bandit.posterior import Floats, Indices, Posterior
from decisioning.models import Decision as DecisionRow
from decisioning.models import RewardLog
from decisioning.plan import Plan
from decisioning.reward_log import REWARD

SAMPLE: Final = 5_000
"""Decisions that shares and latencies are taken from: enough for a share to within 1.4 points, and read in milliseconds
however many decisions there are."""
Z_95: Final = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Activity:
    """The newest decisions. Times in microseconds, None without a decision; counters hold how many by name."""

    decisions: int
    with_offer: int
    degraded: int
    steps: Mapping[str, int]
    reasons: Mapping[str, int]
    offers: Mapping[str, int]  # ranked first
    arms: Mapping[str, int]
    p50_us: float | None
    p99_us: float | None

    def share_of(self, arm: str) -> float | None:
        """The share of this arm in the decisions that chose one."""
        return self.arms.get(arm, 0) / self.with_offer if self.with_offer else None


def newest(since: datetime | None = None) -> Activity:
    """Of the newest SAMPLE decisions, or of those among them that were made from `since` on."""
    rows = DecisionRow.objects.order_by("-id").values_list("reason", "offer", "arm", "degraded", "took_us")
    if since is not None:
        rows = rows.filter(id__gte=first_id(since))
    found = list(rows[:SAMPLE])
    chosen = [row for row in found if row[2] is not None]
    took = np.array([row[4] for row in found], dtype=np.float64)
    return Activity(
        decisions=len(found),
        with_offer=len(chosen),
        degraded=sum(bool(row[3]) for row in found),
        steps=Counter(step for row in found for step in row[3]),
        reasons=Counter(row[0] for row in found if row[0] is not None),
        offers=Counter(row[1] for row in chosen if row[1] is not None),
        arms=Counter(row[2] for row in chosen if row[2] is not None),
        p50_us=float(np.percentile(took, 50)) if found else None,
        p99_us=float(np.percentile(took, 99)) if found else None,
    )


def count_since(moment: datetime) -> int:
    """How many decisions were made from `moment` on, read from the index alone."""
    return DecisionRow.objects.filter(id__gte=first_id(moment)).count()


COUNTED: Final = 100_000
"""Up to so many decisions are counted; beyond, a page says "more than"."""


def made_between(start: datetime, until: datetime | None) -> int:
    """How many decisions were made from `start` on and before `until` (None: now); COUNTED + 1 stands for more."""
    rows = DecisionRow.objects.filter(id__gte=first_id(start))
    rows = rows.filter(id__lt=first_id(until)) if until else rows
    return rows[: COUNTED + 1].count()


@dataclass(frozen=True, slots=True)
class Rewards:
    """Trials, and the rewards that came for them or for earlier ones meanwhile."""

    trials: int
    rewarded: float


def newest_rewards(since: datetime) -> Rewards:
    """Of the newest SAMPLE rows of the reward log, those that were learned from `since` on."""
    rows = RewardLog.objects.filter(type=REWARD).order_by("-position").values_list("trial", "reward", "folded_at")
    found = [(trial, reward) for trial, reward, at in rows[:SAMPLE] if at >= since]
    return Rewards(sum(trial for trial, _ in found), sum(reward for _, reward in found))


def rewards_of(arms: Sequence[str]) -> Rewards:
    """Of the newest SAMPLE rows of the reward log of these arms."""
    rows = RewardLog.objects.filter(type=REWARD, arm__in=arms).order_by("-folded_at").values_list("trial", "reward")
    found = list(rows[:SAMPLE])
    return Rewards(sum(trial for trial, _ in found), sum(reward for _, reward in found))


def first_id(moment: datetime) -> UUID:
    """Below every UUIDv7 that is made from this moment on."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


@dataclass(frozen=True, slots=True)
class Belief:
    """What the bandit believes of one arm, for the average customer of its context.

    `mean` is the expected reward of a trial, `low` and `high` its 95 % credible interval; `rewarded` is the sum of all
    rewards, prior apart. The interval is cut at 0, since no reward is negative.
    """

    arm: str
    offer: str
    trials: int
    rewarded: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Standing(Belief):
    """A belief among those of all other arms: `best` is the probability that none has a higher expected reward."""

    best: float


def beliefs(plan: Plan, posterior: Posterior, arms: Sequence[str]) -> list[Belief]:
    """Of these arms of the release, in their order; it costs what they cost, however many others there are."""
    mean, width, places = _predicted(plan, posterior, arms)
    return [
        Belief(
            arm=arm,
            offer=plan.release.arms[arm].offer,
            trials=int(posterior.trials[place]),
            # The context starts with the constant 1, so the first moment is the prior's plus all rewards.
            rewarded=max(0.0, float(posterior.moment[place, 0]) - plan.priors[arm].mean * plan.priors[arm].strength),
            mean=float(centre),
            low=max(0.0, float(centre - Z_95 * spread)),
            high=float(centre + Z_95 * spread),
        )
        for arm, place, centre, spread in zip(arms, places, mean, width, strict=True)
    ]


def standings(plan: Plan, posterior: Posterior) -> list[Standing]:
    """Every arm of the release, the highest expected reward first."""
    mean, width, _ = _predicted(plan, posterior, plan.arms)
    best = first_probabilities(mean, width) if len(mean) else mean
    found = [
        Standing(row.arm, row.offer, row.trials, row.rewarded, row.mean, row.low, row.high, float(chance))
        for row, chance in zip(beliefs(plan, posterior, plan.arms), best, strict=True)
    ]
    return sorted(found, key=lambda row: -row.mean)


def _predicted(plan: Plan, posterior: Posterior, arms: Sequence[str]) -> tuple[Floats, Floats, Indices]:
    """Expected rewards, their widths and the places of the arms in the posterior."""
    places = posterior.indices(arms)
    # The context's terms are centred: all zero after the constant is the average customer.
    mean, width = posterior.predict(plan.context({}), places)
    return mean, width, places
