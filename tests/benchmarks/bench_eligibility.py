"""The eligibility stage for one customer: 200 offers with 8 clauses each, nested, over attributes of every type; beside
zen-engine's compiled expressions of the same conditions, on the same customers, answers compared. No database.

A figure a clause divides by all clauses that are written, whether a short cut skipped them or not, on both sides. Times
are those of a clock on the wall; beside them stands the 99th percentile of processor time, which the rest of a busy
machine does not touch.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from offers.conditions import Condition, compile_failures, parse
from offers.register import Attribute, attributes
from tests.benchmarks.peers import process, zen_expressions

if TYPE_CHECKING:
    from decisioning.case import Case
    from decisioning.plan import Plan

OFFERS, CLAUSES, CUSTOMERS, WARM_UP = 200, 8, 3_000, 300
TARGET_MS = {"p50": 0.5, "p99": 1.0}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CARDS = tuple(f"card-{number}" for number in range(24))
PLACES = ("CH", "US", "4511", "5812")
DECLARED = attributes(use="rule")

Tree = dict[str, Any]
Customer = dict[str, Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Population:
    """`passing` is the chance that a clause holds of a known value, `missing` that a value is not known."""

    name: str
    passing: float
    missing: float


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds (N,) of one customer each: on the wall and of the processor."""

    wall: Floats
    processor: Floats

    @classmethod
    def of(cls, nanoseconds: list[tuple[int, int]]) -> Taken:
        return cls(*(np.array(nanoseconds, dtype=np.float64).T / 1e6))

    @property
    def is_within_target(self) -> bool:
        median, p99 = np.median(self.wall), np.percentile(self.processor, 99)
        return bool(median <= TARGET_MS["p50"] and p99 <= TARGET_MS["p99"])


POPULATIONS = (
    Population("most clauses hold", 0.9, 0.0),
    Population("every clause a coin", 0.5, 0.0),
    Population("a tenth is missing", 0.9, 0.1),
)


def clause(declared: Attribute, rng: random.Random, passing: float) -> Tree:
    """A clause that a random customer passes with about this chance where the attribute's type allows it."""
    name = declared.name
    if declared.bounds:
        low, high = declared.bounds
        share, width = rng.uniform(passing - 0.05, passing + 0.05), high - low
        op, value = rng.choice([(">=", high - share * width), ("<=", low + share * width)])
        whole = declared.type == "integer"
        return {"attribute": name, "op": op, "value": round(value) if whole else round(value, 4)}
    if declared.type == "boolean":
        return {"attribute": name, "op": "is", "value": rng.random() < 0.8}
    if declared.type == "set":
        op = rng.choice(["contains_none_of", "contains_any_of"])
        return {"attribute": name, "op": op, "value": rng.sample(CARDS, 4 if op == "contains_none_of" else 16)}
    choices = declared.choices or PLACES
    wanted = rng.sample(choices, max(1, round(passing * len(choices))))
    return {"attribute": name, "op": "in", "value": wanted}


def trees(rng: random.Random, passing: float) -> list[Tree]:
    """The conditions of one offer, eight clauses in all: one rule, or two."""
    c = [clause(declared, rng, passing) for declared in rng.sample(DECLARED, CLAUSES)]
    shapes: list[list[Tree]] = [
        [{"all": [c[0], c[1], {"any": [c[2], c[3]]}, {"any": [c[4], {"all": [c[5], c[6]]}]}, c[7]]}],
        [{"all": [c[0], c[1], c[2], {"any": [c[3], c[4]]}]}, {"all": [c[5], {"none": [{"none": [c[6], c[7]]}]}]}],
        [{"all": [{"none": [{"all": [c[0], {"none": [c[1]]}]}]}, c[2], c[3]]}, {"all": c[4:]}],
    ]
    return rng.choice(shapes)


def customer(rng: random.Random, missing: float) -> Customer:
    return {declared.name: None if rng.random() < missing else value(declared, rng) for declared in DECLARED}


def value(declared: Attribute, rng: random.Random) -> Any:
    if declared.bounds:
        low, high = declared.bounds
        return rng.randint(int(low), int(high)) if declared.type == "integer" else round(rng.uniform(low, high), 4)
    if declared.type == "boolean":
        return rng.random() < 0.8
    return rng.sample(CARDS, 3) if declared.type == "set" else rng.choice(declared.choices or PLACES)


def plan_of(rules: list[tuple[str, Tree]]) -> Plan:
    """A release of these rules (offer, condition), compiled as the engine does."""
    from decisioning.plan import compile_release
    from tests import catalogue

    content = catalogue.content(offers=OFFERS, creatives=1)
    content["rule"] = {
        f"rule-{number:04}": catalogue.rule(tree, scope="offer", target=offer)
        for number, (offer, tree) in enumerate(rules)
    }
    return compile_release(catalogue.release(content), None)


