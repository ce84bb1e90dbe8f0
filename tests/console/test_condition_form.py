"""The condition editor: what it shows is what it reads back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.studio import condition_form
from console.studio.condition_form import Node, Tree
from offers.conditions.grammar import InvalidCondition, parse, to_json

CLAUSES: tuple[Tree, ...] = (
    {"attribute": "credit_score", "op": ">=", "value": 680},
    {"attribute": "debt_to_income", "op": "between", "value": [0.1, 0.4]},
    {"attribute": "state", "op": "in", "value": ["CA", "NY"]},
    {"attribute": "cards_held", "op": "contains_none_of", "value": ["travel-gold", "cashback"]},
    {"attribute": "is_21_or_over", "op": "is", "value": True},
    {"attribute": "credit_rating", "op": "=", "value": "low"},
    {"attribute": "tenure_months", "op": "is_known"},
)
trees = st.recursive(
    st.sampled_from(CLAUSES),
    lambda parts: st.builds(
        lambda joiner, group: {joiner: group}, st.sampled_from(["all", "any", "none"]), st.lists(parts, min_size=1)
    ),
    max_leaves=8,
)


def posted(node: Node) -> dict[str, str]:
    """The fields that a browser would send back."""
    if node.parts is None:
        fields = {"attribute": node.attribute, "op": node.op, "value": node.value}
        return {f"c.{node.path}.{name}": value for name, value in fields.items()}
    sent = {f"c.{node.path}.joiner": node.joiner}
    for part in node.parts:
        sent |= posted(part)
    return sent


@given(trees)
def test_a_condition_survives_the_form(tree: Tree) -> None:
    group = condition_form.as_group(tree)
    assert condition_form.read(posted(condition_form.node(group))) == group


@given(trees)
def test_what_the_form_reads_of_a_good_condition_is_good(tree: Tree) -> None:
    group = condition_form.as_group(tree)
    try:
        expected = to_json(parse(group))
    except InvalidCondition:  # deeper than the grammar allows
        return
    assert to_json(parse(condition_form.read(posted(condition_form.node(group))))) == expected


@pytest.mark.parametrize(
    ("command", "left"),
    [
        ("clause:0", {"all": [1, 2, 1]}),
        ("remove:0-1", {"all": [1]}),
        ("remove:0", {"all": [1, 2]}),
        ("remove:0-7", {"all": [1, 2]}),
        ("group:0-0", {"all": [1, 2]}),
        ("clause:../../etc", {"all": [1, 2]}),
        ("", {"all": [1, 2]}),
    ],
)
def test_commands_change_the_tree_and_nonsense_does_not(command: str, left: dict[str, list[int]]) -> None:
    one, two = condition_form.START["all"][0], CLAUSES[1]
    result: Any = condition_form.edited({"all": [dict(one), dict(two)]}, command)
    assert result == {"all": [{1: one, 2: two}[place] for place in left["all"]]}


def test_the_last_condition_of_a_group_stays() -> None:
    assert condition_form.edited({"all": [CLAUSES[0]]}, "remove:0-0") == {"all": [CLAUSES[0]]}


def test_a_share_may_be_written_as_per_cent() -> None:
    fields = {"c.0.attribute": "debt_to_income", "c.0.op": "<=", "c.0.value": "40 %"}
    assert condition_form.read(fields)["value"] == pytest.approx(0.4)


def test_another_attribute_brings_an_operator_that_fits_it() -> None:
    fields = {"c.0.attribute": "state", "c.0.op": ">=", "c.0.value": "680"}
    assert condition_form.read(fields)["op"] == "="


def test_a_fault_stands_at_its_own_clause() -> None:
    tree: Tree = {"all": [CLAUSES[0], {"any": [{"attribute": "credit_score", "op": ">=", "value": "many"}]}]}
    with pytest.raises(InvalidCondition) as refused:
        parse(tree)
    shown = condition_form.node(tree, refused.value.faults)
    assert shown.parts is not None
    group = shown.parts[1]
    assert group.parts is not None
    assert not shown.parts[0].fault
    assert "number" in group.parts[0].fault
