"""Whether the population run says what the engine says: a sample of customers decided on by both, with equal keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decisioning import runtime
from decisioning.decide import decide
from decisioning.features import online
from decisioning.impact import people as reading
from decisioning.impact.propensities import keys_of
from decisioning.impact.scene import Scene
from decisioning.impact.simulation import Simulation, keys_for, names_for
from decisioning.impact.stages import NOBODY, REASONS, Batch, Made, Policy, make
from decisioning.known import known as known_of
from decisioning.types import Decision, DecisionRequest, Known
from offers.register import SESSION_GROUP

SAMPLE: Final = 200
TOLERANCE: Final = 1e-12
_ATTEMPTS: Final = 2  # a live bank may change a customer between the two readings
_BEFORE_CAPS: Final = frozenset({"stops", "eligibility", "caps"})


class Disagreement(ValueError):
    """The population run and the engine decide differently, so that no number of the run can be relied on."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Decisions compared (customers x releases), those that differ, and the largest difference of a score."""

    customers: int
    decisions: int
    mismatches: int
    largest_difference: float
    examples: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "customers": self.customers, "decisions": self.decisions, "mismatches": self.mismatches,
            "largest_difference": self.largest_difference, "tolerance": TOLERANCE, "examples": list(self.examples),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Difference:
    customer: int
    score: float
    what: str


def agreement(simulation: Simulation, now: datetime, *, size: int = SAMPLE) -> Agreement:
    """Decide on a random sample again, one by one with `decide`, and compare; the sample hangs on the run's seed."""
    decided = simulation.customers[simulation.sample]
    chosen = np.random.default_rng(simulation.seed).choice(len(decided), min(size, len(decided)), replace=False)
    places = np.sort(chosen)
    found: list[_Difference] = []
    for at, policy in enumerate(simulation.policies):
        offers = simulation.decided[at].offer[places]
        found += _compared(policy, simulation.scene, simulation.seed, decided[places], offers, now)
    wrong = [one for one in found if one.what]
    return Agreement(
        len(places), len(found), len(wrong), max((one.score for one in found), default=0.0),
        tuple(f"customer {one.customer}: {one.what}" for one in wrong[:5]),
    )  # fmt: skip


def _compared(
    policy: Policy, scene: Scene, seed: int, customers: NDArray[np.int64], offers: NDArray[np.int16], now: datetime
) -> list[_Difference]:
    """Of each customer: first with what the run found, and once more with a fresh reading where the two differ."""
    rest, told, done = customers, dict(zip(customers.tolist(), offers.tolist(), strict=True)), {}
    for attempt in range(_ATTEMPTS):
        people = reading.of(rest, names_for([policy.plan], scored=True), [scene.channel], now)
        batch = Batch(people, keys_for(rest, seed))
        made = make(policy, batch, scene)
        reads = online.many_committed(rest.tolist(), now)
        for place, customer in enumerate(rest.tolist()):
            one = _alone(policy, scene, reads[customer], int(batch.keys[place]), now)
            done[customer] = _difference(policy, made, place, customer, one, told[customer] if not attempt else None)
        rest = np.array([customer for customer in rest.tolist() if customer in done and done[customer].what])
        if not len(rest):
            break
    return list(done.values())


def _alone(policy: Policy, scene: Scene, read: online.Read, key: int, now: datetime) -> Decision:
    """The engine's decision on one customer without a session, with the same key."""
    groups = {group: told for group, told in read.profile.groups.items() if group != SESSION_GROUP}
    read = replace(read, profile=replace(read.profile, groups=groups), spent=policy.spent)
    engine = runtime.Engine(policy.plan, policy.posterior, 0, policy.stops, 0)
    known = _with_missing_scores(policy, known_of(read, engine, {}, now))
    request = DecisionRequest(read.profile.customer, "", scene.channel, scene.placement, 1, now)
    return decide(request, known, policy.plan, policy.posterior, key)


def _with_missing_scores(policy: Policy, known: Known) -> Known:
    """As the next night will have scored the offers that the last one did not know."""
    plan, held = policy.plan, dict(known.precomputed)
    missing = [row for row, key in enumerate(keys_of(plan)) if key not in held]
    if plan.model is None or plan.prepared is None or policy.model_stopped or not held or not missing:
        return known
    scores = plan.model.score(known.attributes, plan.prepared, np.array(missing, dtype=np.intp))
    held |= {keys_of(plan)[row]: score for row, score in zip(missing, scores.tolist(), strict=True)}
    return replace(known, precomputed=held)


def _difference(policy: Policy, made: Made, place: int, customer: int, one: Decision, told: int | None) -> _Difference:
    plan = policy.plan
    arm = plan.arms[made.arm[place]] if made.arm[place] != NOBODY else None
    alone = one.choices[0].arm if one.choices else None
    largest = _largest(policy, made, place, one)
    reason = REASONS[made.reason[place]] or None
    what = ""
    if (alone, one.reason) != (arm, reason):
        what = f"{alone or one.reason} by the engine, {arm or reason} by the run"
    elif one.reason in (None, "NO_ELIGIBLE_OFFER") and _left(policy, one) != made.live[place].tolist():
        what = "other offers are eligible"
    elif largest > TOLERANCE:
        what = f"a score differs by {largest:.3g}"
    elif told is not None and told != (plan.offer_of_arm[made.arm[place]] if arm else NOBODY):
        what = "another offer than when the run read the customer"
    return _Difference(customer, largest, what)


def _left(policy: Policy, one: Decision) -> list[bool]:
    """Which offers were still in before the propensity."""
    ended = {refusal.offer for refusal in one.refusals if refusal.stage in _BEFORE_CAPS}
    return [offer not in ended for offer in policy.plan.offers]


def _largest(policy: Policy, made: Made, place: int, one: Decision) -> float:
    """The largest difference of a score; infinite where not the same arms were scored."""
    at = np.searchsorted(made.ranked, place)
    ranked = at < len(made.ranked) and made.ranked[at] == place
    row = made.score[at] if ranked else np.full(len(policy.plan.arms), -np.inf)
    alone: Mapping[str, float] = {scored.arm: scored.score for scored in one.scored}
    both: Sequence[tuple[float, float]] = [
        (value, alone.get(arm, -np.inf)) for arm, value in zip(policy.plan.arms, row.tolist(), strict=True)
    ]
    return max((abs(mine - theirs) for mine, theirs in both if mine != theirs), default=0.0)
