"""The stages at which fairness is audited, declared once in the order of the cascade and of what comes after it; each
is the denominator of the next. No counting comes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decisioning.cascade import STAGES as CASCADE
from decisioning.explanation import ended_at
from decisioning.impact import competing_offers
from decisioning.plan import Plan
from decisioning.types import Decision

Levels = NDArray[np.uint8]

_AFTER_CASCADE: Final[Mapping[str, str]] = {  # what is reached once these stages of the cascade are passed
    "consent": "reachable", "eligibility": "eligible", "caps": "within_caps", "boosts": "scored",
    "creative": "selected",
}  # fmt: skip
_OF_OUTCOME: Final[Mapping[str, str]] = {
    "impression": "viewed", "click": "clicked", "application": "applied", "activation": "activated",
}  # fmt: skip
CONSIDERED: Final = "considered"
STAGES: Final[tuple[str, ...]] = (
    CONSIDERED,
    *(_AFTER_CASCADE[name] for name in CASCADE if name in _AFTER_CASCADE),
    "delivered",
    *_OF_OUTCOME.values(),
)
AUDITED: Final = STAGES[1:]
"""Stages with a denominator: the stage before."""
WORDS: Final[Mapping[str, str]] = {
    "considered": "had it considered in a decision",
    "reachable": "could be contacted: nothing stopped, consent given",
    "eligible": "met every rule",
    "within_caps": "were under every contact cap",
    "scored": "had it compete with other offers",
    "selected": "had it chosen for a rank",
    "delivered": "had it given to a channel",
    "viewed": "saw it",
    "clicked": "clicked",
    "applied": "applied",
    "activated": "activated",
}
"""Whom each stage counts, after "those who"; its denominator is the stage before."""
LEVEL: Final[Mapping[str, int]] = {name: place for place, name in enumerate(STAGES, start=1)}
"""The byte of a unit: 0 is an offer that was never considered."""
OF_OUTCOME: Final[Mapping[str, int]] = {kind: LEVEL[stage] for kind, stage in _OF_OUTCOME.items()}
"""The level that an outcome proves. A stage further down closes upwards: who clicked has seen."""


def levels(plan: Plan, decision: Decision, limit: int) -> Levels:
    """The furthest stage of each offer of the plan (offers,) in one decision as it was first presented; 0 for offers
    that only stand in when nothing else is left."""
    reached = np.full(len(plan.offers), LEVEL["within_caps"], dtype=np.uint8)
    for row in decision.scored:
        reached[plan.position[row.offer]] = LEVEL["scored"]
    whole = ended_at(plan, decision)
    if whole:
        reached[:] = _before(whole)
    for refusal in decision.refusals:
        reached[plan.position[refusal.offer]] = _before(refusal.stage)
    for choice in decision.choices:
        reached[plan.position[choice.offer]] = LEVEL["delivered" if choice.rank <= limit else "selected"]
    return np.where(competing_offers(plan), reached, 0).astype(np.uint8)


def _before(stage: str) -> int:
    """The level of whoever a stage of the cascade ended: that of the last stage passed."""
    passed = [LEVEL[_AFTER_CASCADE[name]] for name in CASCADE[: CASCADE.index(stage)] if name in _AFTER_CASCADE]
    return max(passed, default=LEVEL[CONSIDERED])
