"""Groups of customers in words: a small decision tree over attributes that stand for nothing protected, each leaf as
the condition that says the same; whom the groups are of is the caller's to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from decisioning.impact.people import Floats, Mask
from offers.conditions.grammar import Clause, Combination, Condition
from offers.conditions.vectorise import CategoryColumn, Column, Columns, NumberColumn
from offers.register import ATTRIBUTES, RESOLUTION, SESSION_GROUP, Attribute

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

FEWEST: Final = 20  # customers: a smaller group is of people, not of a kind of people
LIFT: Final = 1.3  # a group stands out where it has so many times everybody's share
DEPTH: Final = 3
_CHOICES: Final = 12  # of a category: one with more would be told apart by chance
_SMALLEST: Final = 0.01  # of those looked at, of a leaf
_MISSING: Final = -1e12  # below every value: what is not known stands left of every limit


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the tree: a number, a boolean, or whether a category has one of its choices."""

    attribute: Attribute
    choice: str
    values: Floats  # (n,)


@dataclass(frozen=True, slots=True)
class _Bound:
    """A feature above or up to a limit."""

    feature: Feature
    limit: float
    above: bool

    @property
    def of_missing(self) -> bool:
        """Whether the limit parts what is known from what is not."""
        return self.limit < _MISSING / 10


def may_describe(declared: Attribute) -> bool:
    """Whether a group may be told by this attribute: a rule could read it, and it stands for nothing protected."""
    return declared.basis_class == "ok" and "rule" in declared.uses and declared.group != SESSION_GROUP


def conditions(columns: Columns, chosen: Mask) -> list[Condition]:
    """Conditions (of these n customers) under which notably many are `chosen` (n,), the one with most of them first."""
    # What grows trees is imported by those who look for groups, not by every process that serves pages.
    from sklearn.tree import DecisionTreeClassifier

    features = list(_features(columns))
    if not features or not FEWEST <= int(chosen.sum()) < len(chosen):
        return []
    smallest = max(FEWEST, int(_SMALLEST * len(chosen)))
    tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=smallest, random_state=0)
    matrix = np.stack([feature.values for feature in features], axis=1)
    tree.fit(matrix, chosen)
    leaf = tree.apply(matrix)
    usual = chosen.mean()
    found = []
    for node, path in _leaves(tree, features):
        here = chosen[leaf == node]
        if int(here.sum()) >= FEWEST and here.mean() >= LIFT * usual:
            found.append((int(here.sum()), path))
    return [_condition(path) for _, path in sorted(found, key=lambda one: -one[0])]


def _features(columns: Columns) -> Iterator[Feature]:
    for name in sorted(columns):
        declared, column = ATTRIBUTES[name], columns[name]
        if not may_describe(declared):
            continue
        if isinstance(column, NumberColumn):
            yield Feature(declared, "", np.where(np.isnan(column.values), _MISSING, column.values))
        elif isinstance(column, CategoryColumn) and 0 < len(declared.choices) <= _CHOICES:
            for choice in declared.choices:
                yield Feature(declared, choice, _is(column, choice))


def _is(column: Column, choice: str) -> Floats:
    assert isinstance(column, CategoryColumn)
    wanted = np.array([value == choice for value in column.vocabulary] + [False], dtype=np.float64)
    found: Floats = wanted[column.codes]
    return found


def _leaves(tree: DecisionTreeClassifier, features: list[Feature]) -> Iterator[tuple[int, list[_Bound]]]:
    grown = tree.tree_
    waiting: list[tuple[int, list[_Bound]]] = [(0, [])]
    while waiting:
        node, path = waiting.pop()
        left, right = int(grown.children_left[node]), int(grown.children_right[node])
        if left == right:
            yield node, path
            continue
        feature, limit = features[int(grown.feature[node])], float(grown.threshold[node])
        waiting += [(left, [*path, _Bound(feature, limit, False)]), (right, [*path, _Bound(feature, limit, True)])]


def _condition(path: list[_Bound]) -> Condition:
    """All of the path's bounds, the narrower one where two say the same of one feature."""
    kept: dict[tuple[str, str, bool], _Bound] = {}
    for bound in path:
        key = (bound.feature.attribute.name, bound.feature.choice, bound.above)
        other = kept.get(key)
        if other is None or (bound.limit > other.limit) == bound.above:
            kept[key] = bound
    # Whoever is above any limit is known: then no other bound on the same needs to say what holds of the unknown.
    known = {bound.feature.attribute.name for bound in kept.values() if bound.above}
    told = {bound.feature.attribute.name for bound in kept.values() if not bound.of_missing}
    parts = tuple(
        _clause(bound, known=bound.feature.attribute.name in known)
        for bound in kept.values()
        if not (bound.of_missing and bound.feature.attribute.name in told)
    )
    return parts[0] if len(parts) == 1 else Combination("all", parts)


def _clause(bound: _Bound, *, known: bool) -> Condition:
    declared, name = bound.feature.attribute, bound.feature.attribute.name
    if bound.of_missing:
        return Clause(name, "is_known" if bound.above else "is_missing")
    if bound.feature.choice:
        stated = Clause(name, "=" if bound.above else "!=", bound.feature.choice)
    elif declared.type == "boolean":
        stated = Clause(name, "is", bound.above)
    else:
        stated = Clause(name, ">" if bound.above else "<=", _rounded(bound.limit, declared))
    if bound.above:
        return stated  # of somebody of whom it is not known it does not hold
    unknown = Clause(name, "is_missing")
    return Combination("any", (stated, unknown)) if _any_missing(bound.feature) and not known else stated


def _any_missing(feature: Feature) -> bool:
    return bool(feature.choice) or bool((feature.values == _MISSING).any())


def _rounded(limit: float, declared: Attribute) -> float:
    """Down to the attribute's resolution: a limit lies between two values, of which the lower one stays on its side."""
    step = RESOLUTION.get(declared.unit, 1e-4)
    value = round(np.floor(limit / step + 1e-9) * step, 6)
    if declared.bounds:
        value = min(declared.bounds[1], max(declared.bounds[0], value))
    return int(value) if value == int(value) else float(value)
