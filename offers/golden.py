"""Golden tests of a rule: made-up customers of whom its author says what it must answer; no real customer comes in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from offers.conditions.evaluate import explain
from offers.conditions.grammar import KNOWN_OPERATORS, Clause, Condition, Fault, clauses
from offers.register import RESOLUTION, Attribute, ProtectedAttribute, UnknownAttribute, attribute

SUGGESTED: Final = 30  # tests that are suggested at most
Answer = Literal["eligible", "refused", "data_missing"]
_TYPES: Mapping[str, tuple[type, ...]] = {
    "number": (int, float), "integer": (int,), "boolean": (bool,), "category": (str,), "set": (list,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tested:
    """One golden test and what the rule answers to it now; None, with the faults, of a customer whom nobody can be."""

    name: str
    customer: Mapping[str, Any]
    expect: Answer
    answer: Answer | None
    faults: tuple[Fault, ...] = ()

    @property
    def passed(self) -> bool:
        return self.expect == self.answer


def run(when: Condition, tests: Sequence[Mapping[str, Any]]) -> list[Tested]:
    """Every test against the requirement of a rule (offers.catalog.requirement)."""
    return [_tested(when, test) for test in tests]


def _tested(when: Condition, test: Mapping[str, Any]) -> Tested:
    customer = test["customer"]
    faults = tuple(_malformed(customer, ""))
    return Tested(test["name"], customer, test["expect"], None if faults else answer_of(when, customer), faults)


def answer_of(when: Condition, customer: Mapping[str, Any]) -> Answer:
    """What the rule says of a customer of whom these attributes are known, as JSON values."""
    passed = explain(when, {name: _value(value) for name, value in customer.items()}).passed
    return "data_missing" if passed is None else "eligible" if passed else "refused"


def faults_of(when: Condition, tests: Sequence[Mapping[str, Any]], root: str) -> Iterator[Fault]:
    """Tests that are none, and tests that do not hold, with their paths under `root`."""
    for place, test in enumerate(tests):
        malformed = list(_malformed(test["customer"], f"{root}/{place}/customer"))
        yield from malformed
        if not malformed and (answer := answer_of(when, test["customer"])) != test["expect"]:
            message = f"{test['name']}: must be {_words(test['expect'])}, and is {_words(answer)}"
            yield Fault(f"{root}/{place}", "golden_test", message)


def _malformed(customer: Mapping[str, Any], path: str) -> Iterator[Fault]:
    for name, value in customer.items():
        try:
            declared = attribute(name)
        except (ProtectedAttribute, UnknownAttribute) as refused:
            yield Fault(f"{path}/{name}", "unknown_attribute", str(refused))
        else:
            if isinstance(value, float) and not math.isfinite(value):
                yield Fault(f"{path}/{name}", "wrong_type", f"{declared.meaning} is finite")
            elif not _is_of(declared, value):
                yield Fault(f"{path}/{name}", "wrong_type", f"{declared.meaning} is a {declared.type}")


def _is_of(declared: Attribute, value: object) -> bool:
    if isinstance(value, bool) and declared.type != "boolean":
        return False
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        return False
    return isinstance(value, _TYPES[declared.type])


def _value(value: Any) -> Any:
    return frozenset(value) if isinstance(value, list) else value


def _words(answer: str) -> str:
    return answer.replace("_", " ")


def suggest(when: Condition) -> list[dict[str, Any]]:
    """Tests at the limits of a condition, with what it answers today: one customer who meets every clause, and for each
    clause one just beyond it and one of whom it is not known."""
    base = {clause.attribute: value for _, clause in clauses(when) if (value := _meeting(clause)) is not None}
    customers = [("meets every condition", base)]
    for _, clause in clauses(when):
        meaning, beyond = attribute(clause.attribute).meaning, _beyond(clause)
        others = {name: value for name, value in base.items() if name != clause.attribute}
        if beyond is not None:
            customers.append((f"{meaning} beyond its limit", {**others, clause.attribute: beyond}))
        customers.append((f"{meaning} not known", others))
    unique = {repr(sorted(customer.items())): (name, customer) for name, customer in reversed(customers)}
    return [
        {"name": name, "customer": customer, "expect": answer_of(when, customer)}
        for name, customer in list(reversed(unique.values()))[:SUGGESTED]
    ]


def _meeting(clause: Clause) -> Any:
    """A value for which a clause just holds, as JSON; None where there is none to be had."""
    declared, value = attribute(clause.attribute), clause.value
    if clause.op in KNOWN_OPERATORS:
        return _some(declared) if clause.op == "is_known" else None
    if declared.type in ("number", "integer"):
        return _number(declared, clause.op, value, holds=True)
    if clause.op in ("=", "is", "in"):
        return value[0] if isinstance(value, tuple) else value
    if clause.op in ("!=", "not_in"):
        return _another(declared, value)
    return [] if clause.op == "contains_none_of" else _texts(value)


def _beyond(clause: Clause) -> Any:
    """A value for which a clause just does not hold."""
    declared, value = attribute(clause.attribute), clause.value
    if clause.op in KNOWN_OPERATORS:
        return None if clause.op == "is_known" else _some(declared)
    if declared.type in ("number", "integer"):
        return _number(declared, clause.op, value, holds=False)
    if declared.type == "boolean":
        return not value
    if clause.op in ("=", "in"):
        return _another(declared, value)
    if clause.op in ("!=", "not_in"):
        return _texts(value)[0]
    return _texts(value)[:1] if clause.op == "contains_none_of" else []


def _number(declared: Attribute, op: str, value: Any, *, holds: bool) -> float | None:
    """At the limit, or one step of the attribute's resolution beside it, within its bounds."""
    step = RESOLUTION[declared.unit]
    if op == "between":
        wanted = value[0] if holds else value[0] - step
    elif op in ("=", ">=", "<="):
        wanted = value if holds else value + (step if op == "<=" else -step)
    else:
        wanted = (value + (step if op == ">" else -step)) if holds else value
    low, high = declared.bounds or (float("-inf"), float("inf"))
    wanted = round(wanted, 10)
    return (int(wanted) if wanted == int(wanted) else wanted) if low <= wanted <= high else None


def _some(declared: Attribute) -> Any:
    if declared.type in ("number", "integer"):
        return int(declared.bounds[0]) if declared.bounds else 0
    return True if declared.type == "boolean" else [] if declared.type == "set" else (*declared.choices, "any")[0]


def _another(declared: Attribute, value: Any) -> str | None:
    return next((choice for choice in (*declared.choices, "another") if choice not in _texts(value)), None)


def _texts(value: Any) -> list[str]:
    return list(value) if isinstance(value, tuple) else [value]
