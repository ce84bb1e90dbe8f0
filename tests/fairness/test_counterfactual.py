"""The nearest change that brings an offer to one customer (R-IND-4): what can be acted on, and true by the engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisioning.decide import decide
from decisioning.plan import compile_release, complete
from decisioning.types import DecisionRequest, Known
from fairness.individual.actionable import ACTIONABLE
from fairness.individual.counterfactual import Inputs, nearest
from offers.register import ATTRIBUTES, PROTECTED
from tests import catalogue

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ATTRIBUTES_KNOWN = {"credit_score": 640, "debt_to_income": 0.45, "is_21_or_over": True, "cards_held": [], "state": "CA"}


def inputs(*conditions: dict[str, Any], boosts: dict[str, Any] | None = None, **attributes: Any) -> Inputs:
    """A customer before a release whose offer-0 has these rules."""
    content = catalogue.content(
        rules={f"r{at}": catalogue.rule(when, scope="offer", target="offer-0") for at, when in enumerate(conditions)}
    )
    content["boost"] = dict(boosts or {})
    plan = compile_release(catalogue.release(content), None)
    known = Known(
        attributes={**ATTRIBUTES_KNOWN, **attributes}, ages={"credit_risk": 60.0}, suppressed=False, contacts={},
        consents=frozenset({"marketing:mobile_app"}), stops=frozenset(),
    )  # fmt: skip
    request = DecisionRequest(1, "s", "mobile_app", "home_banner", 3, NOW, {"device_type": "app"})
    return Inputs(request, known, plan, complete(None, plan), 1)


def score(least: float) -> dict[str, Any]:
    return {"attribute": "credit_score", "op": ">=", "value": least}


def changed(of: Inputs, offer: str = "offer-0") -> dict[str, Any] | None:
    found = nearest(of, offer, NOW)
    return None if found is None else {change.attribute: change.after for change in found.changes}


def test_a_score_that_is_too_low_is_to_reach_its_threshold_and_no_more() -> None:
    found = nearest(inputs(score(700)), "offer-0", NOW)
    assert found is not None
    (change,) = found.changes
    assert (change.attribute, change.before, change.after) == ("credit_score", 640, 700)
    assert change.text == "credit score is at least 700"
    assert found.chosen


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"attribute": "debt_to_income", "op": "<", "value": 0.4}, {"debt_to_income": 0.3999}),
        ({"attribute": "credit_score", "op": "between", "value": [660, 700]}, {"credit_score": 660}),
        ({"none": [{"attribute": "debt_to_income", "op": ">", "value": 0.3}]}, {"debt_to_income": 0.3}),
        ({"any": [score(800), {"attribute": "debt_to_income", "op": "<=", "value": 0.43}]}, {"debt_to_income": 0.43}),
        ({"all": [score(660), {"attribute": "debt_to_income", "op": "<=", "value": 0.4}]},
         {"credit_score": 660, "debt_to_income": 0.4}),
        ({"attribute": "cards_held", "op": "contains", "value": "secured"}, {"cards_held": ["secured"]}),
        ({"attribute": "overdraft_protection", "op": "is", "value": True}, {"overdraft_protection": True}),
    ],
)  # fmt: skip
def test_each_kind_of_clause_is_met_by_the_least_change(condition: dict[str, Any], expected: dict[str, Any]) -> None:
    assert changed(inputs(condition)) == expected


def test_two_rules_on_one_attribute_are_met_by_the_stricter() -> None:
    assert changed(inputs(score(660), score(720))) == {"credit_score": 720}


@pytest.mark.parametrize(
    "condition",
    [
        {"attribute": "is_21_or_over", "op": "is", "value": False},
        {"attribute": "state", "op": "in", "value": ["NY"]},
        {"attribute": "cards_held", "op": "contains_none_of", "value": ["everyday-cash"]},
        {"attribute": "credit_score", "op": "<=", "value": 600},  # nobody is told to lower a score
    ],
)
def test_what_nobody_can_or_should_change_has_no_counterfactual(condition: dict[str, Any]) -> None:
    assert changed(inputs(condition, cards_held=["everyday-cash"])) is None


def test_consent_and_caps_are_not_answered_by_an_attribute() -> None:
    without = inputs(score(700))
    assert nearest(replace(without, known=replace(without.known, consents=frozenset())), "offer-0", NOW) is None
    capped = replace(without.known, contacts={"2026-11-22": {"*": 100}})
    assert nearest(replace(without, known=capped), "offer-0", NOW) is None


def test_what_is_chosen_already_needs_nothing() -> None:
    assert changed(inputs(score(600))) is None


def test_an_offer_that_ranks_too_low_is_brought_up_by_what_boosts_it() -> None:
    boost = {
        "title": "Low use", "scope": "offer", "target": "offer-0", "factor": 50.0,
        "when": {"attribute": "utilisation", "op": "<=", "value": 0.25},
    }  # fmt: skip
    one = inputs(boosts={"low": boost}, utilisation=0.9)
    for key in range(20):  # draws under which offer-0 is not the one that is shown
        of = replace(one, request=replace(one.request, limit=1), key=key)
        shown = decide(of.request, of.known, of.plan, of.posterior, of.key).choices[0].offer
        if shown != "offer-0":
            break
    found = nearest(of, "offer-0", NOW)
    assert found is not None
    assert found.chosen
    assert [change.attribute for change in found.changes] == ["utilisation"]
    assert 0.2 < found.changes[0].after <= 0.25


@given(st.integers(300, 850), st.floats(0, 2), st.integers(300, 850), st.floats(0, 2))
def test_whatever_is_found_makes_the_offer_eligible(have: int, debt: float, least: int, most: float) -> None:
    rules = (score(least), {"attribute": "debt_to_income", "op": "<=", "value": round(most, 4)})
    of = inputs(*rules, credit_score=have, debt_to_income=round(debt, 4))
    wanted = changed(of)
    meets = have >= least and round(debt, 4) <= round(most, 4)
    assert (wanted is None) == meets
    for name, value in (wanted or {}).items():
        assert value == {"credit_score": least, "debt_to_income": round(most, 4)}[name]


def test_nothing_protected_close_to_it_or_computed_from_age_can_be_asked_of_anybody() -> None:
    assert not {name.name for name in PROTECTED} & ACTIONABLE.keys()
    assert {ATTRIBUTES[name].basis_class for name in ACTIONABLE} == {"ok"}
