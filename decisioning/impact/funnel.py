"""Why one offer is shown as often as it is: how many customers each step ends, in its order and by itself alone, which
offers beat it, and what a looser limit would bring; nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

import numpy as np

from decisioning.impact.kept import Kept
from decisioning.impact.people import Mask
from decisioning.impact.scene import Scene, scene_for
from decisioning.impact.simulation import keys_for, policies_for, seed_of
from decisioning.impact.stages import (
    NOBODY,
    REASONS,
    Batch,
    Policy,
    available,
    barred,
    capped,
    kept_from,
    make,
    stopped_offers,
)
from decisioning.plan import Plan
from offers.conditions.grammar import Clause, Combination, Condition, clauses
from offers.conditions.vectorise import evaluate_many
from offers.register import ATTRIBUTES, Unit

Kind = Literal["stopped", "terms", "contact", "rule", "caps"]
OVERRIDDEN: Final = "OVERRIDDEN"
_STEPS: Final = 3  # rules whose limits are tried
# By how much a limit is moved when a page says what a looser one would bring: a step that a policy would take.
_LOOSER: Final[dict[Unit, float]] = {"points": 20, "ratio": 0.05, "months": 6, "days": 30, "count": 1, "score": 0.1}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that ends an offer for some: `ended` of those who came so far, `left` after it, and `alone` whom
    nothing else keeps from it. `name` is a rule's key, or a reason code."""

    kind: Kind
    name: str
    ended: int
    left: int
    alone: int


@dataclass(frozen=True, slots=True)
class Looser:
    """A rule with one limit moved: from `clause` to `value` adds `added` customers."""

    rule: str
    clause: Clause
    value: float
    added: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """Of the sample's `people` customers. `first` of the `left` see it first; `rivals` are whom the others see."""

    offer: str
    scene: Scene
    people: int
    steps: tuple[Step, ...]
    left: int
    competes: bool
    first: int
    rivals: tuple[tuple[str, int], ...]
    looser: tuple[Looser, ...]

    @property
    def biggest(self) -> Step | None:
        """The step that ends most."""
        return max((step for step in self.steps if step.ended), key=lambda step: step.ended, default=None)


def funnel(plan: Plan, offer: str, kept: Kept, now: datetime) -> Funnel:
    """Of one offer of the release, on the channel and placement where it stands. Raises KeyError for another offer."""
    at = plan.position[offer]
    (policy,), scene, people = policies_for([plan], now), scene_for([plan], [offer]), kept.people
    batch = Batch(people, keys_for(people.customers, seed_of(plan.release.content_hash)))
    ends = list(_ends(policy, batch, scene, at))
    failing = np.zeros(len(people), dtype=np.int16)
    for _, _, who in ends:
        failing += who
    passing = np.asarray(failing == 0, dtype=bool)
    arms = make(policy, batch, scene).arm[passing]
    shown = Counter(plan.offers[plan.offer_of_arm[arm]] for arm in arms[arms != NOBODY].tolist())
    rivals = tuple((other, count) for other, count in shown.most_common() if other != offer)
    return Funnel(
        offer, scene, len(people), tuple(_steps(ends, failing)), int(passing.sum()),
        bool(plan.competes[plan.offer_of_arm == at].any()), shown[offer], rivals[:5],
        tuple(_looser(plan, at, batch, ends, failing)),
    )  # fmt: skip


def _ends(policy: Policy, batch: Batch, scene: Scene, at: int) -> Iterator[tuple[Kind, str, Mask]]:
    """Each step with whom it ends (n,), in the cascade's order."""
    plan, people = policy.plan, batch.people
    everybody = np.ones(len(people), dtype=bool)
    if ("all", "") in policy.stops or stopped_offers(policy)[at]:
        yield "stopped", "STOPPED", everybody
    if not available(plan, scene, people.moment)[at]:
        yield "terms", "NOT_IN_SEASON", everybody
    places, kept = kept_from(plan, people)
    if kept[:, at].any():
        overridden = np.zeros(len(people), dtype=bool)
        overridden[places] = kept[:, at]
        yield "contact", OVERRIDDEN, overridden
    reason = barred(policy, batch, scene)
    for code in np.unique(reason[reason > 0]).tolist():
        yield "contact", REASONS[code], np.asarray(reason == code, dtype=bool)
    for rule, covered in zip(plan.rules, plan.rule_offers, strict=True):
        if at in covered and rule.in_force(people.moment):
            yield "rule", rule.key, np.asarray(batch.evaluate(rule.when) != 1, dtype=bool)
    single, everything = capped(plan, people)
    yield "caps", "CAPPED", np.asarray(single[:, at] | everything, dtype=bool)


def _steps(
    ends: list[tuple[Kind, str, Mask]], failing: np.ndarray[tuple[int, ...], np.dtype[np.int16]]
) -> Iterator[Step]:
    left = np.ones(len(failing), dtype=bool)
    for kind, name, who in ends:
        ended = int((left & who).sum())
        left &= ~who
        yield Step(kind, name, ended, int(left.sum()), int((who & (failing == 1)).sum()))


def _looser(
    plan: Plan, at: int, batch: Batch, ends: list[tuple[Kind, str, Mask]],
    failing: np.ndarray[tuple[int, ...], np.dtype[np.int16]],
) -> Iterator[Looser]:  # fmt: skip
    """What moving one limit of the rules that alone end most would add."""
    alone = [(int((who & (failing == 1)).sum()), name, who) for kind, name, who in ends if kind == "rule"]
    found = []
    for count, name, who in sorted(alone, key=lambda one: -one[0])[:_STEPS]:
        rule = plan.release.rules[name]
        for path, clause in clauses(rule.when) if count else ():
            value = looser_value(clause)
            if value is None:
                continue
            passed = evaluate_many(with_value(rule.when, path, value), batch.people.columns) == 1
            found.append(Looser(name, clause, value, int((passed & who & (failing == 1)).sum())))
    yield from sorted((one for one in found if one.added), key=lambda one: -one.added)[:_STEPS]


def looser_value(clause: Clause) -> float | None:
    """The limit one step looser, within the attribute's bounds; None where there is no limit to move."""
    if clause.op not in ("<", "<=", ">", ">=") or not isinstance(clause.value, int | float):
        return None
    declared = ATTRIBUTES[clause.attribute]
    step = _LOOSER.get(declared.unit) or max(1.0, round(abs(clause.value) * 0.1))
    moved = clause.value + (step if clause.op in ("<", "<=") else -step)
    low, high = declared.bounds or (-np.inf, np.inf)
    moved = min(high, max(low, round(moved, 4)))
    return None if moved == clause.value else int(moved) if moved == int(moved) else moved


def with_value(condition: Condition, path: str, value: float) -> Condition:
    """The condition with another number in the clause at this JSON pointer."""
    if isinstance(condition, Clause):
        return replace(condition, value=value)
    _, _, index, *rest = path.split("/")
    parts = list(condition.parts)
    parts[int(index)] = with_value(parts[int(index)], "".join(f"/{part}" for part in rest), value)
    return Combination(condition.joiner, tuple(parts))
