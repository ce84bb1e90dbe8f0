"""Alternatives to the threshold of a live rule: the same rule with another number, on a fixed sample of customers,
under the engine's own stages; it changes no rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from decisioning import impact
from decisioning.sample import SIZE, sample
from fairness import dataset
from fairness.alternatives.measuring import compared_groups, ratios
from fairness.alternatives.pareto import GroupKey
from fairness.thresholds import ComparisonResult
from offers import snapshot
from offers.conditions.grammar import Clause, Combination, Condition, clauses, parse, to_json
from offers.conditions.vectorise import NumberColumn
from offers.register import ATTRIBUTES, RESOLUTION
from offers.types import AgeBand

_COMPARED: Final = ("<", "<=", ">", ">=")
_MOVES: Final = (-0.2, -0.15, -0.1, -0.075, -0.05, -0.025, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2)
"""By how much of the population a threshold is moved, either way."""


class NoThreshold(ValueError):
    """The rule is not live, or has no number that could be another."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One threshold: what a thousand customers are expected to bring, with its 95 %, and who is eligible by group."""

    threshold: float
    value: float
    low: float
    high: float
    eligible: int
    comparisons: Sequence[ComparisonResult]
    ratios: Mapping[GroupKey, float]


def space(key: str, now: datetime) -> dict[str, Any]:
    """Where the threshold stands in the rule, and which others are tried: today's first. Raises NoThreshold."""
    rule = _content().get("rule", {}).get(key)
    if rule is None:
        raise NoThreshold(f"there is no live rule {key}")
    found = [(path, one) for path, one in clauses(parse(rule["when"])) if one.op in _COMPARED]
    if not found:
        raise NoThreshold(f"the rule {key} compares no number, so there is no threshold to move")
    path, clause = found[0]
    assert isinstance(clause.value, int | float)
    return {"path": path, "attribute": clause.attribute, "op": clause.op, "sample": SIZE,
            "thresholds": [clause.value, *_others(clause, float(clause.value), now)]}  # fmt: skip


def _others(clause: Clause, today: float, now: datetime) -> list[float]:
    """Values that as many more or fewer customers have below them, as the moves say."""
    column = sample(now).columns.get(clause.attribute)
    assert column is None or isinstance(column, NumberColumn)
    known = np.sort(column.values[~np.isnan(column.values)]) if column is not None else np.empty(0)
    if not len(known):
        raise NoThreshold(f"{ATTRIBUTES[clause.attribute].meaning} is known of nobody")
    stands = float(np.searchsorted(known, today)) / len(known)
    shares = [stands + move for move in _MOVES if 0 < stands + move < 1]
    apart = RESOLUTION.get(ATTRIBUTES[clause.attribute].unit, 1)
    values = {round(round(float(np.quantile(known, share)) / apart) * apart, 6) for share in shares} - {today}
    return [int(value) if value == int(value) else value for value in sorted(values)]


def with_threshold(when: Mapping[str, Any], path: str, threshold: float) -> dict[str, Any]:
    """The rule's condition with another number at one place."""
    return to_json(_replaced(parse(when), path.split("/")[1:], threshold))


def _replaced(node: Condition, path: list[str], threshold: float) -> Condition:
    if isinstance(node, Clause):
        return Clause(node.attribute, node.op, threshold)
    place = int(path[1])
    parts = list(node.parts)
    parts[place] = _replaced(parts[place], path[2:], threshold)
    return Combination(node.joiner, tuple(parts))


def measure(protocol: Mapping[str, Any], now: datetime) -> list[Measured]:
    """Every threshold of the protocol on the same people. Raises NoThreshold where the rule is not live any more, and
    InvalidContent where the catalogue has changed so that it cannot run."""
    content, key, space_ = _content(), protocol["subject"], protocol["space"]
    if key not in content.get("rule", {}):
        raise NoThreshold(f"there is no live rule {key}")
    plans = [impact.plan_of(_candidate(content, key, space_["path"], one)) for one in space_["thresholds"]]
    place = [rule.key for rule in plans[0].rules].index(key)
    offers = list(plans[0].rule_offers[place])
    about = [plans[0].offers[offer] for offer in offers]
    simulated = impact.simulate_people(plans, impact.drawn(now, space_["sample"]), now, about=about)
    groups = protocol["groups"]
    bands = tuple(AgeBand(**band) for band in groups["age_bands"])
    groupings = dataset.groupings(simulated.customers, now, bands)
    measured = []
    for at, threshold in enumerate(space_["thresholds"]):
        eligible = np.asarray(simulated.reaches[at].eligible[:, offers].any(axis=1), dtype=np.bool_)
        compared = compared_groups(groupings, eligible, groups["references"])
        value = simulated.expected(at)[1]
        measured.append(
            Measured(
                threshold, 1000 * value.mean, 1000 * value.low, 1000 * value.high, int(eligible.sum()), compared,
                ratios(compared, groups["smallest_group"]),
            )
        )  # fmt: skip
    return measured


def _content() -> snapshot.Content:
    live = snapshot.live_row()
    return live.content if live else snapshot.EMPTY


def _candidate(content: snapshot.Content, key: str, path: str, threshold: float) -> snapshot.Content:
    rule = content["rule"][key]
    changed = {**rule, "when": with_threshold(rule["when"], path, threshold)}
    return {**content, "rule": {**content["rule"], key: changed}}
