"""What would have to change for one customer to get one offer: the nearest change of what a customer can act on, found
in the rules and the score and proved by deciding again; it writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from decisioning import decision_log, identity, reward_log, runtime
from decisioning.bandit.posterior import Posterior
from decisioning.decide import decide
from decisioning.models import Decision as DecisionRow
from decisioning.plan import Plan, complete
from decisioning.types import Decision, DecisionRequest, Known
from fairness.individual.actionable import ACTIONABLE, Actionable
from offers.conditions.describe import sentence
from offers.conditions.evaluate import explain
from offers.conditions.grammar import Clause, Combination, Condition, attributes_of
from offers.register import ATTRIBUTES, RESOLUTION, Attribute

MOST_WAYS: Final = 32  # kept of each part of a rule, the nearest first: a rule may have thousands of ways to be met
MOST_CHANGES: Final = 3  # more is no advice
_STEPS: Final = (1, 2, 4, 8)  # of effort that are tried of one attribute, to move a score
_HALVINGS: Final = 5

Changed = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inputs:
    """One decision as the engine would make it; `key` seeds its draws."""

    request: DecisionRequest
    known: Known
    plan: Plan
    posterior: Posterior | None
    key: int


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute with its value before (None: not known) and after, and why it can be acted on."""

    attribute: str
    before: Any
    after: Any
    why: str

    @property
    def meaning(self) -> str:
        return ATTRIBUTES[self.attribute].meaning

    @property
    def text(self) -> str:
        """What is asked, in the words of the rules: "credit score is at least 680"."""
        declared = ATTRIBUTES[self.attribute]
        if declared.type == "boolean":
            return sentence(Clause(self.attribute, "is", self.after))
        if declared.type == "set":
            return sentence(Clause(self.attribute, "contains_all_of", tuple(sorted(self.after))))
        if declared.type == "category":
            return sentence(Clause(self.attribute, "=", self.after))
        return sentence(Clause(self.attribute, ">=" if self._rises else "<=", self.after))

    @property
    def _rises(self) -> bool:
        return ACTIONABLE[self.attribute].direction == "rises"


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """With these changes the offer is eligible and, where `chosen`, among what is shown, with the same draws."""

    offer: str
    changes: tuple[Change, ...]
    chosen: bool


def recorded(row: DecisionRow) -> Inputs:
    """A decision as it was made. Raises NoRelease."""
    request, known = decision_log.inputs(row)
    plan = runtime.plan(row.release)
    return Inputs(request, known, plan, complete(reward_log.rebuilt(row.posterior), plan), identity.draw_key(row.id))


def nearest(decision: DecisionRow | Inputs, offer: str, now: datetime) -> Counterfactual | None:
    """The least effort that makes the offer eligible or, where it is already, chosen; `now` is the moment that is asked
    about, which is the row's own `made_at` where the question is what would have changed it then.

    None where the offer is shown as it is, where the customer as a whole gets nothing (consent, caps, a stop), or
    where nothing that a customer can act on would do. Raises NoRelease, and KeyError on an offer that the release has
    not.
    """
    inputs = recorded(decision) if isinstance(decision, DecisionRow) else decision
    inputs = replace(inputs, request=replace(inputs.request, now=now))
    place, first = inputs.plan.position[offer], _decided(inputs, {})
    if _shown(inputs, first, offer) or _ended(first, inputs.plan):
        return None
    if _eligible(first, offer):
        return _proved(inputs, offer, _to_be_chosen(inputs, offer))
    for changed in _to_be_eligible(inputs, place):
        found = _proved(inputs, offer, changed)
        if found:
            return found
    return None


def _proved(inputs: Inputs, offer: str, changed: Changed | None) -> Counterfactual | None:
    """The engine's word on a change: None where the offer would still not be eligible."""
    if not changed:
        return None
    decided, known = _decided(inputs, changed), inputs.known.attributes
    if _ended(decided, inputs.plan) or not _eligible(decided, offer):
        return None
    changes = tuple(Change(name, known.get(name), changed[name], ACTIONABLE[name].why) for name in sorted(changed))
    return Counterfactual(offer, changes, _shown(inputs, decided, offer))


