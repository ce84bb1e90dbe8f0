"""What a change does between being considered and being shown, by protected group: the share that each stage of the
cascade lets through, and who among the equally eligible is shown the better card. Counts of a simulation come in."""

from __future__ import annotations

from itertools import pairwise
from math import log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decisioning.impact import Decided, Mask, Reach, Simulation
from decisioning.impact.stages import REASONS
from decisioning.impact.unserved import STAGE_OF
from decisioning.plan import Plan
from fairness import metrics, parity
from fairness.counts import comparisons
from fairness.dataset import Groupings
from fairness.parity import Change, Tables
from fairness.thresholds import DEFAULT, Bands

STEERING: Final = "shown_the_best_of_its_family"
SHOWN_FIRST: Final = "shown_first:"  # and the offer
STAGES: Final = ("reachable", "eligible", "within_caps", "shown")
_NOT_REACHABLE: Final = [at for at, reason in enumerate(REASONS) if STAGE_OF.get(reason) in ("stops", "consent")]
_CAPPED: Final = REASONS.index("CAPPED")


def waterfall(groupings: Groupings, simulation: Simulation) -> list[dict[str, Any]]:
    """One row for each group and stage of those decided on: the stage's impact ratio today and after (None: undefined,
    or no today) and by how much the change moves its logarithm. Those of the stages add up to that of being shown."""
    among = {name: one.among(simulation.sample) for name, one in groupings.items()}
    sides = [_passed(simulation, which) for which in range(len(simulation.decided))]
    after = [_ratios(among, had, have) for had, have in pairwise(sides[-1])]
    before = [_ratios(among, had, have) for had, have in pairwise(sides[0])] if len(sides) > 1 else [{}] * len(STAGES)
    return [
        {"attribute": attribute, "group": group, "stage": stage, "before": today.get((attribute, group)),
         "after": ratio, "change": _moved(today.get((attribute, group)), ratio)}
        for stage, today, then in zip(STAGES, before, after, strict=True)
        for (attribute, group), ratio in then.items()
    ]  # fmt: skip


def _passed(simulation: Simulation, which: int) -> list[Mask]:
    """Who (n,) passed each stage and all before it, everybody first."""
    decided, reach = simulation.decided[which], simulation.reaches[which]
    reachable = ~np.isin(decided.reason, _NOT_REACHABLE)
    eligible = reachable & reach.any_offer[simulation.sample]
    within = eligible & (decided.reason != _CAPPED)
    return [np.ones_like(reachable), reachable, eligible, within, within & _competing(reach, decided)]


def _competing(reach: Reach, decided: Decided) -> Mask:
    """Who is shown an offer (n,) that won its place, and no fallback."""
    return np.asarray(np.append(reach.competing, False)[decided.offer], dtype=bool)


def _ratios(groupings: Groupings, had: Mask, have: Mask) -> dict[tuple[str, str], float | None]:
    tables = parity.tables({name: one.among(had) for name, one in groupings.items()}, have[had])
    return {
        (pair.attribute, pair.group.group): metrics.disparate_impact(pair.group, pair.reference)
        for attribute, groups in tables.items()
        for pair in comparisons(attribute, groups)
    }


def _moved(before: float | None, after: float | None) -> float | None:
    return log(after) - log(before) if before and after else None


def exposures(groupings: Groupings, simulation: Simulation, bands: Bands = DEFAULT) -> dict[str, list[Change]]:
    """Parity of being shown an offer first, among those who are eligible for it, by subject: each competing offer that
    the change shows to other people than today. A card can be withheld from a group without a word on eligibility."""
    last = len(simulation.decided) - 1
    reach = simulation.reaches[last]
    found = {}
    for offer in (name for name, competes in zip(reach.offers, reach.competing.tolist(), strict=True) if competes):
        today = _shown_to(simulation, 0, offer) if last else None
        eligible, shown = _shown_to(simulation, last, offer)
        if today is None or not (np.array_equal(today[1], shown) and np.array_equal(today[0], eligible)):
            before = _exposed(groupings, simulation, *today) if today and today[0].any() else None
            if eligible.any():
                after = _exposed(groupings, simulation, eligible, shown)
                found[SHOWN_FIRST + offer] = parity.compare_tables(SHOWN_FIRST + offer, before, after, bands)
    return found


def _shown_to(simulation: Simulation, which: int, offer: str) -> tuple[Mask, Mask]:
    """Who (n,) is eligible for the offer, and who (n,) of them is shown it first."""
    decided, eligible = simulation.decided[which], simulation.reaches[which].of(offer)[simulation.sample]
    if offer not in decided.offers:
        return eligible, np.zeros_like(eligible)
    return eligible, eligible & (decided.offer == decided.offers.index(offer))


def _exposed(groupings: Groupings, simulation: Simulation, eligible: Mask, shown: Mask) -> Tables:
    places = simulation.sample[eligible]
    return parity.tables({name: one.among(places) for name, one in groupings.items()}, shown[eligible])


def steering(groupings: Groupings, simulation: Simulation, bands: Bands = DEFAULT) -> list[Change]:
    """Parity of being shown the best card of a family (the lowest benefit rank), among those who are eligible for two
    or more of it and are shown one of it: today and after."""
    sides = [_steered(groupings, simulation, which) for which in range(len(simulation.decided))]
    if not any(group.total for groups in sides[-1].values() for group in groups.values()):
        return []
    return parity.compare_tables(STEERING, sides[0] if len(sides) > 1 else None, sides[-1], bands)


def _steered(groupings: Groupings, simulation: Simulation, which: int) -> Tables:
    plan, decided = simulation.policies[which].plan, simulation.decided[which]
    eligible = simulation.reaches[which].eligible[simulation.sample]
    choosing, best = _choosing(plan, eligible, decided.offer)
    places = simulation.sample[choosing]
    return parity.tables({name: one.among(places) for name, one in groupings.items()}, best[choosing])


def _choosing(plan: Plan, eligible: Mask, offer: NDArray[np.int16]) -> tuple[Mask, Mask]:
    """Who (n,) is shown an offer of whose family she could have had two or more, and who (n,) is shown its best."""
    offers = [plan.release.offers[key] for key in plan.offers]
    families = {name: at for at, name in enumerate(sorted({one.family for one in offers}))}
    family = np.array([families[one.family] for one in offers], dtype=np.int64)
    rank = np.array([one.benefit_rank for one in offers], dtype=np.int64)
    choosing, best = np.zeros(len(offer), dtype=bool), np.zeros(len(offer), dtype=bool)
    for at in families.values():
        inside = np.flatnonzero(family == at)
        shown = np.flatnonzero((offer >= 0) & np.isin(offer, inside))
        held = eligible[np.ix_(shown, inside)]
        choosing[shown] = held.sum(axis=1) > 1
        highest = np.where(held, rank[inside], np.iinfo(np.int64).max).min(axis=1)
        best[shown] = rank[offer[shown]] <= highest
    return choosing, best
