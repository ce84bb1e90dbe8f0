"""The bandit stage: contextual Thompson sampling, blended with the propensity, ranked once, exact probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decisioning.bandit import mandates
from decisioning.bandit.action_probability import PROBABILITY_FLOOR, first_probabilities, prefix_probabilities
from decisioning.bandit.mandates import Terms
from decisioning.bandit.ranking import Blend, blend, rank
from decisioning.case import Case
from decisioning.draws import arm_counter, normals, second, uniforms
from decisioning.types import Choice

LISTED = 3  # ranks are recorded at least this far: a later channel of the session may ask for more than the first
REDRAW = (arm_counter("keep"), arm_counter("other"))  # no arm's: their keys have a stroke


def apply(case: Case) -> None:
    """Draw, blend and rank the arms in competition; with none left, the placement's fallback if it is still in."""
    _drop_stopped_arms(case)
    if not len(case.arms):
        _fall_back(case)
        return
    trials = _believe(case)
    plan = case.plan
    noise = normals(np.uint64(case.key), plan.counters[case.arms])
    blended = blend(
        plan.weights, propensity=case.propensity, boost=case.boost, mean=case.mean, width=case.width,
        effective_trials=trials, value=plan.values[case.arms],
    )  # fmt: skip
    asked = _asked(case)
    if asked is not None and asked.held.any():
        noise = np.where(asked.held, 0.0, noise)
        blended = Blend(blended.location, np.where(asked.held, 0.0, blended.scale))
    case.draw = case.mean + case.width * noise
    case.location, case.scale, case.score = blended.location, blended.scale, blended.score(noise)
    first = _rank(case) if asked is None or not asked.bounded else _rank_by_mandate(case, asked)
    # It is learned on where it was drawn for and another has the better expected score.
    if asked is not None and asked.budgeted[first] and (case.location > case.location[first]).any():
        case.spends = case.choices[0].arm


def _believe(case: Case) -> NDArray[np.float64]:
    """Each arm's expected reward and its standard deviation; returns the effective trials (k,)."""
    plan, posterior = case.plan, case.posterior
    if posterior is None:
        # Declared degradation: the propensity order. A draw that equals the propensity leaves that order as it is.
        case.degraded.append("bandit_propensity_order")
        case.mean = np.minimum(1.0, case.propensity * case.boost)
        case.width = np.zeros(len(case.arms))
        return np.ones(len(case.arms))
    case.mean, case.width = posterior.predict(
        plan.context(case.known.attributes), posterior.indices(plan.arms[arm] for arm in case.arms)
    )
    return posterior.effective_trials(case.width)


def _asked(case: Case) -> Terms | None:
    plan, known = case.plan, case.known
    if not plan.mandates:
        return None
    return mandates.terms(
        plan.mandates, plan.arms, case.arms, attributes=known.attributes, spent=known.spent, now=case.request.now
    )


def _rank(case: Case) -> int:
    """By score, as the draws fell; returns the place of the first in `case.arms`."""
    owners = case.plan.offer_of_arm[case.arms]
    ranked = rank(case.score, owners, _places(case))
    chances = prefix_probabilities(case.location, case.scale, owners, ranked)
    case.choices = _choices(case, ranked, chances.tolist())
    return int(ranked[0])


def _rank_by_mandate(case: Case, asked: Terms) -> int:
    """Rank 1 with the chances that the mandates leave, coupled to the draws; the other offers by draws of their own, so
    that who came first says nothing of them and their probabilities stay exact. Returns the place of the first."""
    case.merit = first_probabilities(case.location, case.scale)
    case.share = mandates.project(case.merit, asked.low, asked.high)
    key = np.uint64(case.key)
    keep, other = uniforms(key, np.array(REDRAW))[:, np.newaxis]
    winner = np.array([np.argmax(case.score)])
    first = mandates.redraw(case.merit[np.newaxis], case.share[np.newaxis], winner, keep, other)[0]
    owners = case.plan.offer_of_arm[case.arms]
    rest = np.flatnonzero(owners != owners[first])
    location, scale = case.location[rest], case.scale[rest]
    fresh = normals(key, second(case.plan.counters[case.arms[rest]]))
    below = rank(location + scale * fresh, owners[rest], _places(case) - 1)
    chances = prefix_probabilities(location, scale, owners[rest], below)
    chance = min(1.0, max(PROBABILITY_FLOOR, float(case.share[first])))
    case.choices = _choices(case, np.concatenate([[first], rest[below]]), [chance, *chances.tolist()])
    return int(first)


def _places(case: Case) -> int:
    return max(case.request.limit, LISTED)


def _choices(case: Case, ranked: NDArray[np.intp], chances: Sequence[float]) -> tuple[Choice, ...]:
    plan = case.plan
    return tuple(
        Choice(place, plan.arms[arm], plan.offers[plan.offer_of_arm[arm]], chance)
        for place, (arm, chance) in enumerate(zip(case.arms[ranked], chances, strict=True), start=1)
    )


def _drop_stopped_arms(case: Case) -> None:
    stopped = {target for scope, target in case.known.stops if scope == "arm"}
    if stopped:
        keep = np.array([case.plan.arms[arm] not in stopped for arm in case.arms], dtype=np.bool_)
        case.arms, case.propensity, case.boost = case.arms[keep], case.propensity[keep], case.boost[keep]


def _fall_back(case: Case) -> None:
    placement = case.plan.release.placements.get(case.request.placement)
    arm = case.plan.release.arms.get(placement.fallback) if placement and placement.fallback else None
    if arm is None or arm.paused or ("arm", arm.key) in case.known.stops:
        return
    if case.live[case.plan.position[arm.offer]]:
        case.choices = (Choice(1, arm.key, arm.offer, 1.0),)
