"""Speed of conditions: a release of rules for one customer, and one condition over a population; no database.

Run: python -m tests.benchmarks.bench_conditions
"""

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offers.conditions import Clause, Combination, Condition, Outcome, attributes_of, compile_conditions, explain
from offers.conditions.vectorise import CategoryColumn, Column, NumberColumn, SetColumn, evaluate_many
from offers.register import Attribute, attribute, attributes

RULES, CLAUSES, ROWS = 200, 8, 1_000_000
CARDS = tuple(f"card-{number}" for number in range(24))


def value_of(declared: Attribute, rng: random.Random) -> Any:
    if declared.bounds:
        return rng.uniform(*declared.bounds)
    if declared.type == "boolean":
        return rng.random() < 0.5
    return frozenset(rng.sample(CARDS, 2)) if declared.type == "set" else rng.choice(declared.choices or CARDS)


def clause_for(declared: Attribute, customer: dict[str, Any], rng: random.Random, *, passing: bool) -> Clause:
    """Return a clause that this customer passes, or one on a random value."""
    value = customer[declared.name] if passing else value_of(declared, rng)
    if declared.bounds:
        return Clause(declared.name, ">=", value)
    if declared.type == "boolean":
        return Clause(declared.name, "is", value)
    if declared.type == "set":
        return Clause(declared.name, "contains_any_of", tuple(sorted(value)))
    return Clause(declared.name, "in", (value,))


def explain_all(rules: list[Condition], customer: dict[str, Any]) -> list[Outcome]:
    return [explain(rule, customer) for rule in rules]


def microseconds(run: Callable[[], object], times: int) -> NDArray[np.float64]:
    taken = []
    for _ in range(times):
        start = time.perf_counter_ns()
        run()
        taken.append(time.perf_counter_ns() - start)
    return np.array(taken) / 1_000


def report(name: str, taken: NDArray[np.float64], clauses: int) -> None:
    median, p99 = np.percentile(taken, (50, 99))
    each = f"{1_000 * median / clauses:,.1f} ns per clause"
    print(f"{name:<54} median {median:10.1f} us  p99 {p99:10.1f} us  {each}")


def one_customer(rng: random.Random) -> None:
    declared = attributes(use="rule")
    customer = {each.name: value_of(each, rng) for each in declared}
    for name, passing in (("random values", False), ("every clause passes", True)):
        rules: list[Condition] = [
            Combination(
                "all", tuple(clause_for(rng.choice(declared), customer, rng, passing=passing) for _ in range(8))
            )
            for _ in range(RULES)
        ]
        start = time.perf_counter()
        evaluate = compile_conditions(rules)
        print(f"compile {RULES} rules x {CLAUSES} clauses: {1_000 * (time.perf_counter() - start):.1f} ms")
        taken = microseconds(partial(evaluate, customer), 5_000)
        report(f"one customer, {RULES} x {CLAUSES}, {name}", taken, RULES * CLAUSES)
        taken = microseconds(partial(explain_all, rules, customer), 50)
        report("  the same explained", taken, RULES * CLAUSES)


def column_of(declared: Attribute, rng: np.random.Generator) -> Column:
    """Return a column in which one value in ten is missing."""
    missing = rng.random(ROWS) < 0.1
    if declared.type == "set":
        return SetColumn({card: rng.random(ROWS) < 0.1 for card in CARDS}, missing)
    if declared.type == "category":
        codes = np.where(missing, -1, rng.integers(0, len(declared.choices), ROWS)).astype(np.int32)
        return CategoryColumn(codes, declared.choices)
    low, high = declared.bounds or (0, 1)
    values = rng.uniform(low, high, ROWS) if declared.bounds else rng.integers(0, 2, ROWS).astype(np.float64)
    return NumberColumn(np.where(missing, np.nan, values))


def population(rng: np.random.Generator) -> None:
    parts = (
        Clause("credit_score", ">=", 680),
        Clause("debt_to_income", "between", (0.1, 2.5)),
        Clause("is_21_or_over", "is", True),
        Clause("state", "in", attribute("state").choices[:31]),
        Clause("cards_held", "contains_none_of", CARDS[:2]),
    )
    whole = Combination("all", (*parts[:3], Combination("any", parts[3:])))
    columns = {name: column_of(attribute(name), rng) for name in attributes_of(whole)}
    for part in parts:
        name = f"{ROWS:,} customers, {part.attribute} {part.op}"
        report(name, microseconds(partial(evaluate_many, part, columns), 20), 1)
    report(
        f"{ROWS:,} customers, {len(parts)} clauses",
        microseconds(partial(evaluate_many, whole, columns), 20),
        len(parts),
    )


if __name__ == "__main__":
    one_customer(random.Random(1))
    population(np.random.default_rng(1))