def _decided(inputs: Inputs, changed: Changed) -> Decision:
    """The decision with some attributes changed. A nightly score was made of the values before and does not count."""
    known = inputs.known
    if changed:
        known = replace(known, attributes={**known.attributes, **changed})
        model = inputs.plan.model
        if model is not None and ("model", model.name) not in known.stops:
            known = replace(known, precomputed={})
    return decide(inputs.request, known, inputs.plan, inputs.posterior, inputs.key)


def _ended(decided: Decision, plan: Plan) -> bool:
    """Whether a reason of the whole customer's ended the decision, such as consent: no offer answers for that."""
    return decided.reason is not None and len(decided.refusals) < len(plan.offers)


def _eligible(decided: Decision, offer: str) -> bool:
    return all(refusal.offer != offer for refusal in decided.refusals)


def _shown(inputs: Inputs, decided: Decision, offer: str) -> bool:
    """Whether it is among the offers that the channel asked for: the decision ranks them all."""
    return offer in {choice.offer for choice in decided.choices[: inputs.request.limit]}


# --- Rules ---------------------------------------------------------------------------------------------------------


def _to_be_eligible(inputs: Inputs, place: int) -> Iterator[Changed]:
    """Ways to meet every rule on the offer, the nearest first. None where its own terms keep it from the request."""
    plan, known, now = inputs.plan, inputs.known.attributes, inputs.request.now
    rules = [
        rule.when
        for rule, offers in zip(plan.rules, plan.rule_offers, strict=True)
        if place in offers and rule.in_force(now)
    ]
    for changed in _every([_ways(rule, True, known) for rule in rules], known):
        if changed and len(changed) <= MOST_CHANGES:
            yield changed


