"""Conditions for one customer: compiled for the hot path, traced for the explanation; never a reason or a verdict.

Logic is three-valued (Kleene): a clause on a missing value is neither true nor false. A condition is therefore written
as two ordinary expressions, "is true" and "is false"; where neither holds, the answer is None. Missing numbers are read
as NaN, which fails every comparison, so that both expressions stay plain comparisons.
"""

import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from offers.conditions.grammar import Clause, Combination, Condition, Joiner, Operator, Threshold, attributes_of
from offers.register import attribute

Attributes = Mapping[str, object]
Evaluator = Callable[[Attributes], bool | None]
RulesEvaluator = Callable[[Attributes], tuple[bool | None, ...]]
Failure = tuple[int, bool | None]  # the position of a condition, and its result: False or None
FailuresEvaluator = Callable[[Attributes], list[Failure]]

# How each operator says "is true" and "is false" of a value v and a constant c.
_NUMBER_SOURCE: dict[Operator, tuple[str, str]] = {
    "=": ("{v} == {c}", "({v} < {c} or {v} > {c})"),
    "!=": ("({v} < {c} or {v} > {c})", "{v} == {c}"),
    "<": ("{v} < {c}", "{v} >= {c}"),
    "<=": ("{v} <= {c}", "{v} > {c}"),
    ">": ("{v} > {c}", "{v} <= {c}"),
    ">=": ("{v} >= {c}", "{v} < {c}"),
    "between": ("{c}[0] <= {v} <= {c}[1]", "({v} < {c}[0] or {v} > {c}[1])"),
    "is": ("{v} == {c}", "{v} == (not {c})"),
    "is_known": ("{v} == {v}", "{v} != {v}"),
    "is_missing": ("{v} != {v}", "{v} == {v}"),
}
_TEXT_SOURCE: dict[Operator, tuple[str, str]] = {
    "=": ("{v} == {c}", "({v} is not None and {v} != {c})"),
    "!=": ("({v} is not None and {v} != {c})", "{v} == {c}"),
    "in": ("{v} in {c}", "({v} is not None and {v} not in {c})"),
    "not_in": ("({v} is not None and {v} not in {c})", "{v} in {c}"),
    "contains": ("({v} is not None and {c} in {v})", "({v} is not None and {c} not in {v})"),
    "contains_none_of": ("({v} is not None and {c}.isdisjoint({v}))", "({v} is not None and not {c}.isdisjoint({v}))"),
    "contains_any_of": ("({v} is not None and not {c}.isdisjoint({v}))", "({v} is not None and {c}.isdisjoint({v}))"),
    "contains_all_of": ("({v} is not None and {c}.issubset({v}))", "({v} is not None and not {c}.issubset({v}))"),
    "is_known": ("{v} is not None", "{v} is None"),
    "is_missing": ("{v} is None", "{v} is not None"),
}
# The same operators for a value that is known, read one by one for the explanation.
_HOLDS: dict[Operator, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": operator.eq,
    "between": lambda value, limits: limits[0] <= value <= limits[1],
    "in": lambda value, wanted: value in wanted,
    "not_in": lambda value, wanted: value not in wanted,
    "contains": lambda held, wanted: wanted in held,
    "contains_none_of": lambda held, wanted: not set(wanted) & set(held),
    "contains_any_of": lambda held, wanted: bool(set(wanted) & set(held)),
    "contains_all_of": lambda held, wanted: set(wanted) <= set(held),
}
_NUMERIC_TYPES = ("number", "integer", "boolean")


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """One clause against one customer. `passed` and `value` are None where the value is missing; sets are sorted."""

    path: str
    attribute: str
    op: Operator
    threshold: Threshold
    value: object
    passed: bool | None

    @property
    def wanted(self) -> bool:
        """Whether the clause should hold: not so under an odd number of `none` groups."""
        return self.path.split("/").count("none") % 2 == 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A condition against one customer: satisfied only when `passed` is True; None says that data is missing."""

    passed: bool | None
    clauses: tuple[ClauseResult, ...]


def compile_condition(condition: Condition) -> Evaluator:
    """Return a function from a customer's attributes to True, False or None (not evaluable)."""
    evaluate = compile_conditions((condition,))
    return lambda attributes: evaluate(attributes)[0]


def compile_conditions(conditions: Sequence[Condition]) -> RulesEvaluator:
    """Return one function from a customer's attributes to the results of all conditions, in their order.

    Values have the registered type; None, NaN and an absent name are missing. Each attribute is read once. Compile per
    release, not per customer.
    """
    program = _Program(conditions)
    results = []
    for condition in conditions:
        true, false = program.source(condition)
        results.append(f"True if {true} else False if {false} else None")
    return cast(RulesEvaluator, program.function([f" return ({''.join(f'{result}, ' for result in results)})"]))


