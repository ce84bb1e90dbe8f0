"""A small made-up history of everything that can happen to customers, a good part of it known only days later."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from decisioning.features import history
from decisioning.models import Account, Customer, FeatureRow, Post, Signal, Transaction
from decisioning.partitions import ensure
from offers.register import CARD_KINDS
from tests.factories import NOW

DAYS = 400
_CATEGORIES = ("groceries", "dining", "travel", "fuel", "online", "other", "transfer", "loan", "cash", "pets")
_SOURCES = ("core_banking", "application", "a campaign list")
_EVENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("transaction", {"amount": 612.5, "mcc": "5411"}),
    ("transaction", {"amount": 17.005}),
    ("transaction", {"amount": -50}),
    ("transaction_declined", {"amount": 9}),
    ("balance", {"balance": 1043.21, "utilisation": 0.31255}),
    ("balance", {"balance": -3}),
    ("payment", {"amount": 40}),
    ("service_call", {"topic": "fees"}),
    ("complaint", {"topic": "app"}),
    ("alert_acknowledged", {"alert": "balance"}),
    ("competitor_inquiry", {}),
    ("life_event", {"event": "new_mortgage"}),
    ("life_event", {"event": "first_child"}),
    ("life_event", {"event": "salary_change"}),
    ("experiment_assigned", {"experiment": "tile", "variant": "large"}),
    ("experiment_assigned", {"experiment": "tile", "variant": "small"}),
    ("experiment_assigned", {"experiment": "wording", "variant": "b"}),
    ("page_view", {"page": "cards", "seconds": 3}),
)  # fmt: skip


def make(count: int, *, seed: int = 0) -> list[int]:
    """Customers of whom the first knows nothing and nobody; returns their ids."""
    random = np.random.default_rng(seed)
    ensure((NOW - timedelta(days=DAYS)).date(), NOW.date(), ("transaction", "signal"))
    ids = [each.pk for each in Customer.objects.bulk_create(Customer(known_at=NOW) for _ in range(count))]
    for customer in ids[1:]:
        _happen(random, customer)
        _tell(random, customer)
    return ids


def spine(ids: list[int], size: int, *, seed: int = 1) -> pa.Table:
    """Decisions on these customers at moments of the last 200 days, some of them at one moment."""
    random = np.random.default_rng(seed)
    moments = [_before(random, 200) for _ in range(size)]
    moments[: size // 4] = [NOW] * (size // 4)
    at = np.array([moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[us]")
    return history.spine(random.choice(ids, size), at)


def _before(random: np.random.Generator, days: float) -> datetime:
    return NOW - timedelta(seconds=round(random.uniform(0, days * 86_400), 3))


def _times(random: np.random.Generator, days: float = DAYS) -> dict[str, datetime]:
    """A third of all facts is known some days after it happened, and a tenth was announced before."""
    at, draw = _before(random, days), random.random()
    apart = timedelta(days=random.exponential(12))
    return {"occurred_at": at, "known_at": at + apart if draw < 0.33 else at - apart if draw > 0.9 else at}


def _happen(random: np.random.Generator, customer: int) -> None:
    Transaction.objects.bulk_create(
        Transaction(
            customer_id=customer, transaction_key=f"t{number}", account_key="a", source="test", **_times(random),
            amount=round(float(random.lognormal(3.5, 1.5)), int(random.integers(1, 4))),
            category=str(random.choice(_CATEGORIES)),
        )
        for number in range(random.integers(0, 60))
    )  # fmt: skip
    Transaction.objects.bulk_create(
        Transaction(
            customer_id=customer, transaction_key=f"s{number}", account_key="a", source="test", **_times(random),
            amount=-float(random.integers(1_000, 3_000)), category=str(random.choice(["salary", "income", "other"])),
        )
        for number in range(random.integers(0, 14))
    )  # fmt: skip
    for number in range(random.integers(0, 40)):
        type_, payload = _EVENTS[random.integers(len(_EVENTS))]
        days = float(random.choice([1.5, 9, 40, DAYS]))
        Signal.objects.create(
            customer_id=customer, event_id=f"e{number}", type=type_, payload=payload, **_times(random, days)
        )
    for number in range(random.integers(0, 4)):
        kinds = random.choice(list(CARD_KINDS), random.integers(0, 4), replace=False)
        Post.objects.create(
            customer_id=customer, source="forum", post_key=f"p{number}", sentiment=float(random.uniform(-1, 1)),
            interests={str(kind): float(random.uniform(-1, 1)) for kind in kinds}, **_times(random, 150),
        )  # fmt: skip
        opened = _before(random, 4_000)
        Account.objects.create(
            customer_id=customer, account_key=f"a{number}", product="current account", opened_on=opened.date(),
            balance=1, **_times(random),
        )  # fmt: skip


def _tell(random: np.random.Generator, customer: int) -> None:
    for source in random.choice(_SOURCES, random.integers(0, 4), replace=False):
        for _ in range(random.integers(1, 4)):
            for group, values in _statements(random).items():
                FeatureRow.objects.create(
                    customer_id=customer, group=group, source=source, version=1, **_times(random, 90),
                    values={name: value for name, value in values.items() if random.random() < 0.7},
                )  # fmt: skip


def _statements(random: np.random.Generator) -> dict[str, dict[str, Any]]:
    return {
        "credit_risk": {"credit_score": float(random.integers(300, 851)), "debt_to_income": float(random.random()),
                        "on_time_payment_rate_12m": float(random.random())},
        "account_state": {"state": str(random.choice(["CA", "NY"])), "country": 'Côte d\'Ivoire, "CI"',
                          "is_21_or_over": bool(random.random() < 0.5), "balance": float(random.normal(0, 900)),
                          "cards_held": sorted(map(str, random.choice(["a-card", "b", "Ž"], 2))), "homes_owned": 1,
                          "utilisation": float(random.random())},
        "lifecycle": {"branch_visits_90d": int(random.integers(9)), "tenure_months": 12},
        "spend_behaviour": {"spend_90d": 77.0, "revolving": True, "utilisation_90d": float(random.random())},
        "recent_activity": {"experiments": [], "complaint_30d": True},
        "product_affinity": {"affinity_travel": float(random.random())},
        "text_interest": {"text_sentiment": 0.25},
    }  # fmt: skip
