"""Claims about the rule language: its faults, its three-valued logic, its speed paths' agreement and its English."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offers.conditions import (
    Clause,
    ClauseResult,
    Combination,
    InvalidCondition,
    attributes_of,
    clauses,
    compile_condition,
    compile_conditions,
    compile_failures,
    explain,
    parse,
    to_json,
    trace,
)
from offers.conditions.describe import clause_lines, difference, sentence, would_pass_if
from offers.conditions.grammar import MAX_CLAUSES, MAX_DEPTH, OPERATORS
from offers.conditions.vectorise import CategoryColumn, columns_from_rows, evaluate_many
from offers.register import Attribute, attributes
from tests.arbitrary import TREES, Tree, clause, customers_for

SCORE = clause("credit_score", ">=", 680)
DEBT = clause("debt_to_income", "<=", 0.4)
STATE = clause("state", "in", ["CA", "NY"])
HELD = clause("cards_held", "contains_none_of", ["travel-gold"])
ADULT = clause("is_21_or_over", "is", True)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_compiled_traced_and_vectorised_evaluation_agree(data: st.DataObject) -> None:
    condition = parse(data.draw(TREES))
    customers = data.draw(customers_for(condition))
    compiled = compile_condition(condition)
    one_by_one = [compiled(customer) for customer in customers]
    assert [explain(condition, customer).passed for customer in customers] == one_by_one
    columns = columns_from_rows(customers, attributes_of(condition))
    as_codes = [{True: 1, False: 0, None: -1}[result] for result in one_by_one]
    assert evaluate_many(condition, columns).tolist() == as_codes


@settings(max_examples=200, deadline=None)
@given(tree=TREES)
def test_json_round_trip_keeps_the_condition(tree: Tree) -> None:
    condition = parse(tree)
    assert parse(to_json(condition)) == condition
    assert to_json(condition) == tree


@settings(max_examples=200, deadline=None)
@given(tree=TREES)
def test_every_valid_condition_reads_in_english(tree: Tree) -> None:
    condition = parse(tree)
    assert "{" not in sentence(condition)
    lines = clause_lines(condition)
    assert len([line for line in lines if line.text not in ("all of", "any of", "none of")]) == len(
        list(clauses(condition))
    )
    assert {line.kind for line in difference(condition, condition)} == {"same"}


# Faults


@pytest.mark.parametrize(
    ("tree", "path", "code"),
    [
        ("credit_score >= 680", "", "malformed"),
        ({}, "", "malformed"),
        ({"all": [SCORE], "any": [DEBT]}, "", "malformed"),
        ({"all": SCORE}, "/all", "malformed"),
        ({"all": []}, "/all", "empty_group"),
        ({"any": [SCORE, {"none": []}]}, "/any/1/none", "empty_group"),
        (clause("gender", "=", "F"), "/attribute", "protected_attribute"),
        (clause("credit_scor", ">=", 680), "/attribute", "unknown_attribute"),
        ({"attribute": 3, "op": "="}, "/attribute", "malformed"),
        (SCORE | {"note": "x"}, "/note", "unknown_key"),
        (clause("credit_score", "in", [1]), "/op", "wrong_operator"),
        (clause("revolving", "=", True), "/op", "wrong_operator"),
        ({"attribute": "credit_score"}, "/op", "wrong_operator"),
        ({"attribute": "credit_score", "op": ["="]}, "/op", "wrong_operator"),
        (clause("credit_score", ">="), "/value", "missing_value"),
        (clause("credit_score", "is_known", 1), "/value", "unexpected_value"),
        (clause("credit_score", ">=", "680"), "/value", "wrong_type"),
        (clause("credit_score", ">=", True), "/value", "wrong_type"),
        (clause("credit_score", ">=", math.nan), "/value", "wrong_type"),
        (clause("credit_score", ">=", math.inf), "/value", "wrong_type"),
        (clause("credit_score", ">=", 10**400), "/value", "implausible_value"),
        (clause("debt_to_income", "<=", 40), "/value", "implausible_value"),
        (clause("tenure_months", ">=", 1.5), "/value", "wrong_type"),
        (clause("credit_score", "between", [700]), "/value", "wrong_type"),
        (clause("credit_score", "between", [700, "x"]), "/value/1", "wrong_type"),
        (clause("credit_score", "between", [700, 600]), "/value", "empty_range"),
        (clause("revolving", "is", 1), "/value", "wrong_type"),
        (clause("state", "in", ["CA", "XX"]), "/value/1", "unknown_choice"),
        (clause("state", "in", []), "/value", "wrong_type"),
        (clause("state", "in", ["CA", "CA"]), "/value", "duplicate_value"),
        (clause("state", "=", ["CA"]), "/value", "wrong_type"),
        (clause("cards_held", "contains", ["travel-gold"]), "/value", "wrong_type"),
        (clause("cards_held", "contains_any_of", "travel-gold"), "/value", "wrong_type"),
    ],
)
def test_a_fault_names_its_place_and_kind(tree: object, path: str, code: str) -> None:
    with pytest.raises(InvalidCondition) as invalid:
        parse(tree)
    assert [(fault.path, fault.code) for fault in invalid.value.faults] == [(path, code)]


def test_all_faults_are_reported_at_once() -> None:
    tree = {"all": [clause("gender", "=", "F"), SCORE, {"any": [clause("state", "in", ["XX"]), {"all": []}]}]}
    with pytest.raises(InvalidCondition) as invalid:
        parse(tree)
    assert [fault.path for fault in invalid.value.faults] == [
        "/all/0/attribute",
        "/all/2/any/0/value/0",
        "/all/2/any/1/all",
    ]


def test_a_protected_attribute_is_refused_with_its_citation() -> None:
    with pytest.raises(InvalidCondition, match="15 USC 1691"):
        parse({"all": [SCORE, clause("marital_status", "=", "single")]})


def test_an_attribute_is_refused_for_a_use_that_the_register_does_not_allow() -> None:
    assert parse(ADULT, use="rule") == Clause("is_21_or_over", "is", True)
    with pytest.raises(InvalidCondition) as invalid:
        parse(ADULT, use="arm")
    assert invalid.value.faults[0].code == "not_usable"


def in_groups(tree: Tree, depth: int) -> Tree:
    for _ in range(depth):
        tree = {"all": [tree]}
    return tree


def test_depth_is_limited() -> None:
    assert attributes_of(parse(in_groups(SCORE, MAX_DEPTH))) == {"credit_score"}
    for depth in (MAX_DEPTH + 1, 5_000):
        with pytest.raises(InvalidCondition) as invalid:
            parse(in_groups(SCORE, depth))
        assert [fault.code for fault in invalid.value.faults] == ["too_deep"]


def test_the_number_of_clauses_is_limited() -> None:
    assert len(list(clauses(parse({"all": [SCORE] * MAX_CLAUSES})))) == MAX_CLAUSES
    with pytest.raises(InvalidCondition) as invalid:
        parse({"all": [SCORE] * (MAX_CLAUSES + 1)})
    assert [fault.code for fault in invalid.value.faults] == ["too_many_clauses"]


def test_equal_numbers_give_equal_conditions() -> None:
    assert to_json(parse(clause("credit_score", ">=", 680.0))) == SCORE
    assert type(to_json(parse(clause("credit_score", ">=", 680.0)))["value"]) is int


# Three-valued logic


TRUE, FALSE, UNKNOWN = {"credit_score": 700}, {"credit_score": 600}, {"credit_score": None}


@pytest.mark.parametrize(
    ("joiner", "first", "second", "expected"),
    [
        ("all", True, True, True), ("all", True, False, False), ("all", True, None, None),
        ("all", False, None, False), ("all", None, None, None), ("all", False, False, False),
        ("any", True, True, True), ("any", True, False, True), ("any", True, None, True),
        ("any", False, None, None), ("any", None, None, None), ("any", False, False, False),
        ("none", True, True, False), ("none", True, False, False), ("none", True, None, False),
        ("none", False, None, None), ("none", None, None, None), ("none", False, False, True),
    ],
)  # fmt: skip
def test_groups_follow_kleene(joiner: str, first: bool | None, second: bool | None, expected: bool | None) -> None:
    condition = parse({joiner: [clause("revolving", "is", True), clause("owns_home", "is", True)]})
    for one, other in ((first, second), (second, first)):
        customer = {"revolving": one, "owns_home": other}
        assert compile_condition(condition)(customer) is expected
        assert explain(condition, customer).passed is expected


@pytest.mark.parametrize(
    ("tree", "value", "expected"),
    [
        (clause("credit_score", "=", 680), 680.0, True),
        (clause("credit_score", "=", 680), 681, False),
        (clause("credit_score", "!=", 680), 680, False),
        (clause("credit_score", "!=", 680), 681, True),
        (clause("credit_score", "<", 680), 680, False),
        (clause("credit_score", "<=", 680), 680, True),
        (clause("credit_score", ">", 680), 680, False),
        (clause("credit_score", ">=", 680), 680, True),
        (clause("credit_score", ">=", 680), 679.99, False),
        (clause("credit_score", "between", [600, 680]), 600, True),
        (clause("credit_score", "between", [600, 680]), 680, True),
        (clause("credit_score", "between", [600, 680]), 680.5, False),
        (clause("revolving", "is", False), False, True),
        (clause("revolving", "is", False), 1.0, False),
        (clause("state", "=", "CA"), "CA", True),
        (clause("state", "!=", "CA"), "CA", False),
        (STATE, "NY", True),
        (STATE, "TX", False),
        (clause("state", "not_in", ["CA"]), "TX", True),
        (clause("state", "not_in", ["CA"]), "CA", False),
        (clause("cards_held", "contains", "a"), {"a", "b"}, True),
        (clause("cards_held", "contains", "a"), [], False),
        (clause("cards_held", "contains_none_of", ["a", "c"]), {"b"}, True),
        (clause("cards_held", "contains_none_of", ["a", "c"]), ["a"], False),
        (clause("cards_held", "contains_any_of", ["a", "c"]), {"c"}, True),
        (clause("cards_held", "contains_any_of", ["a", "c"]), set(), False),
        (clause("cards_held", "contains_all_of", ["a", "c"]), ["a", "b", "c"], True),
        (clause("cards_held", "contains_all_of", ["a", "c"]), {"a"}, False),
        (clause("cards_held", "is_known"), [], True),
        (clause("credit_score", "is_missing"), 680, False),
    ],
)
def test_each_operator_on_a_value(tree: Tree, value: object, expected: bool) -> None:
    condition = parse(tree)
    customer = {tree["attribute"]: value}
    assert compile_condition(condition)(customer) is expected
    assert explain(condition, customer).passed is expected
    assert evaluate_many(condition, columns_from_rows([customer])).tolist() == [int(expected)]


@pytest.mark.parametrize("declared", attributes(use="rule"), ids=lambda declared: declared.name)
@pytest.mark.parametrize("customer_value", [None, math.nan, np.float64("nan"), "absent"])
def test_only_is_known_and_is_missing_answer_on_a_missing_value(declared: Attribute, customer_value: object) -> None:
    customer = {} if customer_value == "absent" else {declared.name: customer_value}
    assert compile_condition(Clause(declared.name, "is_known"))(customer) is False
    assert compile_condition(Clause(declared.name, "is_missing"))(customer) is True
    for op in OPERATORS[declared.type][:-2]:
        value = (1, 2) if op == "between" else ("x",) if op in ("in", "not_in") or op.endswith("_of") else "x"
        number = declared.type in ("number", "integer", "boolean") and op != "between"
        condition = Clause(declared.name, op, 1 if number else value)
        assert compile_condition(condition)(customer) is None
        assert explain(condition, customer).passed is None


def test_rules_compiled_together_answer_as_alone() -> None:
    rules = [parse(tree) for tree in (SCORE, {"all": [SCORE, DEBT]}, {"none": [HELD, STATE]}, ADULT)]
    customer = {"credit_score": 700, "debt_to_income": 0.5, "cards_held": ["travel-gold"], "state": "TX"}
    together = compile_conditions(rules)(customer)
    assert together == tuple(compile_condition(rule)(customer) for rule in rules) == (True, False, True, None)
    assert compile_conditions([])(customer) == ()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_failures_are_the_results_that_are_not_true_in_their_order(data: st.DataObject) -> None:
    """Also where a condition stands there several times, which is then evaluated once."""
    written = data.draw(st.lists(TREES, min_size=1, max_size=4))
    rules = [parse(tree) for tree in data.draw(st.lists(st.sampled_from(written), max_size=8))]
    for customer in data.draw(customers_for(*map(parse, written))):
        results = compile_conditions(rules)(customer)
        expected = [(position, passed) for position, passed in enumerate(results) if passed is not True]
        assert compile_failures(rules)(customer) == expected


def test_text_of_an_author_never_becomes_code() -> None:
    text = "') or __import__('os').abort() or ('"
    condition = parse(clause("cards_held", "contains", text))
    assert compile_condition(condition)({"cards_held": [text]}) is True
    assert compile_condition(condition)({"cards_held": ["x"]}) is False


def test_the_trace_holds_every_clause_though_the_first_one_decides() -> None:
    condition = parse({"all": [SCORE, {"any": [STATE, HELD]}]})
    assert trace(condition, {"credit_score": 655, "cards_held": {"b", "a"}}) == [
        ClauseResult("/all/0", "credit_score", ">=", 680, 655, False),
        ClauseResult("/all/1/any/0", "state", "in", ("CA", "NY"), None, None),
        ClauseResult("/all/1/any/1", "cards_held", "contains_none_of", ("travel-gold",), ("a", "b"), True),
    ]


# Populations


def test_an_attribute_without_a_column_is_missing_for_everybody() -> None:
    columns = columns_from_rows([TRUE, FALSE, UNKNOWN])
    assert evaluate_many(parse({"all": [SCORE, ADULT]}), columns).tolist() == [-1, 0, -1]
    assert evaluate_many(parse(clause("state", "is_missing")), columns).tolist() == [1, 1, 1]


def test_a_column_of_the_wrong_kind_is_refused() -> None:
    columns = {"credit_score": CategoryColumn(np.array([0, -1]), ("x",))}
    with pytest.raises(TypeError, match="credit_score is a number"):
        evaluate_many(parse(SCORE), columns)
    with pytest.raises(ValueError, match="no column"):
        evaluate_many(parse(SCORE), {})


# English


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"all": [SCORE, DEBT]}, "credit score is at least 680 and debt to income is at most 40 %"),
        (clause("debt_to_income", ">", 0.07), "debt to income is above 7 %"),
        (clause("balance", "between", [-50.5, 15000]), "balance is between -50.5 and 15,000"),
        (clause("tenure_months", "<", 1), "time with the bank is below 1 month"),
        (clause("lifecycle_stage", "!=", "at_risk"), "lifecycle stage is other than at risk"),
        (clause("credit_score_band", "in", ["580_669", "800_up"]), "credit score band is one of 580 to 669, 800 up"),
        (HELD, "cards held do not include travel-gold"),
        (clause("cards_held", "contains_all_of", ["a", "b"]), "cards held include all of a, b"),
        (clause("is_21_or_over", "is", False), "the customer is under 21"),
        (clause("credit_score", "is_missing"), "credit score is not known"),
        ({"none": [SCORE, ADULT]}, "credit score is below 680 and the customer is under 21"),
        (
            {"all": [SCORE, {"any": [STATE, ADULT]}]},
            "credit score is at least 680, "
            "and either state of residence is one of CA, NY, or the customer is 21 or over",
        ),
        (
            {"none": [{"all": [SCORE, ADULT]}, DEBT]},
            "either credit score is below 680 or the customer is under 21, and debt to income is above 40 %",
        ),
        (
            clause("state", "in", ["CA", "NY", "TX", "WA", "OR", "NV", "UT"]),
            "state of residence is one of CA, NY, TX, WA and 3 more",
        ),
    ],
)
def test_a_condition_reads_as_a_sentence(tree: Tree, text: str) -> None:
    assert sentence(parse(tree)) == text


def test_lines_keep_the_shape_of_the_condition() -> None:
    assert clause_lines(parse({"all": [SCORE, {"none": [HELD]}]})) == [
        (0, "", "all of"),
        (1, "all", "credit score is at least 680"),
        (1, "all", "none of"),
        (2, "none", "cards held do not include travel-gold"),
    ]


def test_a_difference_shows_what_changed_and_what_stayed() -> None:
    old = parse({"all": [SCORE, DEBT, HELD]})
    new = parse({"all": [HELD, SCORE | {"value": 700}, ADULT]})
    assert difference(old, new) == [
        ("same", "", 0, "all of", "all of"),
        ("removed", "all", 1, "debt to income is at most 40 %", None),
        ("same", "all", 1, "cards held do not include travel-gold", "cards held do not include travel-gold"),
        ("changed", "all", 1, "credit score is at least 680", "credit score is at least 700"),
        ("added", "all", 1, None, "the customer is 21 or over"),
    ]


def test_a_difference_shows_a_changed_joiner_and_nested_changes() -> None:
    old = parse({"all": [SCORE, {"any": [STATE, ADULT]}]})
    new = parse({"any": [SCORE, {"any": [STATE | {"value": ["CA"]}, ADULT]}]})
    assert [(line.kind, line.depth) for line in difference(old, new)] == [
        ("changed", 0), ("same", 1), ("same", 1), ("changed", 2), ("same", 2),
    ]  # fmt: skip


def test_a_first_version_is_all_additions_and_a_second_clause_is_one() -> None:
    assert {line.kind for line in difference(None, parse({"all": [SCORE, DEBT]}))} == {"added"}
    grown = difference(parse(SCORE), parse({"all": [SCORE, DEBT]}))
    assert [line.kind for line in grown] == ["same", "same", "added"]


def test_reordering_is_no_change() -> None:
    lines = difference(parse({"all": [SCORE, DEBT, STATE]}), parse({"all": [STATE, SCORE, DEBT]}))
    assert {line.kind for line in lines} == {"same"}


@pytest.mark.parametrize(
    ("tree", "customer", "text"),
    [
        (SCORE, {"credit_score": 655}, "needs at least 680, has 655"),
        (SCORE, {"credit_score": 679.999}, "needs at least 680, has 679.999"),
        (SCORE, {"credit_score": 654.98765}, "needs at least 680, has 654.99"),
        (SCORE, {}, "needs at least 680, which is not known"),
        (DEBT, {"debt_to_income": 1 / 3 + 0.2}, "needs at most 40 %, has 53.33 %"),
        (STATE, {"state": "TX"}, "needs one of CA, NY, has TX"),
        (HELD, {"cards_held": {"travel-gold", "cash"}}, "needs none of travel-gold, has cash, travel-gold"),
        (clause("cards_held", "contains", "a"), {"cards_held": []}, "needs a, has none"),
        (ADULT, {"is_21_or_over": False}, "needs yes, has no"),
        ({"none": [SCORE]}, {"credit_score": 700}, "needs below 680, has 700"),
        ({"none": [ADULT]}, {"is_21_or_over": True}, "needs no, has yes"),
        ({"none": [{"none": [SCORE]}]}, {"credit_score": 655}, "needs at least 680, has 655"),
        (clause("credit_score", "is_missing"), {"credit_score": 700}, "needs no value, has 700"),
    ],
)
def test_what_would_have_to_change_is_said(tree: Tree, customer: dict[str, object], text: str) -> None:
    assert would_pass_if(trace(parse(tree), customer)[0]) == text


def test_a_combination_is_hashable_so_that_releases_can_share_it() -> None:
    assert hash(parse({"all": [SCORE, DEBT]})) == hash(Combination("all", (parse(SCORE), parse(DEBT))))
