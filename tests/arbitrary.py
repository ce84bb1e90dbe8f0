"""Arbitrary conditions and customers over the whole register, for Hypothesis."""

import math
from typing import Any

from hypothesis import strategies as st

from offers.conditions import Condition, attributes_of
from offers.conditions.grammar import JOINERS, OPERATORS
from offers.register import Attribute, attribute, attributes

Tree = dict[str, Any]
Customer = dict[str, object]


def clause(name: str, op: str, value: object = None) -> Tree:
    return {"attribute": name, "op": op} | ({} if value is None else {"value": value})


# Few values, so that clauses and customers meet on the same ones.
FEW: dict[str, st.SearchStrategy[Any]] = {
    "number": st.sampled_from([0, 0.25, 0.5, 1, 300, 680.5, 850]),
    "integer": st.integers(0, 3),
    "boolean": st.booleans(),
    "set": st.sampled_from(["travel-gold", "cash-one", "student"]),
}


def one_value(declared: Attribute) -> st.SearchStrategy[Any]:
    """Of an attribute's type and within its bounds; of numbers also any other than the few."""
    if declared.type == "category":
        return st.sampled_from(declared.choices[:4] or ("CH", "US", "4511"))
    if declared.bounds is None:
        return FEW[declared.type]
    low, high = declared.bounds
    few = FEW[declared.type].map(lambda value: min(max(value, low), high))
    return few | (st.integers(int(low), int(high)) if declared.type == "integer" else st.floats(low, high))


@st.composite
def clause_trees(draw: st.DrawFn) -> Tree:
    declared = draw(st.sampled_from(attributes(use="rule")))
    op = draw(st.sampled_from(OPERATORS[declared.type]))
    if op in ("is_known", "is_missing"):
        return clause(declared.name, op)
    if op == "between":
        return clause(declared.name, op, sorted(draw(st.tuples(one_value(declared), one_value(declared)))))
    if op in ("in", "not_in") or op.endswith("_of"):
        return clause(declared.name, op, draw(st.lists(one_value(declared), min_size=1, max_size=3, unique=True)))
    return clause(declared.name, op, draw(one_value(declared)))


TREES = st.recursive(
    clause_trees(),
    lambda parts: st.builds(
        lambda joiner, items: {joiner: items}, st.sampled_from(JOINERS), st.lists(parts, min_size=1, max_size=3)
    ),
    max_leaves=8,
)
MISSING = st.sampled_from([None, math.nan])


@st.composite
def customers_for(draw: st.DrawFn, *conditions: Condition) -> list[Customer]:
    """Customers with a value, None, NaN or nothing at all for what the conditions read."""
    names = frozenset[str]().union(*(attributes_of(condition) for condition in conditions))
    customers: list[Customer] = []
    for _ in range(draw(st.integers(1, 6))):
        customer: Customer = {}
        for name in sorted(names):
            declared = attribute(name)
            known = one_value(declared)
            if declared.type == "set":
                known = st.frozensets(known)
            if draw(st.integers(0, 4)):
                customer[name] = draw(known if draw(st.integers(0, 4)) else MISSING)
        customers.append(customer)
    return customers
