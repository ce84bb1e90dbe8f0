"""The propensity stage: P(accept) for the arms in competition, with its declared ways to degrade."""

import numpy as np

from decisioning.case import Case, Floats
from offers.register import SESSION_GROUP


def apply(case: Case) -> None:
    """Score with the model; without a session, or without the model, use the nightly score, then the base rate."""
    case.select_arms()
    plan, known = case.plan, case.known
    model_stopped = plan.model is not None and ("model", plan.model.name) in known.stops
    if plan.model and plan.prepared and not model_stopped and not _precomputed_serves(case):
        case.propensity = _score(case)
        return
    if plan.model is None or model_stopped:
        case.degraded.append("propensity_precomputed" if known.precomputed else "propensity_base_rate")
    case.propensity = np.array(
        [known.precomputed.get(key, rate) for key, rate in zip(_keys(case), plan.base_rates[case.arms], strict=True)],
        dtype=np.float64,
    )


def _precomputed_serves(case: Case) -> bool:
    """Whether this decision has nothing that the nightly score did not know."""
    if case.request.context or SESSION_GROUP in case.known.ages:
        return False
    return all(key in case.known.precomputed for key in _keys(case))


def _keys(case: Case) -> list[str]:
    plan = case.plan
    if plan.model and plan.model.per_arm:
        return [plan.arms[arm] for arm in case.arms]
    return [plan.offers[plan.offer_of_arm[arm]] for arm in case.arms]


def _score(case: Case) -> Floats:
    """One matrix for all rows needed: a row per offer, shared by its arms, unless the model tells creatives apart."""
    plan = case.plan
    assert plan.model is not None
    assert plan.prepared is not None
    rows, place = np.unique(plan.row_of_arm[case.arms], return_inverse=True)
    return plan.model.score(case.known.attributes, plan.prepared, rows)[place]
