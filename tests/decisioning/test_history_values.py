"""What each computed feature counts, worked out by hand: one customer, one moment, the facts in question."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from decisioning.features import history
from decisioning.features.engines.postgres import Postgres
from decisioning.models import Account, FeatureRow, Post, Signal, Transaction
from decisioning.partitions import ensure
from tests.factories import NOW

pytestmark = pytest.mark.django_db
CUSTOMER = 7


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def spend(*transactions: tuple[float, float, str]) -> None:
    """Transactions as (days ago, amount, category)."""
    ensure(ago(400).date(), NOW.date(), ("transaction",))
    for number, (days, amount, category) in enumerate(transactions):
        Transaction.objects.create(
            customer_id=CUSTOMER, transaction_key=str(number), account_key="a", occurred_at=ago(days),
            known_at=ago(days), amount=amount, category=category, source="test",
        )  # fmt: skip


def signal(*signals: tuple[float, str, dict[str, Any]]) -> None:
    """Signals as (days ago, type, payload)."""
    ensure(ago(400).date(), NOW.date(), ("signal",))
    for number, (days, type_, payload) in enumerate(signals):
        Signal.objects.create(
            customer_id=CUSTOMER, event_id=str(number), type=type_, occurred_at=ago(days), known_at=ago(days),
            payload=payload,
        )  # fmt: skip


def tell(group: str, values: dict[str, Any], days: float = 0, source: str = "crm") -> None:
    FeatureRow.objects.create(
        customer_id=CUSTOMER, group=group, source=source, version=1, occurred_at=ago(days), known_at=ago(days),
        values=values,
    )  # fmt: skip


def found(*names: str) -> Any:
    """The values of these columns now; the value alone of one."""
    spine = history.spine(np.array([CUSTOMER]), np.datetime64(NOW.replace(tzinfo=None), "us"))
    (row,) = history.as_of(Postgres(), spine).to_pylist()
    values = tuple(row[name] for name in names)
    return values if len(values) > 1 else values[0]


def test_spend_is_money_out_for_goods_and_services_within_the_window() -> None:
    spend(
        (1, 10.01, "groceries"), (29.9, 20, "pets"), (30, 40, "dining"), (89.9, 80, "travel"), (90, 160, "fuel"),
        (2, 1_000, "transfer"), (2, 1_000, "card_payment"), (2, 1_000, "cash"), (2, -500, "groceries"),
    )  # fmt: skip
    assert found("spend_30d", "spend_90d") == (30.01, 150.01)
    assert found("spend_share_groceries", "spend_share_dining", "spend_share_travel", "spend_share_fuel") == (
        0.0667, 0.2666, 0.5333, 0.0,
    )  # fmt: skip
    assert found("transactions_30d") == 6


def test_cents_add_up_exactly_and_half_a_cent_is_one() -> None:
    spend(*((number / 100, 0.1, "dining") for number in range(100)), (5, 0.005, "dining"))
    assert found("spend_90d") == 10.01


def test_income_is_what_arrives_under_its_own_category_in_a_month_of_thirty_days() -> None:
    spend((5, -3_000, "salary"), (35, -3_000, "salary"), (65, -2_999.98, "income"), (70, -500, "other"))
    assert found("income_estimate_monthly", "income_band") == (2999.99, "2000_3999")


def test_without_income_in_the_transactions_what_a_source_tells_stands_in() -> None:
    tell("spend_behaviour", {"income_estimate_monthly": 5_000, "spend_90d": 1})
    assert found("income_estimate_monthly", "spend_90d") == (5_000, 1)
    spend((5, 30, "dining"))
    assert found("income_estimate_monthly", "spend_90d") == (5_000, 30)


def test_a_salary_that_rose_is_a_change_against_three_to_six_months_ago() -> None:
    spend((5, -3_300, "salary"), (40, -9_000, "salary"), (100, -3_000, "salary"), (131, -3_000, "salary"))
    assert found("salary_change", "salary_changed_90d") == (0.1, True)


def test_a_change_of_salary_that_the_bank_signals_is_one() -> None:
    signal((10, "life_event", {"event": "salary_change"}))
    assert found("salary_changed_90d", "new_mortgage_180d") == (True, False)


def test_a_large_purchase_counts_wherever_it_is_told() -> None:
    spend((6.9, 499.99, "other"), (7, 900, "other"), (1, 900, "transfer"))
    assert found("large_purchase_7d") is False
    signal((1, "transaction", {"amount": 500}))
    assert found("large_purchase_7d") is True


def test_days_since_the_last_payment_count_from_a_booking_or_a_signal() -> None:
    spend((20.5, 100, "loan"), (3, 100, "dining"))
    assert found("days_since_last_payment") == 20
    signal((9.9, "payment", {"amount": 5}))
    assert found("days_since_last_payment") == 9


def test_of_statement_and_signal_the_newer_is_believed() -> None:
    tell("account_state", {"balance": 100, "utilisation": 0.5}, days=2)
    signal((3, "balance", {"balance": 50, "utilisation": 0.1}))
    assert found("balance", "utilisation") == (100, 0.5)
    Signal.objects.all().delete()
    signal((3, "balance", {"balance": 50, "utilisation": 0.1}), (1, "balance", {"balance": 60}))
    assert found("balance", "utilisation") == (60, 0.5)


def test_recent_activity_is_counted_from_signals() -> None:
    signal(
        (0.5, "transaction", {"amount": 12.34}), (0.6, "transaction", {"amount": -5}),
        (1, "transaction", {"amount": 9}),
        (29, "transaction_declined", {"amount": 3}), (6, "service_call", {"topic": "fees"}),
        (8, "service_call", {"topic": "fees"}), (31, "complaint", {"topic": "app"}),
        (1, "alert_acknowledged", {"alert": "a"}), (20, "experiment_assigned", {"experiment": "tile", "variant": "a"}),
        (10, "experiment_assigned", {"experiment": "tile", "variant": "b"}),
        (15, "experiment_assigned", {"experiment": "colour", "variant": "red"}),
    )  # fmt: skip
    assert found("transactions_24h", "spend_24h") == (2, 12.34)
    assert found("declined_transaction_30d", "service_calls_7d", "complaint_30d") == (True, 1, False)
    assert found("alerts_acknowledged_7d", "experiments") == (1, "colour:red|tile:b")
    assert found("competitor_inquiry_30d") is False


def test_average_utilisation_is_the_mean_of_what_was_signalled() -> None:
    signal(*((days, "balance", {"balance": 1, "utilisation": used}) for days, used in ((1, 0.2), (80, 0.5), (91, 0.9))))
    signal_free = found("utilisation_90d", "revolving", "utilisation")
    assert signal_free == (0.35, True, 0.2)


def test_time_with_the_bank_counts_from_the_first_account_in_whole_months() -> None:
    for key, days in (("a", 800), ("b", 40)):
        Account.objects.create(
            customer_id=CUSTOMER, account_key=key, product="p", opened_on=ago(days).date(), occurred_at=ago(1),
            known_at=ago(1),
        )  # fmt: skip
    assert found("tenure_months", "lifecycle_stage") == (26, "mature")


def test_posts_of_ninety_days_are_averaged_over_those_that_say_anything() -> None:
    for days, sentiment, interests in ((1, 0.5, {"travel": 0.2}), (80, -0.1, {}), (91, 1.0, {"travel": 1.0})):
        Post.objects.create(
            customer_id=CUSTOMER, source="forum", post_key=str(days), occurred_at=ago(days), known_at=ago(days),
            sentiment=sentiment, interests=interests,
        )  # fmt: skip
    assert found("text_posts_90d", "text_sentiment", "text_interest_travel", "text_interest_retail") == (
        2, 0.2, 0.2, None,
    )  # fmt: skip


def test_a_group_is_as_old_as_its_oldest_value_and_what_is_computed_is_of_now() -> None:
    spend((1, 10, "dining"))
    tell("spend_behaviour", {"spend_90d": 1}, days=5)
    assert found("since__spend_behaviour") == NOW.timestamp()
    tell("spend_behaviour", {"revolving": True}, days=4, source="core_banking")
    assert found("since__spend_behaviour") == ago(4).timestamp()
    assert found("since__text_interest") is None


def test_conflicts_between_sources_are_resolved_as_declared() -> None:
    tell("credit_risk", {"credit_score": 600, "debt_to_income": 0.2}, days=1, source="application")
    tell("credit_risk", {"credit_score": 700}, days=3, source="bureau")
    assert found("credit_score", "debt_to_income", "credit_score_band") == (700, 0.2, "670_739")


def test_values_stand_at_the_resolution_of_the_register() -> None:
    tell("credit_risk", {"credit_score": 700.6, "debt_to_income": 0.123449})
    tell("account_state", {"balance": 10.006, "cards_held": ["b", "a"], "cards_held_count": 2})
    assert found("credit_score", "debt_to_income", "balance") == (701, 0.1234, 10.01)
    assert found("cards_held", "cards_held_count") == ("a|b", 2)
