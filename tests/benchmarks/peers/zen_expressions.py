"""Candor's conditions in zen-engine's expression language, for a benchmark beside it; nothing is evaluated here."""

from __future__ import annotations

import json

from offers.conditions import Clause, Combination, Condition
from offers.conditions.grammar import Operator

# How each operator says "is true" and "is false" of a known value v and a constant c.
_SOURCE: dict[Operator, tuple[str, str]] = {
    "=": ("{v} == {c}", "{v} != {c}"),
    "!=": ("{v} != {c}", "{v} == {c}"),
    "<": ("{v} < {c}", "{v} >= {c}"),
    "<=": ("{v} <= {c}", "{v} > {c}"),
    ">": ("{v} > {c}", "{v} <= {c}"),
    ">=": ("{v} >= {c}", "{v} < {c}"),
    "is": ("{v} == {c}", "{v} != {c}"),
    "in": ("{v} in {c}", "{v} not in {c}"),
    "not_in": ("{v} not in {c}", "{v} in {c}"),
    "contains": ("{c} in {v}", "{c} not in {v}"),
    "contains_none_of": ("none({c}, # in {v})", "some({c}, # in {v})"),
    "contains_any_of": ("some({c}, # in {v})", "none({c}, # in {v})"),
    "contains_all_of": ("all({c}, # in {v})", "not(all({c}, # in {v}))"),
}


def plain(condition: Condition) -> str:
    """As somebody would write it for customers of whom everything is known."""
    if isinstance(condition, Clause):
        return _holds(condition)[0]
    parts = [plain(part) for part in condition.parts]
    joined = f" {'and' if condition.joiner == 'all' else 'or'} ".join(parts)
    return f"not({joined})" if condition.joiner == "none" else f"({joined})"


def guarded(condition: Condition) -> str:
    """True exactly where Candor's is, missing values included: the engine has no third truth value, and to compare a
    missing number is a fault there."""
    return _pair(condition)[0]


def _holds(clause: Clause) -> tuple[str, str]:
    name = clause.attribute
    if clause.op in ("is_known", "is_missing"):
        known, missing = f"{name} != null", f"{name} == null"
        return (known, missing) if clause.op == "is_known" else (missing, known)
    if clause.op == "between":
        assert isinstance(clause.value, tuple)
        low, high = clause.value
        return f"{name} in [{low}..{high}]", f"{name} not in [{low}..{high}]"
    value = json.dumps(clause.value)
    true, false = _SOURCE[clause.op]
    return true.format(v=name, c=value), false.format(v=name, c=value)


def _pair(condition: Condition) -> tuple[str, str]:
    if isinstance(condition, Clause):
        true, false = _holds(condition)
        if condition.op in ("is_known", "is_missing"):
            return true, false
        known = f"{condition.attribute} != null"
        return f"({known} and {true})", f"({known} and {false})"
    pairs = [_pair(part) for part in condition.parts]
    return _combined(condition, [true for true, _ in pairs], [false for _, false in pairs])


def _combined(condition: Combination, trues: list[str], falses: list[str]) -> tuple[str, str]:
    if condition.joiner == "all":
        return f"({' and '.join(trues)})", f"({' or '.join(falses)})"
    found, nothing = f"({' or '.join(trues)})", f"({' and '.join(falses)})"
    return (found, nothing) if condition.joiner == "any" else (nothing, found)
