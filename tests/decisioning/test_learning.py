"""From outcomes to the posterior: what counts as a trial and a reward, and that any version can be rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations

import pytest
from django.utils import timezone

from decisioning import learn, outcomes, rebuild, replay, reward_log, runtime, serve, store
from decisioning.features import online
from decisioning.models import Decision, Posterior, PosteriorHead, RewardLog
from tests import bank, catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def product() -> Iterator[None]:
    bank.customers(40)
    bank.publish(catalogue.content())
    learn.forget()
    learn.run(timezone.now())
    bank.warm()
    yield
    runtime.forget()
    learn.forget()


def ask(customer: str = "C-1", session: str = "s") -> serve.Answer:
    return serve.ask(serve.Ask(customer, session, "web", "home_banner", 1, {}), timezone.now())


def send(answer: serve.Answer, *kinds: str, tag: str = "", late: timedelta = timedelta()) -> None:
    assert answer.decision_id
    offer, now = answer.presented.shown[0].choice.offer, timezone.now()
    for kind in kinds:
        event = outcomes.Event(f"{answer.decision_id}{kind}{tag}", answer.decision_id, offer, kind, now + late, None)
        taken = outcomes.take([(0, event)], now + late)
        assert taken.accepted == 1, taken


def learned(answer: serve.Answer) -> tuple[int, float]:
    rows = RewardLog.objects.filter(decision_id=str(answer.decision_id))
    return sum(row.trial for row in rows), round(sum(row.reward for row in rows), 9)


@pytest.mark.parametrize("order", list(permutations(["impression", "click", "application"])))
@pytest.mark.parametrize("fold_between", [False, True])
def test_order_and_batching_of_outcomes_do_not_matter(order: tuple[str, ...], fold_between: bool) -> None:
    answer = ask()
    for kind in order:
        send(answer, kind)
        if fold_between:
            learn.run(timezone.now())
    learn.run(timezone.now())
    assert learned(answer) == (1, 0.8)


def test_no_impression_is_no_trial_and_dismissal_is_no_reward() -> None:
    clicked, dismissed = ask("C-1"), ask("C-2")
    send(clicked, "click")
    send(dismissed, "impression", "dismissal")
    learn.run(timezone.now())
    assert learned(clicked) == (0, 0)
    assert learned(dismissed) == (1, 0)


def test_a_type_counts_once_however_often_it_is_told() -> None:
    answer = ask()
    send(answer, "impression", "click")
    learn.run(timezone.now())
    send(answer, "impression", "click", tag="again")
    learn.run(timezone.now())
    assert learned(answer) == (1, 0.5)


def test_what_comes_after_the_attribution_window_is_not_learned() -> None:
    answer = ask()
    send(answer, "impression")
    send(answer, "click", late=timedelta(days=31))
    learn.run(timezone.now())
    assert learned(answer) == (1, 0.0)


def test_the_posterior_that_the_next_decision_uses_has_learned() -> None:
    answer = ask()
    arm = answer.presented.shown[0].choice.arm
    before = runtime.engine(online.versions_in_postgres()).posterior
    send(answer, "impression", "click", "application", "activation")
    learn.run(timezone.now())
    after = ask("C-2")
    assert after.posterior > answer.posterior
    held = after.engine.posterior
    assert held.trials[held.index[arm]] == before.trials[before.index[arm]] + 1
    assert held.theta[held.index[arm]][0] > before.theta[before.index[arm]][0]


def test_any_version_is_rebuilt_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn, "CHECKPOINT_EVERY", 7)
    seen = {}
    for number in range(1, 31):
        send(ask(f"C-{number}"), "impression", *(["click"] if number % 3 == 0 else []))
        learn.run(timezone.now())
        raw = store.client().get(store.POSTERIOR)
        assert isinstance(raw, bytes)
        seen[PosteriorHead.objects.get().position] = raw
    assert Posterior.objects.count() > 3
    for position, content in seen.items():
        rebuilt = reward_log.rebuilt(position)
        assert rebuilt is not None
        assert rebuilt.to_bytes() == content


def test_a_new_context_starts_anew_and_older_decisions_still_replay() -> None:
    answer = ask()
    send(answer, "impression")
    learn.run(timezone.now())
    value = catalogue.content()
    value["ranking"]["default"]["context"] = [{"attribute": "tenure_months", "centre": 30, "scale": 30}]
    bank.publish(value)
    between = ask("C-2", "between")  # under the new release, before the learner has seen it
    send(between, "impression", "click")
    learn.run(timezone.now())
    later = ask("C-3", "later")
    assert later.engine.posterior.dimension == 2
    for item in (answer, between, later):
        assert replay.replay(Decision.objects.get(id=str(item.decision_id))).identical


def test_after_redis_is_wiped_the_posterior_comes_back_as_it_was() -> None:
    send(ask(), "impression", "click")
    learn.run(timezone.now())
    before = store.client().get(store.POSTERIOR)
    store.client().flushdb()
    assert "redis_cold" in ask("C-2").degraded
    assert rebuild.is_cold()
    assert rebuild.rebuild() == 40
    assert not rebuild.is_cold()
    assert store.client().get(store.POSTERIOR) == before
    assert ask("C-3").degraded == ("propensity_base_rate",)