def compile_failures(conditions: Sequence[Condition]) -> FailuresEvaluator:
    """Return one function from a customer's attributes to the conditions that are not true, by rising position.

    The same answers as of `compile_conditions`, faster where there are many: what holds costs no more than the finding,
    and a condition that stands there again is not evaluated again.
    """
    program = _Program(conditions)
    lines = [" failed = []", " add = failed.append"]
    standing, known = Counter(conditions), dict[Condition, str]()
    for position, condition in enumerate(conditions):
        false, none = program.bind((position, False)), program.bind((position, None))
        if standing[condition] == 1:
            is_true, is_false = program.source(condition)
        else:
            if condition not in known:
                result = known[condition] = f"r{len(known)}"
                true, untrue = program.source(condition)
                lines.append(f" {result} = True if {true} else False if {untrue} else None")
            is_true, is_false = known[condition], f"{known[condition]} is False"
        lines.append(f" if not {is_true}: add({false} if {is_false} else {none})")
    return cast(FailuresEvaluator, program.function([*lines, " return failed"]))


class _Program:
    """A function of a customer's attributes that is being written. Its source holds generated names only: no attribute,
    operator or value of an author is ever written into it."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        names = sorted(frozenset[str]().union(*(attributes_of(condition) for condition in conditions)))
        self._variables = {name: f"v{index}" for index, name in enumerate(names)}
        self._constants: dict[str, object] = {"nan": float("nan")}

    def bind(self, value: object) -> str:
        """The generated name of a value."""
        name = f"c{len(self._constants)}"
        self._constants[name] = value
        return name

    def function(self, body: Sequence[str]) -> Callable[[Attributes], object]:
        """Compile; each attribute is read once, before the body."""
        lines = ["def evaluate(attributes):", " get = attributes.get"]
        for name, variable in self._variables.items():
            lines.append(f" {variable} = get({self.bind(name)})")
            if attribute(name).type in _NUMERIC_TYPES:
                lines.append(f" if {variable} is None: {variable} = nan")
            else:
                lines.append(f" if {variable} != {variable}: {variable} = None")
        source = "\n".join([*lines, *body])
        exec(compile(source, "<conditions>", "exec"), self._constants)  # noqa: S102, six times faster than closures
        return cast(Callable[[Attributes], object], self._constants["evaluate"])

    def source(self, condition: Condition) -> tuple[str, str]:
        """Return the expressions for "is true" and "is false" of a condition, its values bound."""
        if isinstance(condition, Clause):
            value = condition.value
            constant = self.bind(frozenset(value) if isinstance(value, tuple) and condition.op != "between" else value)
            table = _NUMBER_SOURCE if attribute(condition.attribute).type in _NUMERIC_TYPES else _TEXT_SOURCE
            variable = self._variables[condition.attribute]
            true, false = (text.format(v=variable, c=constant) for text in table[condition.op])
            return true, false
        pairs = [self.source(part) for part in condition.parts]
        trues, falses = [true for true, _ in pairs], [false for _, false in pairs]
        if condition.joiner == "all":
            return f"({' and '.join(trues)})", f"({' or '.join(falses)})"
        any_true, all_false = f"({' or '.join(trues)})", f"({' and '.join(falses)})"
        return (any_true, all_false) if condition.joiner == "any" else (all_false, any_true)


def explain(condition: Condition, attributes: Attributes) -> Outcome:
    """Evaluate every clause without a short cut, and combine them; the plain reading of what compiled code answers."""
    results: list[ClauseResult] = []
    passed = _explain(condition, attributes, "", results)
    return Outcome(passed, tuple(results))


def trace(condition: Condition, attributes: Attributes) -> list[ClauseResult]:
    """Return the result of every clause, in the order of the tree."""
    return list(explain(condition, attributes).clauses)


def _explain(condition: Condition, attributes: Attributes, path: str, results: list[ClauseResult]) -> bool | None:
    if isinstance(condition, Combination):
        parts = [
            _explain(part, attributes, f"{path}/{condition.joiner}/{index}", results)
            for index, part in enumerate(condition.parts)
        ]
        return _combine(condition.joiner, parts)
    value = _known(attributes.get(condition.attribute))
    passed = _passed(condition, value)
    results.append(ClauseResult(path, condition.attribute, condition.op, condition.value, value, passed))
    return passed


def _known(value: object) -> object:
    """Return a value as the record shows it: None where missing, a set in a fixed order."""
    if value is None or value != value:  # only NaN differs from itself
        return None
    return tuple(sorted(value)) if isinstance(value, set | frozenset | list | tuple) else value


def _passed(clause: Clause, value: object) -> bool | None:
    if clause.op == "is_known":
        return value is not None
    if clause.op == "is_missing":
        return value is None
    return None if value is None else bool(_HOLDS[clause.op](value, clause.value))


def _combine(joiner: Joiner, parts: Sequence[bool | None]) -> bool | None:
    """Kleene: a false part decides `all`, a true part decides `any`, whatever is missing beside it."""
    if joiner == "all":
        return False if False in parts else None if None in parts else True
    found = True if True in parts else None if None in parts else False
    return found if joiner == "any" or found is None else not found
