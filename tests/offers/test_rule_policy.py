"""What a rule may say beside its condition: tests, dates, a jurisdiction; and what data it may read for whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from decisioning.plan import compile_release
from offers import golden, purposes, snapshot
from offers.catalog import InvalidContent, Item, faults_of, requirement
from offers.conditions.evaluate import explain
from offers.conditions.grammar import KNOWN_OPERATORS, OPERATORS, parse
from offers.register import ATTRIBUTES, Attribute
from offers.types import in_force
from tests import catalogue

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SCORE: dict[str, Any] = {"attribute": "credit_score", "op": ">=", "value": 700}
DEBT: dict[str, Any] = {"attribute": "debt_to_income", "op": "<=", "value": 0.4}


def rule(when: dict[str, Any] = SCORE, **changes: Any) -> dict[str, Any]:
    return {**catalogue.rule(when), **changes}


def codes(content: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.path, fault.code) for fault in faults_of(Item("rule", "floor", content))]


def test_golden_tests_that_hold_pass_and_others_are_named() -> None:
    tests = [
        {"name": "at the floor", "customer": {"credit_score": 700}, "expect": "eligible"},
        {"name": "below it", "customer": {"credit_score": 699}, "expect": "refused"},
        {"name": "unknown", "customer": {}, "expect": "data_missing"},
    ]
    assert codes(rule(tests=tests)) == []
    assert all(test.passed for test in golden.run(requirement(rule()), tests))
    moved = rule({**SCORE, "value": 720}, tests=tests)
    assert codes(moved) == [("/rule/floor/tests/0", "golden_test")]
    (fault,) = faults_of(Item("rule", "floor", moved))
    assert fault.message == "at the floor: must be eligible, and is refused"


@pytest.mark.parametrize(
    ("customer", "code"),
    [
        ({"gender": "female"}, "unknown_attribute"),
        ({"credit_scores": 1}, "unknown_attribute"),
        ({"credit_score": "many"}, "wrong_type"),
        ({"credit_score": True}, "wrong_type"),
        ({"cards_held": "travel"}, "wrong_type"),
        ({"cards_held": [1]}, "wrong_type"),
    ],
)
def test_a_golden_test_of_nonsense_is_refused_by_name(customer: dict[str, Any], code: str) -> None:
    name = next(iter(customer))
    tests = [{"name": "odd", "customer": customer, "expect": "eligible"}]
    assert codes(rule(tests=tests)) == [(f"/rule/floor/tests/0/customer/{name}", code)]


def test_suggested_tests_stand_at_the_limits_and_hold() -> None:
    when = requirement(
        rule({"all": [SCORE, DEBT, {"attribute": "cards_held", "op": "contains_none_of", "value": ["x"]}]})
    )
    suggested = golden.suggest(when)
    assert {test["expect"] for test in suggested} == {"eligible", "refused", "data_missing"}
    assert [test["customer"].get("credit_score") for test in suggested[:3]] == [700, 699, None]
    assert list(golden.faults_of(when, suggested, "")) == []
    moved = requirement(rule({"all": [{**SCORE, "value": 690}, DEBT]}))
    assert next(fault.path for fault in golden.faults_of(moved, suggested, "")) == "/1"


@pytest.mark.parametrize("declared", ATTRIBUTES.values(), ids=lambda declared: declared.name)
def test_tests_are_suggested_for_every_attribute_and_operator(declared: Attribute) -> None:
    for op in OPERATORS[declared.type]:
        when = parse(clause_on(declared, op))
        suggested = golden.suggest(when)
        assert suggested
        assert list(golden.faults_of(when, suggested, "")) == []


def clause_on(declared: Attribute, op: str) -> dict[str, Any]:
    if op in KNOWN_OPERATORS:
        return {"attribute": declared.name, "op": op}
    low, high = declared.bounds or (0, 10)
    text = (*declared.choices, "x")[0]
    value: Any = {"number": low, "integer": int(low), "boolean": True, "category": text, "set": text}[declared.type]
    if op == "between":
        value = [low, high]
    elif op in ("in", "not_in", "contains_none_of", "contains_any_of", "contains_all_of"):
        value = [text]
    return {"attribute": declared.name, "op": op, "value": value}


@pytest.mark.parametrize(
    ("customer", "passed"),
    [
        ({"state": "NJ", "credit_score": 690}, False),
        ({"state": "NJ", "credit_score": 710}, True),
        ({"state": "NJ"}, None),
        ({"state": "TX", "credit_score": 300}, True),
        ({"state": "TX"}, True),
        ({"credit_score": 710}, True),
        ({"credit_score": 690}, None),
        ({}, None),
    ],
)
def test_a_jurisdiction_concerns_its_residents_and_those_of_unknown_residence(
    customer: dict[str, Any], passed: bool | None
) -> None:
    assert explain(requirement(rule(jurisdiction={"states": ["NJ", "NY"]})), customer).passed is passed


def test_a_country_and_its_states_must_both_fit() -> None:
    when = requirement(rule(jurisdiction={"country": "US", "states": ["NJ"]}))
    at_home = {"country": "US", "state": "NJ", "credit_score": 600}
    assert explain(when, at_home).passed is False
    assert explain(when, {**at_home, "country": "CA"}).passed is True


@pytest.mark.parametrize("jurisdiction", [{}, {"states": []}, {"states": ["XX"]}, {"country": "usa"}, {"city": "X"}])
def test_an_odd_jurisdiction_is_refused(jurisdiction: dict[str, Any]) -> None:
    assert codes(rule(jurisdiction=jurisdiction))


def test_a_rule_that_ends_before_it_starts_is_refused() -> None:
    dated = rule(starts_at="2027-01-01T00:00:00+00:00", ends_at="2026-12-01T00:00:00+00:00")
    assert ("/rule/floor/ends_at", "empty_range") in codes(dated)


def test_a_moment_belongs_to_what_starts_with_it_and_not_to_what_ends() -> None:
    later = NOW + timedelta(days=1)
    assert in_force(None, None, NOW)
    assert in_force(NOW, later, NOW)
    assert not in_force(NOW, later, later)
    assert not in_force(later, None, NOW)


def content(legal_basis: str, **changes: Any) -> snapshot.Content:
    made = catalogue.content(rules={"floor": rule(**changes)})
    for offer in made["offer"].values():
        offer["legal_basis"] = legal_basis
    return made


@pytest.mark.parametrize("legal_basis", ["firm_offer", "account_review"])
def test_a_consumer_report_serves_firm_offers_and_account_reviews(legal_basis: str) -> None:
    assert purposes.checked(1, content(legal_basis)).number == 1


def test_a_consumer_report_serves_no_invitation_and_is_refused_by_name() -> None:
    with pytest.raises(InvalidContent, match=r"credit score \(credit_score\).*offer-0.*1681b") as refused:
        purposes.checked(1, content("invitation"))
    assert {fault.path for fault in refused.value.faults} == {"/rule/floor/when"}
    assert purposes.checked(1, content("invitation", when=DEBT)).rules["floor"].key == "floor"


def test_a_rule_on_one_offer_is_judged_by_that_offer_alone() -> None:
    made = content("invitation", scope="offer", target="offer-1")
    made["offer"]["offer-1"]["legal_basis"] = "firm_offer"
    assert purposes.checked(1, made).number == 1


def test_a_boost_reads_no_consumer_report_for_an_invitation() -> None:
    made = content("invitation", when=DEBT)
    made["boost"]["high"] = {"title": "High", "scope": "all", "target": "", "when": SCORE, "factor": 1.2}
    with pytest.raises(InvalidContent, match="/boost/high/when"):
        purposes.checked(1, made)


def test_an_older_release_still_reads_so_that_its_decisions_replay() -> None:
    """The misuse is found beside the reading, not in it."""
    release = snapshot.read(1, content("invitation"))
    assert compile_release(release, None).rules
    assert {misuse.offer for misuse in purposes.misuses(release)} == {"offer-0", "offer-1", "offer-2", "all-cards"}


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_no_customer_has_a_number_without_end(value: float) -> None:
    (fault,) = golden.faults_of(
        parse(SCORE), [{"name": "x", "customer": {"credit_score": value}, "expect": "eligible"}], ""
    )
    assert (fault.path, fault.message) == ("/0/customer/credit_score", "credit score is finite")


@pytest.mark.parametrize("customer", [{"gender": "female"}, {"nonsense": 3}, {"credit_score": "abc"}])
def test_a_test_of_nobody_is_not_run_and_says_why(customer: dict[str, Any]) -> None:
    (tested,) = golden.run(parse(SCORE), [{"name": "x", "customer": customer, "expect": "eligible"}])
    assert (tested.answer, tested.passed, len(tested.faults)) == (None, False, 1)


LEARNED_IN = [{"attribute": "credit_rating", "equals": "high"}, {"attribute": "utilisation", "scale": 0.3}]


def learning(legal_basis: str) -> snapshot.Content:
    """A catalogue whose bandit learns in a consumer report."""
    made = content(legal_basis, when=DEBT)
    made["ranking"]["default"]["context"] = LEARNED_IN
    return made


def test_the_bandit_learns_in_no_consumer_report_for_an_invitation() -> None:
    with pytest.raises(InvalidContent, match=r"\(credit_rating\).*offer-0.*1681b") as refused:
        purposes.checked(1, learning("invitation"))
    assert {fault.path for fault in refused.value.faults} == {"/ranking/context"}
    assert len(refused.value.faults) == 3  # the fallback is not ranked
    assert purposes.checked(1, learning("firm_offer")).number == 1


def test_an_invitation_that_is_not_ranked_is_read_nothing_for() -> None:
    made = learning("firm_offer")
    made["offer"]["all-cards"]["legal_basis"] = "invitation"
    made["offer"]["offer-1"]["legal_basis"] = "invitation"
    for key in ("offer-1/c0", "offer-1/c1"):
        made["arm"][key]["paused"] = True
    assert purposes.checked(1, made).number == 1
    made["arm"]["offer-1/c1"]["paused"] = False
    with pytest.raises(InvalidContent, match="offer-1"):
        purposes.checked(1, made)
