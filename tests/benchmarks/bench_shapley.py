"""Exact Shapley of 12 rules on 1,000,000 customers, from who fails what: counting the patterns by group, then rules and
their clauses; beside the floor, which is one bincount of ready codes. Numbers only, no database.

Run: python -m tests.benchmarks.bench_shapley
"""

import os
import time
from collections.abc import Callable

import numpy as np

CUSTOMERS, RULES, GROUPS, TIMES = 1_000_000, 12, 4, 7


def seconds(run: Callable[[], object]) -> float:
    """The median."""
    taken = []
    for _ in range(TIMES):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def main() -> None:
    from fairness.causes.attribution import Attribution, attribute
    from fairness.causes.failures import Failures, Part, patterns
    from fairness.dataset import Grouping
    from offers.conditions.grammar import Clause

    random = np.random.default_rng(1)
    groups = random.choice(GROUPS, CUSTOMERS, p=[0.46, 0.24, 0.24, 0.06]).astype(np.int16)
    refusal = random.uniform(0.03, 0.3, RULES)
    failed = random.random((CUSTOMERS, RULES)) < np.where(groups[:, np.newaxis] == 1, 1.3, 1.0) * refusal
    grouping = Grouping(groups, tuple(f"group {number}" for number in range(GROUPS)))
    owners = [f"rule {number}" for number in range(RULES)]
    parts = tuple(Part(owner, Clause("credit_score", "is_known")) for owner in owners)

    def counted() -> Failures:
        return Failures(np.arange(CUSTOMERS), parts, *patterns(failed), left_out=())

    def attributed() -> Attribution:
        made = counted()
        people = made.people(grouping)
        return attribute(owners, owners, made.patterns, ("group 1", people[:, 1]), ("group 0", people[:, 0]))

    codes = failed.astype(np.int64) @ (1 << np.arange(RULES)) * GROUPS + groups
    floor, counting, whole = (
        seconds(run) for run in (lambda: np.bincount(codes, minlength=GROUPS << RULES), counted, attributed)
    )
    made = counted()
    people = made.people(grouping)
    alone = seconds(
        lambda: attribute(owners, owners, made.patterns, ("group 1", people[:, 1]), ("group 0", people[:, 0]))
    )
    found = attributed()
    assert found.exact
    assert abs(sum(rule.shapley for rule in found.rules) - found.ln_ratio) < 1e-9
    print(f"{CUSTOMERS:,} customers, {RULES} rules, {len(made.patterns):,} patterns, AIR {np.exp(found.ln_ratio):.3f}")
    for name, taken in (
        ("floor: one bincount of ready codes", floor), ("patterns from who fails what", counting),
        ("exact Shapley from the patterns", alone), ("both: what the issue asks 1 s for", whole),
    ):  # fmt: skip
        print(f"{name:<40} {1000 * taken:8.1f} ms  {taken / floor:6.1f} x the floor")


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    django.setup()
    main()
