"""How old each group is: over the customers, and as decisions had it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from django.utils import timezone

from decisioning.features import freshness, statistics, vector
from decisioning.features.freshness import GroupFreshness
from decisioning.models import FeatureVector
from offers.register import GROUPS
from tests import living_bank

DAY = 86_400.0


def _vectors(now: datetime, days: list[float | None], *, computed: timedelta = timedelta(0), step: int = 7) -> None:
    """Customers of whom credit risk is true since so many days; None where it is not known."""
    as_of = now - computed
    since = [None if value is None else now.timestamp() - value * DAY for value in days]
    contents = vector.encode(pa.table({"since__credit_risk": pa.array(since, pa.float64())}), as_of)
    first = FeatureVector.objects.count()
    FeatureVector.objects.bulk_create(
        FeatureVector(customer_id=(first + at) * step + 1, as_of=as_of, made_at=as_of, content=content)
        for at, content in enumerate(contents)
    )


def _now(moment: datetime, group: str = "credit_risk") -> GroupFreshness:
    return next(row for row in freshness.now(moment) if row.group.name == group)


def test_ages_limit_and_coverage_are_those_of_the_customers(db: None) -> None:
    now = timezone.now()
    _vectors(now, [1.0] * 60 + [40.0] * 20 + [None] * 20, computed=timedelta(hours=3))
    found = _now(now)
    assert (found.sampled, found.coverage) == (100, 0.8)
    assert found.customers is not None
    assert found.customers.known == 80
    assert found.customers.median == pytest.approx(DAY, abs=1)
    assert found.customers.p95 == pytest.approx(40 * DAY, abs=1)
    assert found.customers.past_limit == 0.25  # the limit is 35 days
    assert found.materialised_at == now - timedelta(hours=3)
    assert _now(now, "lifecycle").customers is None
    assert _now(now, "lifecycle").coverage == 0


def test_a_batch_that_did_not_run_breaks_its_promise(db: None) -> None:
    now = timezone.now()
    _vectors(now, [1.0] * 50, computed=timedelta(hours=23))
    assert _now(now).kept
    assert _now(now + timedelta(hours=2)).kept is False
    assert _now(now + timedelta(hours=2), "account_state").kept is None  # it follows each signal


def test_a_bank_larger_than_the_sample_is_sampled_evenly_over_all_its_customers(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "SAMPLE", 40)
    now = timezone.now()
    _vectors(now, [1.0] * 200)
    _vectors(now, [100.0] * 200)
    found = _now(now)
    assert found.sampled == 40
    assert found.customers is not None
    assert found.customers.past_limit == 0.5


def test_a_vector_of_another_declaration_is_not_counted(db: None) -> None:
    now = timezone.now()
    _vectors(now, [1.0] * 10)
    FeatureVector.objects.filter(customer_id=1).update(content=b"\x00" * 200)
    assert _now(now).sampled == 9


def test_decisions_tell_what_age_they_were_served_also_of_the_session(db: None) -> None:
    living_bank.make(customers=60, decisions=12)
    now = timezone.now()
    session = _now(now, "session_context")
    assert session.customers is None
    assert session.served is not None
    assert (session.served.known, session.served.p95) == (12, 0.0)
    served = _now(now).served
    assert served is not None
    assert served.known == 12


def test_coverage_of_an_attribute_is_what_was_measured_last(db: None) -> None:
    living_bank.make(customers=60, decisions=2)
    assert _now(timezone.now()).attribute_coverage == {}
    statistics.measure(timezone.now())
    found = _now(timezone.now())
    assert found.attribute_coverage["debt_to_income"] == 1
    assert found.attribute_coverage["on_time_payment_rate_12m"] == 0
    assert found.statistics_at is not None


def test_every_group_is_told_of_in_a_bank_without_customers(db: None) -> None:
    found = freshness.now(timezone.now())
    assert [row.group for row in found] == list(GROUPS.values())
    assert all(row.customers is None and row.served is None and row.coverage is None for row in found)