def _ways(condition: Condition, wanted: bool, known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Changes after which a condition should be as wanted, the nearest first; one that is no change where it is."""
    if explain(condition, known).passed is wanted:
        return [{}]
    if isinstance(condition, Clause):
        return [{condition.attribute: value} for value in _values(condition, wanted, known.get(condition.attribute))]
    return _ways_together(condition, wanted, known)


def _ways_together(group: Combination, wanted: bool, known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`all` takes every part to hold and one part not to; `any` and `none` are the same by De Morgan."""
    of_part = wanted if group.joiner != "none" else not wanted
    every = wanted if group.joiner in ("all", "none") else not wanted
    options = [_ways(part, of_part, known) for part in group.parts]
    return _every(options, known) if every else _cheapest([way for ways in options for way in ways], known)


def _every(options: Sequence[list[dict[str, Any]]], known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One way of each, together; of two changes of one attribute the larger, which the proof may still refuse."""
    found: list[dict[str, Any]] = [{}]
    for ways in options:
        found = _cheapest([_merged(one, way, known) for one in found for way in ways], known)
    return found


def _merged(one: Changed, other: Changed, known: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(one)
    for name, value in other.items():
        if name not in merged or _effort(name, known.get(name), value) > _effort(name, known.get(name), merged[name]):
            merged[name] = value
    return merged


def _cheapest(ways: Iterable[dict[str, Any]], known: Mapping[str, Any]) -> list[dict[str, Any]]:
    distinct = {repr(sorted(way.items())): way for way in ways}
    return sorted(distinct.values(), key=lambda way: (_total(way, known), repr(sorted(way.items()))))[:MOST_WAYS]


def _total(changed: Changed, known: Mapping[str, Any]) -> float:
    """The effort of all changes; each attribute more counts as one step more, since two changes are more than one."""
    return sum(1.0 + _effort(name, known.get(name), value) for name, value in changed.items())


def _effort(name: str, before: Any, after: Any) -> float:
    """Steps from one value to another; a value that nobody knows only has to be told."""
    declared = ATTRIBUTES[name]
    if before is None:
        return 1.0
    if declared.type == "set":
        return float(len(set(after) ^ set(before)))
    if declared.type == "category":
        return float(abs(declared.choices.index(after) - declared.choices.index(before)))
    return abs(float(after) - float(before)) / ACTIONABLE[name].step


def _values(clause: Clause, wanted: bool, before: Any) -> list[Any]:
    """The values near the threshold that make a clause as wanted, of an attribute that can be acted on, in the
    direction that it can go."""
    lever = ACTIONABLE.get(clause.attribute)
    if lever is None:
        return []
    declared = ATTRIBUTES[clause.attribute]
    return [
        value
        for value in _near(clause, declared, before)
        if explain(clause, {clause.attribute: value}).passed is wanted and _may_go(lever, declared, before, value)
    ]


def _near(clause: Clause, declared: Attribute, before: Any) -> list[Any]:
    wanted = clause.value if isinstance(clause.value, tuple) else () if clause.value is None else (clause.value,)
    if declared.type == "boolean":
        return [True, False]
    if declared.type == "category":
        return list(declared.choices)
    if declared.type == "set":
        held = set(before or ())
        return [sorted(held | set(wanted)), *(sorted({*held, str(member)}) for member in wanted)]
    apart = RESOLUTION.get(declared.unit, 1)
    numbers = [float(bound) + turn * apart for bound in wanted for turn in (-1, 0, 1)]
    low, high = declared.bounds or (-float("inf"), float("inf"))
    return [_as_declared(declared, value) for value in numbers if low <= value <= high]


def _as_declared(declared: Attribute, value: float) -> int | float:
    apart = RESOLUTION.get(declared.unit, 1)
    rounded = round(round(value / apart) * apart, 6)
    return int(rounded) if declared.type == "integer" else rounded


def _may_go(lever: Actionable, declared: Attribute, before: Any, after: Any) -> bool:
    if before is None:
        return True
    if declared.type == "set":
        return set(before) < set(after)
    if declared.type == "category":
        before, after = declared.choices.index(before), declared.choices.index(after)
    return bool(after > before) if lever.direction == "rises" else bool(after < before)


# --- Score ---------------------------------------------------------------------------------------------------------


def _to_be_chosen(inputs: Inputs, offer: str) -> Changed | None:
    """The nearest change of what the score reads that ranks the offer among those shown: attribute by attribute, always
    the one that brings it closest, then each as small as it may be."""
    names = sorted(_scored_by(inputs.plan) & ACTIONABLE.keys())
    known = inputs.known.attributes
    changed: dict[str, Any] = {}
    for _ in range(MOST_CHANGES):
        tried = [{**changed, name: value} for name in names if name not in changed for value in _moves(name, known)]
        decided = [(one, _decided(inputs, one)) for one in tried]
        won = [one for one, decision in decided if _shown(inputs, decision, offer)]
        if won:
            return _least(inputs, offer, min(won, key=lambda one: _total(one, known)))
        if not decided:
            return None
        changed = max(decided, key=lambda pair: _margin(pair[1], offer))[0]
    return None


def _scored_by(plan: Plan) -> frozenset[str]:
    """What moves the order of the offers: the model, the boosts and the bandit's context."""
    names = plan.model.encoder.attributes if plan.model else frozenset[str]()
    boosts = (attributes_of(boost.when) for boost in plan.boosts)
    return names.union(*boosts, {term.attribute for term in plan.release.ranking.context})


def _moves(name: str, known: Mapping[str, Any]) -> list[Any]:
    """Values that are tried of one attribute: steps in its direction, within its bounds."""
    lever, declared, before = ACTIONABLE[name], ATTRIBUTES[name], known.get(name)
    if declared.type == "boolean":
        return [value for value in (lever.direction == "rises",) if before is not None and value != before]
    if declared.type not in ("number", "integer") or before is None:
        return []
    low, high = declared.bounds or (-float("inf"), float("inf"))
    sign = 1 if lever.direction == "rises" else -1
    steps = (float(before) + sign * count * lever.step for count in _STEPS)
    return [_as_declared(declared, value) for value in steps if low <= value <= high]


def _margin(decided: Decision, offer: str) -> float:
    """By how much the offer's best arm scores above the best of the others."""
    own = [row.score for row in decided.scored if row.offer == offer]
    others = [row.score for row in decided.scored if row.offer != offer]
    return max(own, default=-1.0) - max(others, default=0.0)


def _least(inputs: Inputs, offer: str, changed: dict[str, Any]) -> Changed:
    """The same with each number as near to the present as still does."""
    for name in sorted(changed):
        declared, before = ATTRIBUTES[name], inputs.known.attributes[name]
        if declared.type not in ("number", "integer"):
            continue
        near, far = float(before), float(changed[name])
        for _ in range(_HALVINGS):
            middle = _as_declared(declared, (near + far) / 2)
            if middle != before and _shown(inputs, _decided(inputs, {**changed, name: middle}), offer):
                far = float(middle)
            else:
                near = float(middle)
        changed = {**changed, name: _as_declared(declared, far)}
    return changed
