"""zen-engine as the peer of the eligibility benchmark: runs under .venv-peers only, imports nothing of Candor, answers
in JSON lines.

Compiled expressions, evaluated in process from Python, in the three ways that its interface offers: one expression a
rule; one expression that is the list of all rules, so that a customer crosses to the engine once; and the same given
the customer as JSON text, which spares the engine the reading of a Python dictionary. The caller takes the fastest.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zen

Results = list[bool]
Customer = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["evaluate"])
    parser.add_argument("--work", type=Path, required=True)
    work = json.loads(parser.parse_args().work.read_text())
    customers: list[Customer] = work["customers"]
    alone = [zen.compile_expression(text) for text in work["expressions"]]
    whole = zen.compile_expression(f"[{', '.join(work['expressions'])}]")
    texts = [json.dumps(customer).encode() for customer in customers]
    tell("an expression a rule", customers, lambda customer: [rule.evaluate(customer) for rule in alone])
    tell("one expression", customers, whole.evaluate)
    tell("one expression, JSON", texts, whole.evaluate)


def tell(way: str, customers: list[Any], evaluate: Callable[[Any], Results]) -> None:
    """Print the nanoseconds of each customer (on the wall, of the processor) and which rules she passes."""
    for customer in customers[:200]:
        evaluate(customer)
    taken, passed = [], []
    for customer in customers:
        started, worked = time.perf_counter_ns(), time.thread_time_ns()
        results = evaluate(customer)
        taken.append((time.perf_counter_ns() - started, time.thread_time_ns() - worked))
        passed.append("".join("1" if result else "0" for result in results))
    print(json.dumps({"step": way, "ns": taken, "passed": passed}), flush=True)


if __name__ == "__main__":
    main()
