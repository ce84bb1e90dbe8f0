"""What the bank's books say of a customer's accounts now, with what signals change at once."""

from __future__ import annotations

from decisioning.features import aggregates
from decisioning.features.groups.implementation import Implementation
from decisioning.features.measures import Measure, Reported

QUARTERS = tuple(f"balance_q{quarter}" for quarter in (1, 2, 3, 4))

IMPLEMENTATION = Implementation(
    "account_state",
    given=(
        "state", "country", "is_21_or_over", "cards_held", "cards_held_count", "accounts_open", "overdraft_protection",
        "homes_owned", "owns_home", "household_size", "payment_hardship", "average_balance", *QUARTERS,
    ),
    aggregated={
        "balance": Reported("balance", "balance"),
        "utilisation": Reported("balance", "utilisation"),
        "days_since_last_payment": aggregates.since_days(
            Measure("paid", "transactions", "max", "occurred_at", where=aggregates.payment),
            Measure("payment_signalled", "signals", "max", "occurred_at", where=aggregates.of_type("payment")),
        ),
        "large_purchase_7d": aggregates.happened(
            Measure("large_purchases_7d", "transactions", "count", days=7, where=aggregates.large),
            Measure("large_purchases_signalled_7d", "signals", "count", days=7, where=aggregates.large_signalled),
        ),
        "new_mortgage_180d": aggregates.happened(aggregates.life_events("new_mortgage")),
        "first_child_180d": aggregates.happened(aggregates.life_events("first_child")),
    },
    derived=("salary_change", "salary_changed_90d", "balance_trend_90d", "cash_flow_shortfall_30d"),
    momentary=(
        "balance", "utilisation", "days_since_last_payment", "large_purchase_7d", "salary_changed_90d",
        "new_mortgage_180d", "first_child_180d",
    ),
)  # fmt: skip
