"""Learning budgets: counted beside the decision, known to the next one, and never taken for zero when they are lost."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.utils import timezone

from decisioning import budgets, decision_log, rebuild, runtime, store
from decisioning.explanation import explain
from decisioning.models import Decision as DecisionRow
from decisioning.replay import replay
from decisioning.serve import Answer, Ask, ask
from tests import bank, catalogue

pytestmark = pytest.mark.django_db

ARM = "offer-0/c0"
NOON = datetime.combine(timezone.now().date(), time(12), UTC)


def learning_bank(**mandate: Any) -> None:
    """An arm that always comes first although others promise more, so firmly believed that chance has no say."""
    content = catalogue.content()
    for arm in content["arm"].values():
        arm["prior_strength"] = 1e6
    content["arm"][ARM] |= {"prior_mean": 0.0, "mandate": {"min_share": 1.0, **mandate}}
    bank.customers(1)
    bank.publish(content)
    bank.warm()
    budgets.open_days(NOON)
    decide("first")  # the first decision of a process learns which release is live


def decide(session: str, at: datetime = NOON, customer: str = "C-1", *, dry_run: bool = False) -> Answer:
    return ask(Ask(customer, session, "mobile_app", "home_banner", 1, {}, dry_run=dry_run), at)


def recorded(answer: Answer) -> DecisionRow:
    assert answer.decision_id is not None
    return DecisionRow.objects.get(id=answer.decision_id)


def first_arm(answer: Answer) -> str | None:
    return recorded(answer).arm


def count(at: datetime = NOON) -> int:
    held = budgets.counted(store.client().hgetall(budgets.key(at)))
    assert held is not None
    return held.get(ARM, 0)


def test_a_budget_ends_the_days_learning_and_the_next_day_begins_a_new_one() -> None:
    learning_bank(learning_budget=3)
    chosen = [first_arm(decide(f"s-{number}")) for number in range(12)]
    assert chosen.count(ARM) == 3
    assert chosen[:3] == [ARM] * 3
    assert count() == 3
    tomorrow = NOON + timedelta(days=1)
    assert first_arm(decide("t-1", tomorrow)) == ARM
    assert count(tomorrow) == 1


def test_a_decision_that_spent_replays_to_the_same_bytes() -> None:
    learning_bank(learning_budget=2, never_explore=["complaint_30d"])
    rows = [recorded(decide(f"s-{number}")) for number in range(6)]
    spent = [decision_log.inputs(row)[1].spent for row in rows]
    assert spent[:3] == [{ARM: 0}, {ARM: 1}, {ARM: 2}]
    assert [decision_log.result(row).spends for row in rows[:3]] == [ARM, ARM, None]
    assert all(replay(row).identical for row in rows)


def test_a_repeat_and_a_dry_run_spend_nothing() -> None:
    learning_bank(learning_budget=5)
    decide("s-1")
    assert count() == 1
    decide("s-1")
    decide("s-2", dry_run=True)
    assert count() == 1


def test_a_lost_count_is_not_zero_and_is_made_anew_from_the_decisions() -> None:
    learning_bank(learning_budget=3)
    for number in range(2):
        decide(f"s-{number}")
    store.client().delete(budgets.key(NOON))
    assert first_arm(decide("lost")) != ARM
    budgets.open_days(NOON)
    assert count() == 2
    assert first_arm(decide("found")) == ARM
    assert first_arm(decide("spent")) != ARM


def test_without_redis_nothing_is_learned_beyond_the_expected_score() -> None:
    learning_bank(learning_budget=3)
    store.client().delete(store.VERSIONS)
    answer = decide("cold")
    assert "redis_cold" in answer.degraded
    assert first_arm(answer) != ARM


def test_a_customer_that_redis_does_not_hold_still_has_the_days_count() -> None:
    learning_bank(learning_budget=3)
    for key in store.client().scan_iter("c:*"):
        store.client().delete(key)
    assert first_arm(decide("s-1")) == ARM


def test_a_release_without_budgets_asks_redis_nothing_more() -> None:
    bank.customers(1)
    bank.publish(catalogue.content())
    bank.warm()
    decide("first")
    assert not runtime.has_budgets()
    store.client().config_resetstat()
    decide("s-1")
    assert "cmdstat_hgetall" in (commands := store.client().info("commandstats"))
    assert commands["cmdstat_hgetall"]["calls"] == 1


def test_a_rebuild_opens_the_days() -> None:
    learning_bank(learning_budget=3)
    now = timezone.now()
    store.client().flushdb()
    rebuild.rebuild()
    for day in (now, now + timedelta(days=1)):
        assert budgets.counted(store.client().hgetall(budgets.key(day))) == {}


def test_an_explanation_leads_with_the_arm_that_was_chosen_and_says_both_chances() -> None:
    learning_bank(learning_budget=3)
    row = recorded(decide("s-1"))
    offer = next(offer for offer in explain(row)["offers"] if offer["offer"] == "offer-0")
    assert offer["rank"] == 1
    assert offer["arms"][0]["arm"] == ARM
    assert offer["arms"][0]["score"] < offer["arms"][1]["score"]  # chosen by mandate and not by score
    assert offer["arms"][0]["chance_by_mandate"] == 1.0
    assert offer["arms"][0]["chance_by_merit"] < 0.001
