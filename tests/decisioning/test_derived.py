"""Derived attributes: what the register allows for any input, and what a person computes by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisioning.features.derived import RAW_INPUTS, derived, risk
from decisioning.features.derived.column import Column
from offers.register import ATTRIBUTES, GROUPS, LEVELS

DERIVED = derived()
ANY_NUMBER = st.one_of(
    st.floats(width=64),  # not a number and infinities too
    st.sampled_from([0.0, -1.0, 1.0, 0.36, 580.0, 669.0, 30.0, 90.0, 1e9, 1.7e308, -1.7e308, 5e-324]),
)
PROFILE: Mapping[str, float] = {
    "credit_score": 712.0, "debt_to_income": 0.31, "utilisation_90d": 0.42, "on_time_payment_rate_12m": 1.0
}  # fmt: skip


def _columns(**values: float | list[float]) -> dict[str, Column]:
    return {name: np.atleast_1d(np.array(value, dtype=np.float64)) for name, value in values.items()}


def _one(name: str, **values: float) -> Any:
    """The attribute of one customer; inputs that are not named are not known."""
    columns = {each: np.array([np.nan]) for each in DERIVED[name].inputs} | _columns(**values)
    assert columns.keys() == set(DERIVED[name].inputs)
    return DERIVED[name].compute(columns)[0]


def test_a_derived_attribute_is_registered_and_finds_its_inputs_before_it() -> None:
    earlier = set(ATTRIBUTES) - DERIVED.keys() | set(RAW_INPUTS)
    for name, attribute in DERIVED.items():
        assert name in ATTRIBUTES
        assert set(attribute.inputs) <= earlier, name
        earlier.add(name)


def test_every_raw_input_is_used_and_no_attribute() -> None:
    used = {name for attribute in DERIVED.values() for name in attribute.inputs}
    assert set(RAW_INPUTS) <= used
    assert not set(RAW_INPUTS) & set(ATTRIBUTES)


def test_the_definition_is_a_sentence() -> None:
    for attribute in DERIVED.values():
        assert attribute.definition[0].isupper() or attribute.definition[0] == "1", attribute.name
        assert attribute.definition.endswith("."), attribute.name
        assert "\n" not in attribute.definition


def test_what_is_computed_from_a_consumer_report_is_declared_as_one() -> None:
    for name, attribute in DERIVED.items():
        inputs = [ATTRIBUTES[each] for each in attribute.inputs if each in ATTRIBUTES]
        if any(each.source == "consumer_report" for each in inputs):
            assert ATTRIBUTES[name].source == "consumer_report", name
            assert ATTRIBUTES[name].purpose == "prescreen_firm_offer", name


def test_nothing_is_computed_from_a_proxy_or_from_what_only_advanced_consent_opens() -> None:
    for attribute in DERIVED.values():
        for name in set(attribute.inputs) & ATTRIBUTES.keys():
            assert ATTRIBUTES[name].basis_class == "ok", name
            assert GROUPS[ATTRIBUTES[name].group].level != LEVELS[-1], name


@pytest.mark.parametrize("name", [name for name in DERIVED if name != "unusual_activity"])
@given(data=st.data())
def test_any_input_gives_a_value_that_the_register_allows(name: str, data: st.DataObject) -> None:
    inputs = DERIVED[name].inputs
    rows = data.draw(st.lists(st.tuples(*[ANY_NUMBER] * len(inputs)), min_size=1, max_size=5))
    columns = {each: np.array([row[index] for row in rows]) for index, each in enumerate(inputs)}
    before = {each: values.copy() for each, values in columns.items()}
    found = DERIVED[name].compute(columns)
    assert found.shape == (len(rows),)
    assert all(_allowed(name, value) for value in found.tolist()), found
    assert all(np.array_equal(columns[each], before[each], equal_nan=True) for each in inputs)


def _allowed(name: str, value: Any) -> bool:
    declared = ATTRIBUTES[name]
    if declared.type == "category":
        return value is None or value in declared.choices
    if np.isnan(value):
        return True
    if declared.type == "boolean":
        return value in (0.0, 1.0)
    assert declared.bounds is not None
    whole = declared.type != "integer" or float(value).is_integer()
    return whole and declared.bounds[0] <= value <= declared.bounds[1]


@pytest.mark.parametrize("name", DERIVED)
def test_nothing_known_gives_nothing_known(name: str) -> None:
    found = _one(name)
    assert found is None or np.isnan(found)


@pytest.mark.parametrize(
    ("score", "band", "rating"),
    [
        (300, "below_580", "low"), (579, "below_580", "low"), (580, "580_669", "low"), (669, "580_669", "low"),
        (670, "670_739", "medium"), (739, "670_739", "medium"), (740, "740_799", "high"), (799, "740_799", "high"),
        (800, "800_up", "high"), (850, "800_up", "high"),
    ],
)  # fmt: skip
def test_bands_of_the_credit_score_begin_where_they_say(score: float, band: str, rating: str) -> None:
    assert _one("credit_score_band", credit_score=score) == band
    assert _one("credit_rating", credit_score=score) == rating


@pytest.mark.parametrize(
    ("income", "band"),
    [(0, "below_2000"), (1999.99, "below_2000"), (2000, "2000_3999"), (4000, "4000_6999"), (7000, "7000_up")],
)
def test_income_bands_begin_where_they_say(income: float, band: str) -> None:
    assert _one("income_band", income_estimate_monthly=income) == band


def test_a_balance_is_carried_where_it_was_never_paid_off() -> None:
    assert _one("revolving", utilisation_low_90d=0.2) == 1
    assert _one("revolving", utilisation_low_90d=0.0) == 0


def test_a_salary_that_rose_by_a_fifth_changed_and_one_that_rose_by_a_twentieth_did_not() -> None:
    assert _one("salary_change", salary_last=3600, salary_before=3000) == pytest.approx(0.2)
    assert _one("salary_changed_90d", salary_change=0.2) == 1
    assert _one("salary_changed_90d", salary_change=-0.2) == 1
    assert _one("salary_changed_90d", salary_change=0.05) == 0
    assert _one("salary_changed_90d", salary_change=0.05, salary_change_signals_90d=1) == 1
    assert _one("salary_changed_90d", salary_change_signals_90d=0) == 0


def test_a_salary_ended_only_where_other_transactions_went_on() -> None:
    assert _one("salary_change", salary_before=3000, days_since_last_transaction=2) == -1
    assert np.isnan(_one("salary_change", salary_before=3000, days_since_last_transaction=80))
    assert np.isnan(_one("salary_change", salary_last=3000, days_since_last_transaction=2))


def test_the_balance_falls_by_what_goes_out_beyond_what_comes_in() -> None:
    assert _one("balance_trend_90d", history_days=400, inflow_90d=9_000, outflow_90d=9_900) == -300
    assert _one("balance_trend_90d", history_days=60, inflow_90d=4_000, outflow_90d=3_000) == 500
    assert np.isnan(_one("balance_trend_90d", history_days=12, inflow_90d=4_000, outflow_90d=3_000))
    assert _one("cash_flow_shortfall_30d", balance=250, balance_trend_90d=-300) == 1
    assert _one("cash_flow_shortfall_30d", balance=300, balance_trend_90d=-300) == 0


ACTIVE = {
    "days_since_last_transaction": 2, "spend_30d": 500, "spend_90d": 1500, "transactions_30d": 10,
    "transactions_90d": 30, "churn_risk": 0.05,
}  # fmt: skip
FEWER = {"transactions_30d": 4, "transactions_90d": 24}


@pytest.mark.parametrize(
    ("known", "stage"),
    [
        ({"tenure_months": 5, **ACTIVE}, "new"),
        ({"tenure_months": 6, **ACTIVE}, "developing"),
        ({"tenure_months": 24, **ACTIVE}, "mature"),
        ({"tenure_months": 24}, "mature"),
        ({"tenure_months": 5, **ACTIVE, "days_since_last_transaction": 61}, "new"),
        ({"tenure_months": 24, **ACTIVE, "days_since_last_transaction": 60}, "churning"),
        ({"tenure_months": 24, **ACTIVE, **FEWER, "spend_30d": 40, "spend_90d": 1040}, "churning"),
        ({"tenure_months": 12, **ACTIVE, **FEWER, "spend_30d": 200, "spend_90d": 1200}, "at_risk"),
        ({"tenure_months": 24, **ACTIVE, "spend_30d": 40, "spend_90d": 1040}, "mature"),
        ({"tenure_months": 24, **ACTIVE, **FEWER}, "mature"),
        ({"tenure_months": 24, **ACTIVE, "complaint_30d": 1}, "at_risk"),
        ({"tenure_months": 24, **ACTIVE, "churn_risk": 0.5}, "at_risk"),
        ({"tenure_months": 24, **ACTIVE, "declined_transaction_30d": 1}, "mature"),
        ({"tenure_months": 24, **ACTIVE, "declined_transaction_30d": 1, "spend_30d": 350, "spend_90d": 1350},
         "at_risk"),
        ({**ACTIVE, "complaint_30d": 1}, "at_risk"),
        (ACTIVE, None),
    ],
)  # fmt: skip
def test_the_lifecycle_stage_follows_its_definition(known: dict[str, float], stage: str | None) -> None:
    assert _one("lifecycle_stage", **known) == stage


def test_risk_points_are_what_a_person_adds_up() -> None:
    lines = risk.explain(PROFILE)
    assert [(line.attribute, line.band, line.points) for line in lines] == [
        ("credit_score", "670 to below 740", 18),
        ("debt_to_income", "20% to below 36%", 8),
        ("utilisation_90d", "30% to below 50%", 9),
        ("on_time_payment_rate_12m", "100%", 0),
    ]
    assert _one("risk_points", **PROFILE) == 18 + 8 + 9 + 0
    assert _one("risk_profile", risk_points=35) == "moderate"


def test_what_is_not_known_counts_as_the_middle_of_its_line_but_no_score_is_no_profile() -> None:
    known = {"credit_score": 712.0}
    assert [(line.band, line.points) for line in risk.explain(known)][1:] == [
        ("not known", 12), ("not known", 9), ("not known", 7)
    ]  # fmt: skip
    assert _one("risk_points", **known) == 18 + 12 + 9 + 7
    assert risk.explain({**PROFILE, "credit_score": None}) == ()


def test_the_table_gives_0_to_100_points_and_each_line_goes_one_way() -> None:
    assert sum(min(line.points) for line in risk.TABLE) == 0
    assert sum(max(line.points) for line in risk.TABLE) == 100
    for line in risk.TABLE:
        assert len(line.points) == len(line.floors) + 1
        assert list(line.points) in (sorted(line.points), sorted(line.points, reverse=True))
        assert line.unknown is None or min(line.points) < line.unknown < max(line.points)


@pytest.mark.parametrize(
    ("profile", "points"), [("low", 0), ("low", 19), ("moderate", 20), ("elevated", 40), ("high", 60)]
)
def test_profiles_begin_where_they_say(profile: str, points: float) -> None:
    assert _one("risk_profile", risk_points=points) == profile


WORSE = {"credit_score": -1, "debt_to_income": 1, "utilisation_90d": 1, "on_time_payment_rate_12m": -1}


@pytest.mark.parametrize("name", WORSE)
@given(data=st.data())
def test_risk_points_never_fall_as_an_input_gets_worse(name: str, data: st.DataObject) -> None:
    bounds = {each: ATTRIBUTES[each].bounds or (0.0, 0.0) for each in WORSE}
    base = {each: data.draw(st.floats(*limits)) for each, limits in bounds.items()}
    steps = sorted(data.draw(st.lists(st.floats(*bounds[name]), min_size=2, max_size=6)), reverse=WORSE[name] < 0)
    columns = {each: np.full(len(steps), value) for each, value in base.items()} | {name: np.array(steps)}
    points = DERIVED["risk_points"].compute(columns)
    assert isinstance(points[0], float)
    assert all(np.diff(points) >= 0)


@given(st.fixed_dictionaries({name: st.one_of(st.none(), ANY_NUMBER) for name in WORSE}))
def test_the_explanation_adds_up_to_the_points(values: dict[str, float | None]) -> None:
    points = _one("risk_points", **{name: np.nan if value is None else value for name, value in values.items()})
    lines = risk.explain(values)
    assert sum(line.points for line in lines) == points if lines else np.isnan(points)
