"""Served values against history: equal over a living bank, and every planted difference is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from decisioning import customer_signals, decision_log, identity, records, runtime, serve, store
from decisioning.features import history, materialise, momentary, skew, vector
from decisioning.features.engines.postgres import Postgres
from decisioning.models import Consent, Customer, Decision, FeatureRow, FeatureVector, Signal, SkewCheck, Transaction
from decisioning.partitions import ensure
from decisioning.signal_shapes import Event
from tests import bank, catalogue, living_bank

pytestmark = pytest.mark.django_db


@pytest.fixture
def product() -> Iterator[None]:
    bank.customers(6, now=timezone.now() - timedelta(days=2))
    bank.publish(catalogue.content())
    bank.warm()
    yield
    runtime.forget()


def _decide(number: int = 1, *, context: Mapping[str, Any] | None = None, now: datetime | None = None) -> Decision:
    moment = now or timezone.now()
    ask = serve.Ask(f"C-{number}", f"s-{moment.timestamp()}", "web", "home_banner", 1, context or {})
    return Decision.objects.get(id=str(serve.ask(ask, moment).decision_id))


def _check(*, sample: int = 1000) -> SkewCheck:
    """A check after everything that was decided here."""
    return skew.check(timezone.now() + timedelta(minutes=2), sample)


def _soon() -> datetime:
    """A moment that is surely after the vectors' own."""
    return timezone.now() + timedelta(minutes=1)


def _id(number: int) -> int:
    return Customer.objects.get(external_id=f"C-{number}").pk


def _signal(number: int, type_: str, at: datetime, payload: dict[str, Any], *, known_at: datetime) -> None:
    """A signal that reaches history, and Redis not yet."""
    event = Event(f"{type_}-{at.timestamp()}", f"C-{number}", type_, at, payload)
    taken = customer_signals.take([(0, event)], known_at)
    assert taken.accepted == 1


def _refresh(number: int) -> None:
    store.client().delete(store.customer_key(Customer.objects.get(external_id=f"C-{number}").token or ""))


def test_a_living_bank_is_served_what_history_says() -> None:
    living_bank.make(customers=80, decisions=40)
    found = _check()
    assert (found.decisions, found.mismatches, found.skipped) == (40, {}, {})
    assert found.values > 40 * 5
    assert skew.state(timezone.now()).state == "green"


def test_signals_and_transactions_of_every_kind_are_served_as_history_says(product: None) -> None:
    now = timezone.now()
    ensure((now - timedelta(days=100)).date(), now.date())
    random = np.random.default_rng(3)
    Transaction.objects.bulk_create(
        Transaction(
            customer_id=_id(1 + number % 5), transaction_key=f"t{number}", account_key="a", source="",
            occurred_at=now - timedelta(days=float(random.uniform(0, 99))), known_at=now - timedelta(hours=1),
            amount=round(float(random.normal(60, 300)), 2), category=str(random.choice(["travel", "groceries", ""])),
        )
        for number in range(300)
    )  # fmt: skip
    materialise.population(now)
    payloads: dict[str, dict[str, Any]] = {
        "page_view": {"page": "cards", "seconds": 12.3}, "card_view": {"card": "travel-plus", "seconds": 3},
        "transaction": {"amount": 812.5, "mcc": "5411", "channel": "pos"}, "transaction_declined": {"amount": 5},
        "balance": {"balance": 1234.567, "utilisation": 0.33333}, "payment": {"amount": 20},
        "service_call": {"topic": "fees"}, "complaint": {"topic": "fees"}, "competitor_inquiry": {},
        "bureau_refresh": {"credit_score": 655}, "life_event": {"event": "new_mortgage"},
    }  # fmt: skip
    for number in range(1, 6):
        for place, (type_, payload) in enumerate(payloads.items()):
            at = now - timedelta(minutes=2 * place * number)
            event = Event(f"{type_}-{number}", f"C-{number}", type_, at, payload)
            taken = customer_signals.take([(0, event)], timezone.now())
            assert taken.accepted == 1
            customer_signals.refresh(taken)
        if number == 3:  # 4 and 5 are decided on before their vectors have seen the late signals
            momentary.catch_up(timezone.now())
    for number in range(1, 7):
        _decide(number)
        _decide(number, context={"device_type": "app", "cards_viewed": ["travel-plus"], "seconds_on_cards_page": 9})
    found = _check()
    assert (found.decisions, found.mismatches) == (12, {})
    served = decision_log.inputs(Decision.objects.filter(customer_id=_id(1)).latest("id"))[1].attributes
    assert {"spend_90d", "transactions_24h", "large_purchase_7d", "complaint_30d", "balance"} <= served.keys()


