"""P(accept) for many: the nightly score where there is one, else the model now, as `decisioning.propensity` does."""

from __future__ import annotations

from typing import Final

import numpy as np

from decisioning.impact.people import Floats, Mask, People, Stored
from decisioning.plan import Plan

AT_MOST: Final = 2_000_000
"""Scores that one run makes with the model; beyond it, decisions are those of a fixed sample of the population."""


def keys_of(plan: Plan) -> tuple[str, ...]:
    """What is scored: offers or, for a model that tells creatives apart, arms; as `plan.row_of_arm` counts."""
    return plan.arms if plan.model and plan.model.per_arm else plan.offers


def propensities(plan: Plan, people: People, needed: Mask, *, model_stopped: bool) -> Floats:
    """P(accept) (n, rows) where it is `needed` (n, rows).

    An offer that the last night did not know is scored now, and the others keep their nightly score: as decisions
    without a session have it from the next night on.
    """
    known = _nightly(plan, people)
    if plan.model is None or model_stopped:
        return np.where(np.isnan(known), _base_rates(plan), known)
    for row in np.flatnonzero((needed & np.isnan(known)).any(axis=0)).tolist():
        who = np.flatnonzero(needed[:, row] & np.isnan(known[:, row]))
        assert plan.prepared is not None
        known[who, row] = plan.model.score_row(people.some(who), plan.prepared, row, len(who))
    return known


def _nightly(plan: Plan, people: People) -> Floats:
    """The nightly scores (n, rows); NaN where there are none that this release's model made."""
    keys = keys_of(plan)
    place = {key: at for at, key in enumerate(keys)}
    known = np.full((len(people), len(keys)), np.nan)
    for stored in people.stored:
        if serves(plan, stored):
            here = [(at, place[key]) for at, key in enumerate(stored.keys) if key in place]
            source, target = ([pair[side] for pair in here] for side in (0, 1))
            known[stored.places[:, np.newaxis], target] = stored.values[:, source]
    return known


def serves(plan: Plan, stored: Stored) -> bool:
    """Another model's scores are not this model's opinion."""
    model = plan.release.model
    return model is None or model[0] == stored.model


def _base_rates(plan: Plan) -> Floats:
    """Of each row."""
    rates = np.zeros(len(keys_of(plan)))
    rates[plan.row_of_arm] = plan.base_rates
    return rates


def unscored(plan: Plan, nightly: dict[tuple[str, tuple[str, ...]], int], customers: int) -> int:
    """How many scores a run over these customers would have to make with the model, where `nightly` counts the
    customers by the model and keys of their stored scores."""
    if plan.model is None:
        return 0
    keys = set(np.array(keys_of(plan))[np.unique(plan.row_of_arm[plan.competes])].tolist())
    held = sum(
        count * len(keys & set(scored)) for (model, scored), count in nightly.items() if model == plan.model.name
    )
    return customers * len(keys) - held
