"""The working state of one decision, handed from stage to stage; it holds values and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from decisioning.bandit.posterior import Posterior
from decisioning.plan import Plan
from decisioning.types import Choice, DecisionRequest, Known, Refusal

Floats = NDArray[np.float64]
_NONE: Floats = np.empty(0)


@dataclass(slots=True)
class Case:
    """`live[i]` says whether offer i of the plan is still in; `arms` are the plan's indices of the arms being ranked,
    and the arrays after it are aligned with `arms`; `merit` and `share` are empty without a mandate on shares. A
    `reason` ends the decision for the whole customer."""

    request: DecisionRequest
    known: Known
    plan: Plan
    posterior: Posterior | None
    key: int
    live: list[bool]
    reason: str | None = None
    refusals: list[Refusal] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    arms: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    propensity: Floats = field(default_factory=lambda: _NONE)
    boost: Floats = field(default_factory=lambda: _NONE)
    mean: Floats = field(default_factory=lambda: _NONE)
    width: Floats = field(default_factory=lambda: _NONE)
    draw: Floats = field(default_factory=lambda: _NONE)
    score: Floats = field(default_factory=lambda: _NONE)
    location: Floats = field(default_factory=lambda: _NONE)
    scale: Floats = field(default_factory=lambda: _NONE)
    merit: Floats = field(default_factory=lambda: _NONE)
    share: Floats = field(default_factory=lambda: _NONE)
    choices: tuple[Choice, ...] = ()
    spends: str | None = None

    def refuse(self, offer: int, stage: str, reason: str, by: str = "") -> None:
        """End one offer; the first reason is the one that is kept."""
        if self.live[offer]:
            self.live[offer] = False
            self.refusals.append(Refusal(self.plan.offers[offer], stage, reason, by))

    @property
    def any_live(self) -> bool:
        return True in self.live

    def select_arms(self) -> None:
        """Fix the arms that compete: those of offers still in, fallbacks apart."""
        live = np.array(self.live, dtype=np.bool_)
        self.arms = np.flatnonzero(live[self.plan.offer_of_arm] & self.plan.competes)