def test_bytes_of_a_vector_that_were_changed_are_seen_with_what_was_served(product: None) -> None:
    customer = _id(1)
    stored = FeatureVector.objects.get(pk=customer)
    moment = np.datetime64(stored.as_of.replace(tzinfo=None), "us")
    table = history.as_of(Postgres(), history.spine(np.array([customer]), moment))
    place = table.column_names.index("debt_to_income")
    changed = table.set_column(place, "debt_to_income", [[0.3]])
    FeatureVector.objects.filter(pk=customer).update(content=vector.encode(changed, stored.as_of)[0])
    materialise.publish([customer], timezone.now())
    row, _ = _decide(1), _decide(2)
    found = _check()
    assert found.mismatches == {"debt_to_income": 1}
    assert found.examples == [
        {"decision": str(row.id), "attribute": "debt_to_income", "served": 0.3, "recomputed": 0.25,
         "moment": row.made_at.isoformat()}
    ]  # fmt: skip
    state = skew.state(timezone.now())
    assert state.state == "red"
    assert "1 of" in state.detail
    assert "debt to income" in state.detail


def test_history_that_was_altered_after_the_fact_is_seen(product: None) -> None:
    _decide(1)
    FeatureRow.objects.filter(customer_id=_id(1), group="account_state").update(values={"state": "NY"})
    found = _check()
    assert {"state", "is_21_or_over"} <= found.mismatches.keys()
    assert {"credit_score", "spend_90d"}.isdisjoint(found.mismatches)


def test_what_became_known_after_the_decision_is_no_difference(product: None) -> None:
    _decide(1)
    known_at = timezone.now()
    FeatureRow.objects.create(
        customer_id=_id(1), group="credit_risk", source="late", version=1, values={"credit_score": 500},
        occurred_at=known_at - timedelta(days=1), known_at=known_at,
    )  # fmt: skip
    materialise.customers([_id(1)], timezone.now())
    assert _check().mismatches == {}


@pytest.mark.parametrize("known", [-0.5, 0.5])
def test_a_signal_under_way_may_have_been_seen_or_not(product: None, known: float) -> None:
    at = _soon()
    _signal(1, "balance", at - timedelta(seconds=5), {"balance": 10.0}, known_at=at + timedelta(seconds=known))
    unseen = _decide(1, now=at)  # Redis was not told of it
    _refresh(1)
    seen = _decide(1, now=at + timedelta(milliseconds=1))  # read from Postgres, which knows
    balances = [decision_log.inputs(row)[1].attributes.get("balance") for row in (unseen, seen)]
    assert balances == [None, 10.0]
    found = _check()
    assert (found.decisions, found.mismatches) == (2, {})


def test_a_value_that_no_signal_under_way_told_is_a_difference(product: None) -> None:
    at = _soon()
    for seconds, balance in ((0.6, 10.0), (0.3, 20.0)):
        told_at = at - timedelta(seconds=seconds)
        _signal(1, "balance", told_at, {"balance": balance}, known_at=told_at)
    _refresh(1)
    _decide(1, now=at)
    Signal.objects.filter(payload__balance=20.0).update(payload={"balance": 30.0})
    assert _check().mismatches == {"balance": 1}


def test_a_signal_that_was_known_for_longer_than_the_promise_and_not_served_is_a_difference(product: None) -> None:
    at = _soon()
    _signal(1, "balance", at - timedelta(seconds=9), {"balance": 10.0}, known_at=at - timedelta(seconds=2))
    _decide(1, now=at)
    assert "balance" in _check().mismatches


