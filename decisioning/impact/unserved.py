"""Who is shown no offer, or only a weak one: after which stage, for which reasons, and groups of them in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from decisioning.impact import groups
from decisioning.impact.kept import Kept
from decisioning.impact.people import Mask, People
from decisioning.impact.reach import competing_offers
from decisioning.impact.scene import Scene
from decisioning.impact.simulation import Decided, simulate_people
from decisioning.impact.stages import REASONS
from decisioning.plan import Plan
from offers.conditions.describe import sentence
from offers.conditions.grammar import Condition, to_json
from offers.conditions.vectorise import evaluate_many

SAMPLE: Final = 100_000  # customers that are looked at
WEAK: Final = 0.5  # of the median expected response: below it, what is shown counts as weak
_GROUPS, _REASONS = 6, 4  # listed at most

STAGE_OF: Final = {
    "STOPPED": "stops", "NO_CONSENT": "consent", "SUPPRESSED": "consent", "NOT_NOW": "consent", "HOLDOUT": "consent",
    "CAPPED": "caps", "NO_ELIGIBLE_OFFER": "eligibility",
}  # fmt: skip
_NOT_TO_BE_REACHED: Final = [at for at, reason in enumerate(REASONS) if STAGE_OF.get(reason) in ("stops", "consent")]


@dataclass(frozen=True, slots=True)
class Group:
    """People with something in common: `count` of the `people` in it are shown nothing, or (`weak`) little of interest.
    `stage` ended most of them; `reasons` are codes with how many of them met each."""

    when: Condition
    people: int
    count: int
    weak: bool
    stage: str
    reasons: tuple[tuple[str, int], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "when": to_json(self.when), "sentence": sentence(self.when), "people": self.people, "count": self.count,
            "weak": self.weak, "stage": self.stage, "reasons": [list(reason) for reason in self.reasons],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unserved:
    """Counts are of the `sample` customers looked at, of `population`. `ended` counts by reason."""

    release: int
    scene: Scene
    population: int
    sample: int
    shown: int
    weak: int
    ended: dict[str, int]
    groups: tuple[Group, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "release": self.release, "channel": self.scene.channel, "placement": self.scene.placement,
            "population": self.population, "sample": self.sample, "shown": self.shown, "weak": self.weak,
            "ended": self.ended, "groups": [group.to_json() for group in self.groups],
        }  # fmt: skip


def unserved(plan: Plan, kept: Kept, now: datetime) -> Unserved:
    """Of these people, under this release."""
    simulation = simulate_people([plan], kept, now)
    decided = simulation.decided[0]
    weak = _weak(plan, decided)
    return Unserved(
        plan.release.number, simulation.scene, kept.population, len(kept.people), int(decided.shown.sum()),
        int(weak.sum()), decided.ended(), tuple(_groups(plan, kept.people, decided, weak)),
    )  # fmt: skip


def _weak(plan: Plan, decided: Decided) -> Mask:
    """Who is shown something (n,) that is expected to interest them little, or that stands in for nothing."""
    shown = decided.shown
    if not shown.any():
        return shown
    fallback = ~np.append(competing_offers(plan), True)[decided.offer]
    usual = np.median(decided.response[shown])
    return np.asarray(shown & (fallback | (decided.response < WEAK * usual)), dtype=bool)


def _groups(plan: Plan, people: People, decided: Decided, weak: Mask) -> Iterator[Group]:
    """Of those whom an offer could reach at all: without one first, then with a weak one."""
    reachable = ~np.isin(decided.reason, _NOT_TO_BE_REACHED)
    columns = people.some(np.flatnonzero(reachable))
    for lacking, is_weak in ((~decided.shown, False), (weak, True)):
        for when in groups.conditions(columns, lacking[reachable])[:_GROUPS]:
            within = (evaluate_many(when, people.columns) == 1) & reachable
            affected = np.asarray(within & lacking, dtype=bool)
            # Rounding of limits may have moved some out of a group that was just large enough.
            if affected.sum() >= groups.FEWEST:
                ended = Counter(STAGE_OF[REASONS[code]] for code in decided.reason[affected].tolist() if code)
                stage = ended.most_common(1)[0][0] if ended else "propensity"
                reasons = _reasons(plan, people, affected) if stage == "eligibility" else ()
                yield Group(when, int(within.sum()), int(affected.sum()), is_weak, stage, reasons)


def _reasons(plan: Plan, people: People, affected: Mask) -> tuple[tuple[str, int], ...]:
    """Codes of the rules that refuse most of them something, with how many each refuses."""
    columns = people.some(np.flatnonzero(affected))
    refused: dict[str, Mask] = {}
    for rule, covered in zip(plan.rules, plan.rule_offers, strict=True):
        if covered and rule.in_force(people.moment):
            fails = np.asarray(evaluate_many(rule.when, columns) != 1, dtype=bool)
            refused[rule.reason_code] = refused.get(rule.reason_code, np.zeros_like(fails)) | fails
    counts = Counter({code: int(who.sum()) for code, who in refused.items() if who.any()})
    return tuple(counts.most_common(_REASONS))
