"""The grammar of conditions: a JSON tree in, a frozen tree or every fault at once out; never a customer's values."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from offers.register import Attribute, AttributeType, ProtectedAttribute, UnknownAttribute, Use, attribute

Joiner = Literal["all", "any", "none"]
Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "between", "is", "in", "not_in",
    "contains", "contains_none_of", "contains_any_of", "contains_all_of", "is_known", "is_missing",
]  # fmt: skip
Threshold = None | bool | int | float | str | tuple[int | float, ...] | tuple[str, ...]

JOINERS: tuple[Joiner, ...] = ("all", "any", "none")
KNOWN_OPERATORS: tuple[Operator, ...] = ("is_known", "is_missing")
_NUMERIC: tuple[Operator, ...] = ("=", "!=", "<", "<=", ">", ">=", "between", *KNOWN_OPERATORS)
OPERATORS: Mapping[AttributeType, tuple[Operator, ...]] = MappingProxyType(
    {
        "number": _NUMERIC,
        "integer": _NUMERIC,
        "boolean": ("is", *KNOWN_OPERATORS),
        "category": ("=", "!=", "in", "not_in", *KNOWN_OPERATORS),
        "set": ("contains", "contains_none_of", "contains_any_of", "contains_all_of", *KNOWN_OPERATORS),
    }
)
MAX_DEPTH = 6  # groups within groups
MAX_CLAUSES = 200
_TEXT_LISTS = ("in", "not_in", "contains_none_of", "contains_any_of", "contains_all_of")


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison. `value` is None for is_known and is_missing, and a tuple where the operator takes a list."""

    attribute: str
    op: Operator
    value: Threshold = None


@dataclass(frozen=True, slots=True)
class Combination:
    """Conditions of which all, any or none must hold; never empty."""

    joiner: Joiner
    parts: tuple["Condition", ...]


Condition = Clause | Combination


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place of the tree. `path` is a JSON pointer ("/all/0/value"), empty for the whole."""

    path: str
    code: str
    message: str


class InvalidCondition(ValueError):
    """The tree is no condition; `faults` holds every fault found, in the order of the tree."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.path or '/'}: {fault.message}" for fault in faults))
        self.faults = faults


def parse(tree: object, *, use: Use = "rule") -> Condition:
    """Read a JSON tree as a condition for `use`; raise InvalidCondition with every fault."""
    reading = _Reading(use)
    condition = _condition(tree, "", 0, reading)
    if reading.clauses > MAX_CLAUSES:
        reading.fault("", "too_many_clauses", f"a condition has at most {MAX_CLAUSES} clauses")
    if reading.faults or condition is None:
        raise InvalidCondition(tuple(reading.faults))
    return condition


def to_json(condition: Condition) -> dict[str, object]:
    """Return the JSON tree of a condition; `parse(to_json(condition))` equals the condition."""
    if isinstance(condition, Combination):
        return {condition.joiner: [to_json(part) for part in condition.parts]}
    tree: dict[str, object] = {"attribute": condition.attribute, "op": condition.op}
    if condition.op not in KNOWN_OPERATORS:
        tree["value"] = list(condition.value) if isinstance(condition.value, tuple) else condition.value
    return tree


def clauses(condition: Condition, path: str = "") -> Iterator[tuple[str, Clause]]:
    """Yield every clause with its JSON pointer, in the order of the tree."""
    if isinstance(condition, Clause):
        yield path, condition
        return
    for index, part in enumerate(condition.parts):
        yield from clauses(part, f"{path}/{condition.joiner}/{index}")


def attributes_of(condition: Condition) -> frozenset[str]:
    """Return the names of the attributes that the condition reads."""
    return frozenset(clause.attribute for _, clause in clauses(condition))


@dataclass(slots=True)
class _Reading:
    """What accumulates while one tree is read."""

    use: Use
    faults: list[Fault] = field(default_factory=list)
    clauses: int = 0

    def fault(self, path: str, code: str, message: str) -> None:
        self.faults.append(Fault(path, code, message))


def _condition(tree: object, path: str, depth: int, reading: _Reading) -> Condition | None:
    """Read one node. None after a fault, and past a limit, so that a hostile tree costs no more than a good one."""
    if not isinstance(tree, dict):
        reading.fault(path, "malformed", "a condition is an object")
        return None
    joiners = [joiner for joiner in JOINERS if joiner in tree]
    if len(joiners) == 1 and len(tree) == 1:
        return _combination(joiners[0], tree[joiners[0]], f"{path}/{joiners[0]}", depth + 1, reading)
    if joiners or "attribute" not in tree:
        reading.fault(path, "malformed", "a condition is one of all, any, none, or an attribute with op and value")
        return None
    reading.clauses += 1
    return _clause(tree, path, reading) if reading.clauses <= MAX_CLAUSES else None


