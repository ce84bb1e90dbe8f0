"""Requests at the same time, with real commits: one decision a session, caps that hold, nothing learned twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections, transaction
from django.db.utils import DatabaseError
from django.utils import timezone

from decisioning import decision_log, learn, outcomes, reward_log, runtime, serve
from decisioning.models import Decision, Outcome, Presentation, RewardLog, RewardWork, SessionLease
from tests import bank, catalogue

CHANNELS = ("mobile_app", "web", "email", "branch", "call_centre")


@pytest.fixture
def product(live_db: None) -> Iterator[None]:
    bank.customers(2)
    bank.publish(catalogue.content())
    learn.run(timezone.now())
    bank.warm()
    yield
    runtime.forget()


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work` in threads that start together, each with its own connections."""
    gate = threading.Barrier(count)

    def one(number: int) -> Any:
        gate.wait()
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def ask(session: str, channel: str = "mobile_app", customer: str = "C-1", limit: int = 3) -> serve.Answer:
    return serve.ask(serve.Ask(customer, session, channel, "home_banner", limit, {}), timezone.now())


def test_fifty_requests_for_one_session_from_five_channels_are_one_decision(product: None) -> None:
    answers = at_once(50, lambda number: ask("one", CHANNELS[number % 5]))
    assert Decision.objects.count() == SessionLease.objects.count() == 1
    assert len({answer.decision_id for answer in answers}) == 1
    rankings = {tuple(shown.choice.arm for shown in answer.presented.shown) for answer in answers}
    assert len(rankings) == 1
    assert sum(not answer.reused for answer in answers) == 1
    assert Presentation.objects.count() == 50


def test_sessions_of_one_customer_at_once_cannot_pass_the_cap(product: None) -> None:
    value = catalogue.content()
    value["contact_policy"]["default"]["decisions_per_day"] = 3
    bank.publish(value)
    answers = at_once(10, lambda number: ask(f"s-{number}"))
    assert sum(answer.presented.reason is None for answer in answers) == 3
    assert sum(answer.presented.reason == "CAPPED" for answer in answers) == 7


def event(answer: serve.Answer, kind: str, event_id: str) -> outcomes.Event:
    offer = answer.presented.shown[0].choice.offer
    assert answer.decision_id
    return outcomes.Event(event_id, answer.decision_id, offer, kind, timezone.now(), None)


def test_the_same_outcome_from_many_threads_counts_once(product: None) -> None:
    impression, click = (event(ask("one"), kind, kind) for kind in ("impression", "click"))
    taken = at_once(12, lambda _: outcomes.take([(0, impression), (1, click)], timezone.now()))
    assert sum(result.accepted for result in taken) == 2
    assert sum(result.duplicates for result in taken) == 22
    assert Outcome.objects.count() == RewardWork.objects.count() == 2


def test_two_learners_at_once_learn_each_outcome_once(product: None) -> None:
    answers = [ask(f"s-{number}") for number in range(20)]
    for number, answer in enumerate(answers):
        batch = [(0, event(answer, "impression", f"i{number}")), (1, event(answer, "click", f"c{number}"))]
        outcomes.take(batch, timezone.now())
    at_once(4, lambda _: learn.run(timezone.now()))
    rows = RewardLog.objects.filter(type=reward_log.REWARD)
    assert rows.count() == 20
    assert sum(row.reward for row in rows) == pytest.approx(10.0)
    assert RewardWork.objects.count() == 0
    positions = list(RewardLog.objects.order_by("position").values_list("position", flat=True))
    assert positions == list(range(1, len(positions) + 1))


def test_a_conflicting_body_under_a_known_event_id_is_refused_and_the_rest_kept(product: None) -> None:
    answer = ask("one")
    outcomes.take([(0, event(answer, "impression", "same"))], timezone.now())
    taken = outcomes.take([(0, event(answer, "click", "same")), (1, event(answer, "click", "new"))], timezone.now())
    assert taken.accepted == 1
    assert [(row.index, row.code) for row in taken.rejected] == [(0, "CONFLICT")]


def test_an_unknown_decision_or_offer_is_rejected_by_name(product: None) -> None:
    answer = ask("one")
    assert answer.decision_id
    now = timezone.now()
    taken = outcomes.take(
        [
            (0, outcomes.Event("a", uuid4(), "offer-0", "click", now, None)),
            (1, outcomes.Event("b", answer.decision_id, "no-such-offer", "click", now, None)),
        ],
        now,
    )
    assert [row.code for row in taken.rejected] == ["UNKNOWN_DECISION", "UNKNOWN_OFFER"]


def test_an_offer_that_was_ranked_but_never_shown_has_no_outcome(product: None) -> None:
    answer = ask("one", limit=1)
    assert answer.decision_id
    ranked = decision_log.result(decision_log.get(answer.decision_id)).choices
    now = timezone.now()
    second = outcomes.Event("a", answer.decision_id, ranked[1].offer, "click", now, None)
    assert [row.code for row in outcomes.take([(0, second)], now).rejected] == ["NOT_SHOWN"]
    ask("one", channel="web", limit=3)  # a second channel has room for it
    assert outcomes.take([(0, second)], timezone.now()).accepted == 1


def test_decisions_and_outcomes_cannot_be_changed_by_anybody(product: None) -> None:
    outcomes.take([(0, event(ask("one"), "impression", "i"))], timezone.now())
    statements = ["UPDATE {} SET offer = 'x'", "DELETE FROM {}", "TRUNCATE {}"]
    for alias in ("default", "owner"):
        for table in ("decisioning_decision", "decisioning_outcome"):
            for statement in statements:
                with pytest.raises(DatabaseError), transaction.atomic(alias), connections[alias].cursor() as cursor:
                    cursor.execute(statement.format(table))
    assert (Decision.objects.count(), Outcome.objects.count()) == (1, 1)
