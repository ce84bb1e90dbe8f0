"""Features as known at a moment, on Postgres: the past as it was known then, conflicts, and what stands in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from decisioning.features import history
from decisioning.features.engines.postgres import Postgres
from decisioning.ingest import precedence
from decisioning.ingest.precedence import Statement
from decisioning.models import Customer, FeatureRow, Signal, Transaction
from decisioning.partitions import ensure
from tests.decisioning import bitemporal
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def _customer() -> int:
    return Customer.objects.create(known_at=NOW).pk


def _tell(customer: int, group: str, values: dict[str, Any], at: datetime, known: datetime | None = None,
          source: str = "core_banking") -> None:  # fmt: skip
    FeatureRow.objects.create(
        customer_id=customer, group=group, source=source, version=1, occurred_at=at, known_at=known or at, values=values
    )


def _spend(customer: int, key: str, amount: float, at: datetime, known: datetime | None = None,
           category: str = "groceries") -> None:  # fmt: skip
    ensure(at.date(), at.date(), ("transaction",))
    Transaction.objects.create(
        customer_id=customer, transaction_key=key, account_key="a", occurred_at=at, known_at=known or at, amount=amount,
        category=category, source="test",
    )  # fmt: skip


def _as_of(customer: int, moment: datetime) -> dict[str, Any]:
    spine = history.spine(np.array([customer]), np.datetime64(moment.replace(tzinfo=None), "us"))
    return dict(history.as_of(Postgres(), spine).to_pylist()[0])


def test_what_was_known_only_later_does_not_leak_into_the_past() -> None:
    customer, decided = _customer(), NOW - timedelta(days=10)
    _spend(customer, "known", 100.004, decided - timedelta(days=2))
    _spend(customer, "backfill", 40, decided - timedelta(days=3), known=decided + timedelta(days=1))
    _spend(customer, "future", 7, decided + timedelta(days=2))
    _tell(customer, "credit_risk", {"credit_score": 640}, decided - timedelta(days=5))
    _tell(
        customer, "credit_risk", {"credit_score": 500}, decided - timedelta(days=1), known=decided + timedelta(days=1)
    )
    then, now = _as_of(customer, decided), _as_of(customer, NOW)
    assert (then["spend_90d"], then["credit_score"]) == (100.0, 640.0)
    assert (now["spend_90d"], now["credit_score"]) == (147.0, 500.0)


def _counted(facts: list[Any], moment: datetime, days: int) -> list[Any]:
    """The facts that count, told in plain words: happened by then, known by then, and within the window."""
    start = moment - timedelta(days=days)
    return [fact for fact in facts if start < fact.occurred_at <= moment and fact.known_at <= moment]


def test_every_decision_of_one_read_sees_its_own_past_and_no_more() -> None:
    ids = bitemporal.make(25)
    spine = bitemporal.spine(ids, 200)
    for row, known in zip(spine.to_pylist(), history.as_of(Postgres(), spine).to_pylist(), strict=True):
        customer, moment = row["customer_id"], row["moment"]
        booked = list(Transaction.objects.filter(customer_id=customer))
        calls = list(Signal.objects.filter(customer_id=customer))
        told = list(FeatureRow.objects.filter(customer_id=customer, group="credit_risk"))
        if _counted(booked, moment, 365):
            assert known["transactions_30d"] == len(_counted(booked, moment, 30))
        if _counted(calls, moment, 365):
            asked = [each for each in _counted(calls, moment, 7) if each.type == "service_call"]
            assert known["service_calls_7d"] == len(asked)
        said = [Statement(each.source, each.occurred_at, each.known_at, each.values) for each in told]
        score = precedence.resolve("credit_risk", said, moment).get("credit_score")
        assert known["credit_score"] == (score.value if score else None)


def test_a_long_spine_worked_on_in_pieces_gives_the_same_table_in_its_own_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spine = bitemporal.spine(bitemporal.make(12), 60)
    spine = spine.set_column(0, "entry", pa.array(range(1_000, 1_060)))
    whole = history.as_of(Postgres(), spine)
    monkeypatch.setattr(history, "PIECE", 7)
    assert history.as_of(Postgres(), spine).equals(whole)
    assert whole["entry"].to_pylist() == list(range(1_000, 1_060))


def test_of_nobody_nothing_is_known() -> None:
    nobody = history.spine(np.array([], dtype=np.int64), np.datetime64("2026-11-20"))
    assert history.as_of(Postgres(), nobody).equals(history.COLUMNS.empty_table())
    stranger = _as_of(987_654_321, NOW)
    assert {name: value for name, value in stranger.items() if value is not None} == {"entry": 0}
