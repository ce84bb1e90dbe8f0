"""The bandit stage: contextual Thompson sampling, blended with the propensity, ranked once, exact probabilities."""

import numpy as np

from decisioning.bandit.action_probability import prefix_probabilities
from decisioning.bandit.ranking import blend, rank
from decisioning.case import Case
from decisioning.draws import normals
from decisioning.types import Choice

LISTED = 3  # ranks are recorded at least this far: a later channel of the session may ask for more than the first


def apply(case: Case) -> None:
    """Draw, blend and rank the arms in competition; with none left, the placement's fallback if it is still in."""
    _drop_stopped_arms(case)
    if not len(case.arms):
        _fall_back(case)
        return
    plan, posterior = case.plan, case.posterior
    if posterior is None:
        # Declared degradation: the propensity order. A draw that equals the propensity leaves that order as it is.
        case.degraded.append("bandit_propensity_order")
        case.mean = np.minimum(1.0, case.propensity * case.boost)
        case.width = np.zeros(len(case.arms))
        trials = np.ones(len(case.arms))
    else:
        case.mean, case.width = posterior.predict(
            plan.context(case.known.attributes), posterior.indices(plan.arms[arm] for arm in case.arms)
        )
        trials = posterior.effective_trials(case.width)
    noise = normals(np.uint64(case.key), plan.counters[case.arms])
    blended = blend(
        plan.weights, propensity=case.propensity, boost=case.boost, mean=case.mean, width=case.width,
        effective_trials=trials, value=plan.values[case.arms],
    )  # fmt: skip
    case.draw = case.mean + case.width * noise
    case.location, case.scale, case.score = blended.location, blended.scale, blended.score(noise)
    owners = plan.offer_of_arm[case.arms]
    ranked = rank(case.score, owners, max(case.request.limit, LISTED))
    chances = prefix_probabilities(case.location, case.scale, owners, ranked)
    case.choices = tuple(
        Choice(place, plan.arms[case.arms[arm]], plan.offers[owners[arm]], float(chance))
        for place, (arm, chance) in enumerate(zip(ranked, chances, strict=True), start=1)
    )


def _drop_stopped_arms(case: Case) -> None:
    stopped = {target for scope, target in case.known.stops if scope == "arm"}
    if stopped:
        keep = np.array([case.plan.arms[arm] not in stopped for arm in case.arms], dtype=np.bool_)
        case.arms, case.propensity, case.boost = case.arms[keep], case.propensity[keep], case.boost[keep]


def _fall_back(case: Case) -> None:
    placement = case.plan.release.placements.get(case.request.placement)
    arm = case.plan.release.arms.get(placement.fallback) if placement and placement.fallback else None
    if arm and case.live[case.plan.position[arm.offer]] and ("arm", arm.key) not in case.known.stops:
        case.choices = (Choice(1, arm.key, arm.offer, 1.0),)
