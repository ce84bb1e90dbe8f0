"""How likely each offer was to stand first in a decision, from its record: the action probabilities of every arm that
competed, not only of the one that was drawn. Nothing is drawn here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decisioning.bandit.action_probability import first_probabilities_many
from decisioning.bandit.ranking import blend
from decisioning.plan import Plan
from decisioning.types import Decision

Floats = NDArray[np.float64]


def first_chances(decided: Sequence[tuple[Plan, Decision]]) -> list[Floats]:
    """For each decision, the probability of each offer of its plan (offers,) to stand at rank 1; zeros where nothing
    competed."""
    return [_of_offers(*pair, row) for pair, row in zip(decided, arm_chances(decided), strict=True)]


def arm_chances(decided: Sequence[tuple[Plan, Decision]]) -> list[Floats]:
    """The same of each arm that competed (k,), as the record lists them. Under a mandate on shares it is the recorded
    share."""
    blended = [blends(plan, decision) for plan, decision in decided]
    width = max((len(location) for location, _ in blended), default=0)
    location, scale = np.full((len(decided), width), -np.inf), np.zeros((len(decided), width))
    for row, (centre, spread) in enumerate(blended):
        location[row, : len(centre)], scale[row, : len(spread)] = centre, spread
    chances = first_probabilities_many(location, scale) if width else location
    return [
        np.array(
            [chance if arm.share is None else arm.share for arm, chance in zip(decision.scored, row, strict=False)]
        )
        for (_, decision), row in zip(decided, chances.tolist(), strict=True)
    ]


def blends(plan: Plan, decision: Decision) -> tuple[Floats, Floats]:
    """Location and scale (k,) of the scores that ranked, as the bandit stage blended them."""
    rows = decision.scored
    columns = np.array([(row.propensity, row.boost, row.mean, row.width) for row in rows]).reshape(-1, 4).T
    propensity, boost, mean, width = columns
    certain = width <= 0  # without a posterior a width of 0 counts as one trial
    noise = plan.release.ranking.noise_variance
    trials = np.where(certain, 1.0, noise / np.square(np.where(certain, 1.0, width)))
    values = np.array([plan.release.offers[row.offer].value for row in rows])
    found = blend(
        plan.weights, propensity=propensity, boost=boost, mean=mean, width=width, effective_trials=trials, value=values
    )
    return found.location, found.scale


def _of_offers(plan: Plan, decision: Decision, chances: Floats) -> Floats:
    found = np.zeros(len(plan.offers))
    for row, chance in zip(decision.scored, chances.tolist(), strict=True):
        found[plan.position[row.offer]] += chance
    return found