def _combination(joiner: Joiner, parts: object, path: str, depth: int, reading: _Reading) -> Combination | None:
    if not isinstance(parts, list):
        reading.fault(path, "malformed", f"{joiner} takes a list of conditions")
        return None
    if not parts:
        reading.fault(path, "empty_group", f"{joiner} needs at least one condition")
        return None
    if depth > MAX_DEPTH:
        reading.fault(path, "too_deep", f"groups are nested at most {MAX_DEPTH} deep")
        return None
    read = [_condition(part, f"{path}/{index}", depth, reading) for index, part in enumerate(parts)]
    kept = tuple(part for part in read if part is not None)
    return Combination(joiner, kept) if kept else None


def _clause(tree: dict[str, object], path: str, reading: _Reading) -> Clause | None:
    before = len(reading.faults)
    for key in sorted(set(map(str, tree)) - {"attribute", "op", "value"}):
        reading.fault(f"{path}/{key}", "unknown_key", f"a clause has attribute, op and value, not {key}")
    declared = _declared(tree["attribute"], f"{path}/attribute", reading)
    if declared is None:
        return None
    op = tree.get("op")
    if not isinstance(op, str) or op not in OPERATORS[declared.type]:
        allowed = ", ".join(OPERATORS[declared.type])
        reading.fault(f"{path}/op", "wrong_operator", f"{declared.meaning} ({declared.type}) takes one of {allowed}")
        return None
    value = _threshold(tree, declared, op, f"{path}/value", reading)
    return Clause(declared.name, op, value) if len(reading.faults) == before else None


def _declared(name: object, path: str, reading: _Reading) -> Attribute | None:
    if not isinstance(name, str):
        reading.fault(path, "malformed", "an attribute is named by a text")
        return None
    try:
        declared = attribute(name)
    except ProtectedAttribute as refused:
        reading.fault(path, "protected_attribute", str(refused))
    except UnknownAttribute as unknown:
        reading.fault(path, "unknown_attribute", str(unknown))
    else:
        if reading.use in declared.uses:
            return declared
        allowed = ", ".join(sorted(declared.uses))
        reading.fault(path, "not_usable", f"{declared.meaning} may not be used for {reading.use}, only for {allowed}")
    return None


def _threshold(tree: dict[str, object], declared: Attribute, op: Operator, path: str, reading: _Reading) -> Threshold:
    """Read the value that `op` compares with: canonical, so that equal conditions have equal content."""
    if op in KNOWN_OPERATORS:
        if "value" in tree:
            reading.fault(path, "unexpected_value", f"{op} takes no value")
        return None
    if "value" not in tree:
        reading.fault(path, "missing_value", f"{op} needs a value")
        return None
    value = tree["value"]
    if op == "between":
        return _range(value, declared, path, reading)
    if op in _TEXT_LISTS:
        return _texts(value, declared, path, reading)
    if declared.type == "boolean":
        if isinstance(value, bool):
            return value
        reading.fault(path, "wrong_type", f"{declared.meaning} is compared with true or false")
        return None
    if declared.type in ("number", "integer"):
        return _number(value, declared, path, reading)
    return _text(value, declared, path, reading)


def _number(value: object, declared: Attribute, path: str, reading: _Reading) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        reading.fault(path, "wrong_type", f"{declared.meaning} is compared with a number")
        return None
    if isinstance(value, float) and not math.isfinite(value):
        reading.fault(path, "wrong_type", f"{declared.meaning} is compared with a finite number")
        return None
    if declared.type == "integer" and value != int(value):
        reading.fault(path, "wrong_type", f"{declared.meaning} is compared with a whole number")
        return None
    if declared.bounds and not declared.bounds[0] <= value <= declared.bounds[1]:
        low, high = declared.bounds
        reading.fault(path, "implausible_value", f"{declared.meaning} lies between {low:,.12g} and {high:,.12g}")
        return None
    return int(value) if value == int(value) else value


def _range(value: object, declared: Attribute, path: str, reading: _Reading) -> tuple[int | float, ...] | None:
    if not isinstance(value, list) or len(value) != 2:
        reading.fault(path, "wrong_type", "between takes a list of two numbers, both included")
        return None
    low, high = (_number(bound, declared, f"{path}/{index}", reading) for index, bound in enumerate(value))
    if low is None or high is None:
        return None
    if low > high:
        reading.fault(path, "empty_range", f"no value lies between {low} and {high}")
        return None
    return low, high


def _text(value: object, declared: Attribute, path: str, reading: _Reading) -> str | None:
    if not isinstance(value, str) or not value:
        reading.fault(path, "wrong_type", f"{declared.meaning} is compared with a text")
        return None
    if declared.choices and value not in declared.choices:
        reading.fault(path, "unknown_choice", f"{value} is none of {', '.join(declared.choices)}")
        return None
    return value


def _texts(value: object, declared: Attribute, path: str, reading: _Reading) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not value:
        reading.fault(path, "wrong_type", f"{declared.meaning} is compared with a list of texts, not an empty one")
        return None
    read = [_text(item, declared, f"{path}/{index}", reading) for index, item in enumerate(value)]
    kept = tuple(item for item in read if item is not None)
    if len(set(kept)) < len(kept):
        reading.fault(path, "duplicate_value", "a value stands twice in the list")
    return kept