def test_a_fact_that_was_committed_after_its_moment_is_within_the_promise_or_a_difference(product: None) -> None:
    for number, seconds in ((1, 0.5), (2, 5.0)):
        _decide(number)
        as_of = FeatureVector.objects.get(pk=_id(number)).as_of
        FeatureRow.objects.create(
            customer_id=_id(number), group="credit_risk", source="slow", version=1, values={"credit_score": 500},
            occurred_at=as_of - timedelta(seconds=seconds), known_at=as_of - timedelta(seconds=seconds),
        )  # fmt: skip
    found = _check()
    assert found.mismatches["credit_score"] == 1
    assert {example["decision"] for example in found.examples} == {str(Decision.objects.get(customer_id=_id(2)).id)}


def test_a_stale_group_is_served_its_last_value_or_nothing_and_computed_so_again(product: None) -> None:
    later = timezone.now() + timedelta(days=40)
    ensure(later.date(), later.date())
    row = _decide(1, now=later)
    known = decision_log.inputs(row)[1]
    assert "stale_credit_risk" in known.degraded
    assert "credit_score" not in known.attributes
    assert known.attributes["affinity_travel"] == 0.0
    assert skew.check(later + timedelta(seconds=2)).mismatches == {}


def test_groups_withheld_then_or_since_are_not_compared(product: None) -> None:
    Consent.objects.filter(customer_id=_id(1), purpose="personalisation").delete()
    Consent.objects.filter(customer_id=_id(2), purpose="personalisation").update(channel="moderate")
    store.client().flushdb()
    bank.warm()
    assert "spend_share_travel" not in decision_log.inputs(_decide(1))[1].attributes
    assert "spend_share_travel" in decision_log.inputs(_decide(2))[1].attributes
    assert "text_posts_90d" in decision_log.inputs(_decide(3))[1].attributes
    Consent.objects.filter(customer_id__in=[_id(2), _id(3)], purpose="personalisation").delete()
    FeatureRow.objects.filter(group="spend_behaviour").delete()
    found = _check()
    assert (found.decisions, found.mismatches) == (3, {})


def test_decisions_that_history_cannot_tell_are_skipped_and_counted(product: None) -> None:
    row, _, _ = (_decide(number) for number in (1, 2, 3))
    request, known = decision_log.inputs(row)
    row.id = identity.new_id(timezone.now())
    row.inputs = records.inputs_to_bytes(request, replace(known, vector_at=None))
    row.save(force_insert=True)
    Customer.objects.filter(pk=_id(2)).update(erased_at=timezone.now())
    found = _check()
    assert found.decisions == 2
    assert found.skipped == {"no vector": 1, "erased": 1}


def test_the_same_sample_is_drawn_again_and_the_next_check_takes_what_came_since(product: None) -> None:
    for number in (1, 2, 3, 4, 5):
        _decide(number)
    FeatureRow.objects.filter(group="account_state").update(values={})
    samples = []
    for size in (3, 3, 5):
        check = _check(sample=size)
        samples.append({example["decision"] for example in check.examples})
        assert (check.decisions, len(samples[-1])) == (size, size)
        check.delete()
    assert samples[0] == samples[1] < samples[2]
    assert _check(sample=3).decisions == 3
    assert skew.check(timezone.now() + timedelta(minutes=3)).decisions == 0


def test_without_a_check_or_without_a_newer_one_the_state_says_so(db: None) -> None:
    now = timezone.now()
    assert skew.state(now).state == "none"
    SkewCheck.objects.create(made_at=now - timedelta(hours=31), decisions=0, values=0, skipped={"no vector": 9})
    assert skew.state(now).state == "none"  # nothing was compared, which proves nothing
    SkewCheck.objects.create(made_at=now - timedelta(hours=30), decisions=10, values=300)
    assert skew.state(now).state == "green"
    assert skew.state(now + timedelta(hours=30)).state == "late"
    SkewCheck.objects.create(made_at=now, decisions=10, values=300, mismatches={"balance": 2, "retired_name": 3})
    assert skew.state(now + timedelta(days=3)).state == "red"
