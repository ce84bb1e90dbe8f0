"""Golden tests of a rule: made-up customers of whom its author says what it must answer; no real customer comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from offers.conditions.evaluate import explain
from offers.conditions.grammar import Condition, Fault
from offers.register import Attribute, ProtectedAttribute, UnknownAttribute, attribute

Answer = Literal["eligible", "refused", "data_missing"]
_TYPES: Mapping[str, tuple[type, ...]] = {
    "number": (int, float), "integer": (int,), "boolean": (bool,), "category": (str,), "set": (list,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tested:
    """One golden test and what the rule answers to it now."""

    name: str
    customer: Mapping[str, Any]
    expect: Answer
    answer: Answer

    @property
    def passed(self) -> bool:
        return self.expect == self.answer


def run(when: Condition, tests: list[Mapping[str, Any]]) -> list[Tested]:
    """Every test against the requirement of a rule (offers.snapshot.requirement)."""
    return [Tested(test["name"], test["customer"], test["expect"], answer_of(when, test["customer"])) for test in tests]


def answer_of(when: Condition, customer: Mapping[str, Any]) -> Answer:
    """What the rule says of a customer of whom these attributes are known, as JSON values."""
    passed = explain(when, {name: _value(value) for name, value in customer.items()}).passed
    return "data_missing" if passed is None else "eligible" if passed else "refused"


def faults_of(when: Condition, tests: list[Mapping[str, Any]], root: str) -> Iterator[Fault]:
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
            if not _is_of(declared, value):
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