def case_of(plan: Plan, known: Customer) -> Case:
    from decisioning.case import Case
    from decisioning.types import DecisionRequest, Known

    request = DecisionRequest(1, "s", "mobile_app", "home_banner", 3, NOW)
    attributes = {name: held for name, held in known.items() if held is not None}
    facts = Known(attributes, {}, frozenset(), suppressed=False, contacts={}, stops=frozenset())
    return Case(request, facts, plan, None, 1, live=[True] * len(plan.offers))


def timed(run: Callable[[], Any]) -> tuple[Any, tuple[int, int]]:
    """What it returns, and the nanoseconds that it took: on the wall, of this thread's processor time."""
    started, worked = time.perf_counter_ns(), time.thread_time_ns()
    result = run()
    return result, (time.perf_counter_ns() - started, time.thread_time_ns() - worked)


def stage(plan: Plan, customers: list[Customer]) -> tuple[Taken, float]:
    """The whole stage for each customer, and the share of offers that she is eligible for."""
    from decisioning import eligibility

    taken, left = [], 0
    for known in [*customers[:WARM_UP], *customers]:
        case = case_of(plan, known)
        taken.append(timed(partial(eligibility.apply, case))[1])
        left += sum(case.live)
    return Taken.of(taken[WARM_UP:]), left / (len(taken) * len(plan.offers))


def conditions(rules: list[Condition], customers: list[Customer]) -> tuple[Taken, list[str]]:
    """The conditions alone for each customer, and which of them she passes."""
    evaluate = compile_failures(rules)
    taken, passed = [], []
    for known in [*customers[:WARM_UP], *customers]:
        failures, nanoseconds = timed(partial(evaluate, known))
        taken.append(nanoseconds)
        failed = {position for position, _ in failures}
        passed.append("".join("0" if position in failed else "1" for position in range(len(rules))))
    return Taken.of(taken[WARM_UP:]), passed[WARM_UP:]


def row(name: str, taken: Taken) -> float:
    """Print one line; returns the median in nanoseconds a clause."""
    median, p99 = np.percentile(taken.wall, (50, 99))
    each = float(1e6 * median / (OFFERS * CLAUSES))
    print(f"  {name:44}{median:9.3f}{p99:9.3f}{np.percentile(taken.processor, 99):11.3f}{each:12.1f}", flush=True)
    return each


def peer(rules: list[Condition], customers: list[Customer], passed: list[str], *, missing: bool) -> float:
    """The engine's three ways over the same; returns nanoseconds a clause of the best. Raises PeerFault."""
    write = zen_expressions.guarded if missing else zen_expressions.plain
    best = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work.json"
        work.write_text(json.dumps({"expressions": [write(rule) for rule in rules], "customers": customers}))
        script = Path(process.__file__).with_name("zen_peer.py")
        with process.started(script, "evaluate", work=work) as running:
            for way in ("an expression a rule", "one expression", "one expression, JSON"):
                answer = running.answer(way)
                best.append(row(f"zen-engine, {way}", Taken.of(answer["ns"])))
                differ = sum(one != other for one, other in zip(answer["passed"], passed, strict=True))
                if differ:
                    raise SystemExit(f"answers differ for {differ} of {len(customers)} customers")
    return min(best)


def measure(population: Population, rng: random.Random) -> bool:
    """One population; whether the stage is within its target and no clause slower than the peer's."""
    written = [(f"offer-{n}", tree) for n in range(OFFERS) for tree in trees(rng, population.passing)]
    rules = [parse(tree) for _, tree in written]
    customers = [customer(rng, population.missing) for _ in range(CUSTOMERS)]
    whole, share = stage(plan_of(written), customers)
    print(f"{population.name}: {OFFERS} offers x {CLAUSES} clauses, {len(rules)} rules, {100 * share:.0f} % eligible")
    row("eligibility stage, refusals recorded", whole)
    taken, passed = conditions(rules, customers)
    mine, theirs = row("  of it the conditions", taken), float("inf")
    if process.is_set_up():
        try:
            theirs = peer(rules, customers, passed, missing=population.missing > 0)
            print(f"  the same answers; a clause takes {mine / theirs:.2f} of the time of zen-engine's best")
        except process.PeerFault as fault:
            print(f"  zen-engine is left out: {fault}")
    return whole.is_within_target and mine <= theirs


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    import django

    django.setup()
    if not process.is_set_up():
        print("zen-engine is not set up beside us, so its figures are left out: make peers")
    print(f"{'milliseconds for one customer':46}{'p50':>9}{'p99':>9}{'p99 of CPU':>11}{'ns/clause':>12}")
    rng = random.Random(1)
    within = [measure(population, rng) for population in POPULATIONS]
    limits = " and ".join(f"{name} {limit} ms" for name, limit in TARGET_MS.items())
    print(f"the stage is {'within' if all(within) else 'NOT within'} {limits}, and no clause slower than the peer's")
    if not all(within):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
