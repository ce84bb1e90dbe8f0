"""Eligibility of a whole release: what the engine finds for one customer is what the population run finds for many."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisioning import eligibility, impact
from decisioning.case import Case
from decisioning.plan import Plan, compile_release
from decisioning.types import DecisionRequest, Known, Refusal
from offers.conditions import explain
from offers.conditions.vectorise import columns_from_rows
from tests import arbitrary, catalogue
from tests.factories import NOW

OFFERS = 3
REQUEST = DecisionRequest(1, "s", "mobile_app", "home_banner", 3, NOW)
JURISDICTIONS = (
    None,
    {"country": "US"},
    {"country": "CH"},
    {"states": ["AL", "AK"]},
    {"country": "US", "states": ["AR"]},
)
PLACES = {"country": ("US", "CH", None), "state": ("AL", "AR", "CA", None)}
DATES = (None, NOW - timedelta(days=1), NOW, NOW + timedelta(days=1))


def written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """A rule of any scope, jurisdiction and dates, over any condition."""
    scope, target = draw(
        st.sampled_from(
            [("all", ""), ("product", "card"), ("product", "loan"), ("offer", "offer-0"), ("offer", "offer-1")]
        )
    )
    starts, ends = draw(st.sampled_from(DATES)), draw(st.sampled_from(DATES))
    reason = draw(st.sampled_from(["ONE", "TWO"]))
    return {
        **catalogue.rule(draw(arbitrary.TREES), scope=scope, target=target, reason=reason),
        "jurisdiction": draw(st.sampled_from(JURISDICTIONS)), "starts_at": written(starts), "ends_at": written(ends),
    }  # fmt: skip


def plan_of(written_rules: list[dict[str, Any]]) -> Plan:
    content = catalogue.content(offers=OFFERS, creatives=1)
    content["product"]["loan"] = {"title": "Loan"}
    content["offer"]["offer-2"]["product"] = "loan"
    content["rule"] = {f"rule-{number}": rule for number, rule in enumerate(written_rules)}
    return compile_release(catalogue.release(content), None)


@st.composite
def people(draw: st.DrawFn, plan: Plan) -> list[arbitrary.Customer]:
    """Residents of somewhere or of nowhere known, with anything or nothing for what the rules read."""
    found = draw(arbitrary.customers_for(*(rule.when for rule in plan.rules)))
    return [{**person, **{name: draw(st.sampled_from(values)) for name, values in PLACES.items()}} for person in found]


def after(plan: Plan, person: arbitrary.Customer, request: DecisionRequest = REQUEST) -> Case:
    known = Known(person, {}, frozenset(), suppressed=False, contacts={}, stops=frozenset())
    case = Case(request, known, plan, None, 1, live=[True] * len(plan.offers))
    eligibility.apply(case)
    return case


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_the_population_run_and_the_engine_agree_on_arbitrary_releases(data: st.DataObject) -> None:
    plan = plan_of(data.draw(st.lists(rules(), max_size=6)))
    persons = data.draw(people(plan))
    eligible = impact.eligible(plan, columns_from_rows(persons), NOW)
    assert eligible.tolist() == [after(plan, person).live for person in persons]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_each_refusal_is_the_first_rule_in_force_that_does_not_hold(data: st.DataObject) -> None:
    """Read off the rules one by one, without what is compiled for speed."""
    plan = plan_of(data.draw(st.lists(rules(), max_size=6)))
    for person in data.draw(people(plan)):
        expected: dict[str, Refusal] = {}
        for rule in plan.rules:
            passed = explain(rule.when, person).passed
            for offer in plan.offers:
                if passed is not True and rule.in_force(NOW) and plan.release.covers(rule, offer):
                    reason = eligibility.DATA_MISSING if passed is None else rule.reason_code
                    expected.setdefault(offer, Refusal(offer, "eligibility", reason, rule.key))
        assert after(plan, person).refusals == sorted(
            expected.values(), key=lambda row: (list(plan.release.rules).index(row.by), row.offer)
        )


@pytest.mark.parametrize("channel", ["mobile_app", "web"])
@pytest.mark.parametrize("placement", ["home_banner", "offer_slot"])
@pytest.mark.parametrize("now", [NOW, NOW + timedelta(days=9)])
def test_terms_refuse_as_they_are_read_for_each_offer(channel: str, placement: str, now: datetime) -> None:
    """Twice, since what terms can refuse at all is found once for each channel and placement."""
    content = catalogue.content(offers=1, creatives=1)
    catalogue.add_offer(content, "web-only", 1, channels=["web"])
    catalogue.add_offer(content, "slot-only", 1, placements=["offer_slot"])
    catalogue.add_offer(content, "this-week", 1, ends_at=written(NOW + timedelta(days=7)))
    catalogue.add_offer(content, "next-week", 1, starts_at=written(NOW + timedelta(days=7)))
    plan = compile_release(catalogue.release(content), None)
    request = DecisionRequest(1, "s", channel, placement, 3, now)
    for _ in range(2):
        case = after(plan, {}, request)
        reasons = {row.offer: row.reason for row in case.refusals}
        expected = {key: eligibility.unavailable(offer, case) for key, offer in plan.release.offers.items()}
        assert reasons == {key: reason for key, reason in expected.items() if reason}
