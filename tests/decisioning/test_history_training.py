"""A training set holds what each decision could know: what the bank learned later does not leak into it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from decisioning.models import Consent, Customer, FeatureRow, LoggedDecision, Transaction
from decisioning.partitions import ensure
from decisioning.propensity import dataset
from decisioning.propensity.training import Example
from tests import catalogue
from tests.factories import NOW

pytestmark = pytest.mark.django_db
DECIDED = NOW - timedelta(days=20)


@pytest.fixture
def customer() -> int:
    """Somebody to whom the bank made an offer twenty days ago, and who has granted everything."""
    pk = Customer.objects.create(known_at=NOW).pk
    LoggedDecision.objects.create(
        customer_id=pk, decision_key="d", source="mailing", arm="offer-0/c0", action_probability=0.5, channel="email",
        reward=1.0, occurred_at=DECIDED, known_at=NOW,
    )  # fmt: skip
    Consent.objects.create(
        customer_id=pk, purpose="personalisation", channel="advanced", granted=True, text_version="1", occurred_at=NOW,
        known_at=NOW,
    )  # fmt: skip
    return pk


def examples() -> list[Example]:
    return dataset.from_logged("mailing", catalogue.release(), per_arm=True)


def known() -> dict[str, Any]:
    (example,) = examples()
    return dict(example.attributes)


def tell(
    customer: int, values: dict[str, Any], days: float, known_after: float = 0, group: str = "credit_risk"
) -> None:
    """A statement that was true so many days before the decision, and known so many days after that."""
    at = DECIDED - timedelta(days=days)
    FeatureRow.objects.create(
        customer_id=customer, group=group, source="core_banking", version=1, occurred_at=at,
        known_at=at + timedelta(days=known_after), values=values,
    )  # fmt: skip


def spend(customer: int, amount: float, days: float, known_after: float = 0) -> None:
    at = DECIDED - timedelta(days=days)
    ensure(at.date(), at.date(), ("transaction",))
    Transaction.objects.create(
        customer_id=customer, transaction_key=str(amount), account_key="a", occurred_at=at, category="dining",
        known_at=at + timedelta(days=known_after), amount=amount, source="test",
    )  # fmt: skip


def test_a_backfill_and_the_future_do_not_leak(customer: int) -> None:
    tell(customer, {"credit_score": 640}, days=3)
    spend(customer, 100, days=2)
    honest = known()
    assert (honest["credit_score"], honest["spend_90d"], honest["large_purchase_7d"]) == (640, 100, False)
    tell(customer, {"credit_score": 800}, days=1, known_after=2)  # happened before the decision, was known after it
    tell(customer, {"credit_score": 801}, days=-2)
    spend(customer, 999, days=1, known_after=2)
    spend(customer, 998, days=-1)
    assert known() == honest


def test_a_fact_of_the_decision_s_own_moment_counts(customer: int) -> None:
    tell(customer, {"credit_score": 640}, days=0)
    spend(customer, 30, days=0)
    assert (known()["credit_score"], known()["spend_90d"]) == (640, 30)


def test_an_example_holds_what_a_decision_would_have_been_served(customer: int) -> None:
    tell(customer, {"credit_score": 640}, days=36)  # past the limit of its group, which then serves nothing
    tell(customer, {"spend_90d": 70}, days=36, group="spend_behaviour")  # which serves its last value
    assert "credit_score" not in known()
    assert (known()["spend_90d"], known()["transactions_24h"]) == (70, 0)


def test_what_a_customer_has_not_agreed_to_is_not_learned_from(customer: int) -> None:
    tell(customer, {"text_sentiment": 0.4}, days=1, group="text_interest")
    tell(customer, {"spend_90d": 70}, days=1, group="spend_behaviour")
    tell(customer, {"credit_score": 640}, days=1)
    assert {"text_sentiment", "spend_90d", "credit_score"} <= known().keys()
    Consent.objects.update(granted=False)
    assert known().keys() & {"text_sentiment", "spend_90d", "credit_score"} == {"credit_score"}


def test_each_decision_of_a_customer_has_its_own_past(customer: int) -> None:
    tell(customer, {"credit_score": 640}, days=3)
    tell(customer, {"credit_score": 700}, days=-5)
    LoggedDecision.objects.create(
        customer_id=customer, decision_key="e", source="mailing", arm="offer-0/c1", action_probability=0.5,
        channel="email", reward=0.0, occurred_at=DECIDED + timedelta(days=6), known_at=NOW,
    )  # fmt: skip
    first, second = examples()
    assert (first.attributes["credit_score"], second.attributes["credit_score"]) == (640, 700)
    assert (first.row.key, first.accepted, second.accepted) == ("offer-0/c0", True, False)
