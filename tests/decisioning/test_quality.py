"""Nightly checks of the tables: what breaks an expectation, of which source, whose rows, and since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from decisioning import partitions, quality
from decisioning.models import Account, Consent, FeatureRow, Job, LoggedDecision, Post, QualityCheck, Transaction
from decisioning.quality import results, tables
from decisioning.quality.expectations import Expectation, Finding
from offers.register import ATTRIBUTES
from offers.types import CHANNELS
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SOURCE = "ledger"


def statement(customer: int, group: str, *, source: str = SOURCE, at: datetime = NOW, **values: Any) -> None:
    FeatureRow.objects.create(
        customer_id=customer, group=group, source=source, version=1, occurred_at=at, known_at=at, values=values
    )


def transaction(customer: int, key: str, *, at: datetime = NOW, account: str = "", amount: float = 5.0) -> None:
    partitions.ensure(at.date(), at.date(), ("transaction",))
    Transaction.objects.create(
        customer_id=customer, transaction_key=key, account_key=account, occurred_at=at, known_at=at, amount=amount,
        category="groceries", source=SOURCE,
    )  # fmt: skip


def failing(source: str = SOURCE) -> dict[tuple[str, str, str], tuple[int, int, list[int]]]:
    """Rows, failures and the customers of the examples, by expectation."""
    return {
        (row.subject, row.column, row.expectation): (row.rows, row.failed, [one["customer"] for one in row.examples])
        for row in quality.latest(source)
        if not row.passed
    }


def test_a_bank_as_it_should_be_fails_nothing() -> None:
    factories.make_bank(30, now=NOW)
    assert tables.check(NOW) == 0
    rows = quality.latest()
    assert {row.subject for row in rows} == {"credit_risk", "account_state", "spend_behaviour"}
    score = next(row for row in rows if (row.column, row.expectation) == ("credit_score", "between 300 and 850"))
    assert score.passed
    assert score.failing_since is None
    assert score.rows == FeatureRow.objects.filter(values__has_key="credit_score").count()


def test_a_statement_of_a_wrong_type_out_of_bounds_or_outside_the_choices_is_found() -> None:
    one, two, three = factories.make_bank(3, now=NOW)
    statement(one, "credit_risk", credit_score=299.0, credit_rating="low")
    statement(two, "credit_risk", credit_score="712", credit_rating="excellent")
    statement(three, "credit_risk", credit_score=True, credit_rating="high")
    statement(three, "account_state", cards_held="gold", is_21_or_over=1, state="CA", household_size=2.5)
    tables.check(NOW)
    assert failing() == {
        ("credit_risk", "credit_score", "a number"): (3, 2, [two, three]),
        ("credit_risk", "credit_score", "between 300 and 850"): (3, 2, [one, three]),
        ("credit_risk", "credit_rating", "one of low, medium, high"): (3, 1, [two]),
        ("account_state", "cards_held", "a set of texts"): (1, 1, [three]),
        ("account_state", "is_21_or_over", "yes or no"): (1, 1, [three]),
        ("account_state", "household_size", "a whole number"): (1, 1, [three]),
    }
    assert failing("") == {}


def test_only_the_newest_statement_of_a_source_is_looked_at() -> None:
    (one,) = factories.make_bank(1, now=NOW)
    statement(one, "credit_risk", at=NOW - timedelta(days=3), credit_score=1.0)
    statement(one, "credit_risk", at=NOW - timedelta(days=1), credit_score=700.0)
    tables.check(NOW)
    assert failing() == {}


def test_transactions_that_come_twice_or_belong_to_no_account_of_their_customer_are_found() -> None:
    one, two = factories.make_bank(2, now=NOW)
    Account.objects.create(customer_id=one, account_key="a1", product="card", occurred_at=NOW, known_at=NOW)
    transaction(one, "t1", account="a1")
    transaction(one, "t1", account="a1", at=NOW - timedelta(days=40))
    transaction(two, "t1", account="a1")
    transaction(two, "t2", amount=2e9)
    transaction(two, "t3", at=NOW + timedelta(days=2))
    tables.check(NOW)
    assert failing() == {
        ("transactions", "key", "no key twice"): (5, 1, [one]),
        ("transactions", "account", "refers to what was loaded"): (3, 1, [two]),
        ("transactions", "amount", "between -1e+09 and 1e+09"): (5, 1, [two]),
        ("transactions", "occurred_at", "a time from 1900 until now"): (5, 1, [two]),
    }


def test_a_post_without_consent_and_a_score_that_cannot_be_are_found_and_a_decision_without_a_chance() -> None:
    one, two = factories.make_bank(2, now=NOW)
    Consent.objects.filter(customer_id=two, purpose="personalisation").update(granted=False)
    for customer, sentiment in ((one, 0.5), (one, -1.5), (two, 0.1)):
        Post.objects.create(
            customer_id=customer, source=SOURCE, post_key=f"p{sentiment}", occurred_at=NOW, known_at=NOW,
            sentiment=sentiment,
        )  # fmt: skip
    LoggedDecision.objects.create(
        customer_id=one, decision_key="d", source=SOURCE, arm="a/b", action_probability=1.0, channel="pigeon",
        reward=0.0, occurred_at=NOW, known_at=NOW,
    )  # fmt: skip
    tables.check(NOW)
    assert failing() == {
        ("posts", "customer", "agreed to by the customer"): (3, 1, [two]),
        ("posts", "sentiment", "between -1 and 1"): (3, 1, [one]),
        ("decisions", "channel", f"one of {', '.join(CHANNELS)}"): (1, 1, [one]),
    }


def test_a_source_past_its_groups_freshness_is_found_and_a_few_who_left_are_not() -> None:
    bank = factories.make_bank(40, now=NOW)
    for customer in bank:
        statement(
            customer, "credit_risk", at=NOW - timedelta(days=36 if customer == bank[0] else 2), credit_score=700.0
        )
        statement(customer, "lifecycle", at=NOW - timedelta(days=8), commute_zone="metro")
    tables.check(NOW)
    assert failing() == {("lifecycle", "", "true within 7 days for 95% of customers"): (40, 40, [])}


def test_the_share_that_a_mapping_allows_to_be_missing_is_held_against_the_tables_too() -> None:
    one, two, three, _four = factories.make_bank(4, now=NOW)
    for customer in (one, two, three):
        told: dict[str, Any] = {"debt_to_income": 0.1} if customer == one else {}
        statement(customer, "credit_risk", credit_score=700.0, **told)
    Job.objects.create(
        kind="load", status=Job.Status.DONE, started_at=NOW,
        argument={"mapping": SOURCE, "records": {"customers": 4},
                  "limits": {"missing": {"debt_to_income": 0.5, "credit_score": 0.25, "gone": 0.1}}},
    )  # fmt: skip
    tables.check(NOW)
    assert failing() == {("credit_risk", "debt_to_income", "missing for at most 50% of customers"): (4, 3, [])}


def test_a_failure_keeps_its_beginning_until_it_passes() -> None:
    (one,) = factories.make_bank(1, now=NOW)
    statement(one, "credit_risk", credit_score=1.0)
    for day in range(3):
        tables.check(NOW + timedelta(days=day))
    (row,) = [row for row in quality.latest(SOURCE) if not row.passed]
    assert (row.failing_since, row.run_at) == (NOW, NOW + timedelta(days=2))
    FeatureRow.objects.filter(source=SOURCE).update(values={"credit_score": 700.0})
    tables.check(NOW + timedelta(days=3))
    assert failing() == {}
    FeatureRow.objects.filter(source=SOURCE).update(values={"credit_score": 1.0})
    tables.check(NOW + timedelta(days=4))
    (row,) = [row for row in quality.latest(SOURCE) if not row.passed]
    assert row.failing_since == NOW + timedelta(days=4)
    assert [one.failing for one in quality.sources() if one.source == SOURCE] == [1]


def test_examples_are_few_and_say_whose_row_it_is_and_never_what_stands_in_it() -> None:
    for customer in factories.make_bank(20, now=NOW):
        statement(customer, "account_state", state="Atlantis")
    tables.check(NOW)
    (row,) = [row for row in quality.latest(SOURCE) if not row.passed]
    assert (row.rows, row.failed, len(row.examples)) == (20, 20, 5)
    assert "Atlantis" not in repr(list(QualityCheck.objects.values()))
    assert len(row.expectation) <= 120


def test_an_expectation_that_allows_a_share_passes_up_to_it() -> None:
    for failed, passes in ((2, True), (3, False)):
        finding = Finding(Expectation("s", "c", f"t{failed}"), 10, failed, allowed=0.2)
        assert finding.passed is passes
        results.record("x", [finding], timezone.now())
    assert [(row.expectation, row.passed) for row in quality.latest("x")] == [("t3", False), ("t2", True)]


def test_every_attribute_of_the_register_has_a_schema() -> None:
    from decisioning.quality import schemas

    held = schemas.attributes(tuple(ATTRIBUTES)).expectations
    assert {name for name, _ in held} == set(ATTRIBUTES)
    assert all(len(one.text) <= 120 for one in held.values())
