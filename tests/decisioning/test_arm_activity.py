"""How arms fared in what was decided: the draws against their probabilities, shares by day, beliefs by context."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from decisioning import arm_activity, learn, outcomes, runtime
from decisioning.activity import standings
from decisioning.arm_activity import by_context, by_day, delays
from decisioning.bandit.posterior import RewardRow
from decisioning.models import Decision as DecisionRow
from decisioning.models import RewardWork
from decisioning.serve import Ask, ask
from tests import bank, catalogue
from tests.decisioning.test_mandates import ARM, learned, mandated

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_is_held() -> None:
    arm_activity.forget()


def living(mandate: dict[str, float] | None = None, decisions: int = 60) -> None:
    content = catalogue.content()
    if mandate:
        content["arm"][ARM]["mandate"] = mandate
    names = bank.customers(decisions)
    bank.publish(content)
    bank.warm()
    for name in names:
        ask(Ask(name, "s", "mobile_app", "home_banner", 1, {}), timezone.now())


def test_without_a_mandate_share_and_merit_are_one() -> None:
    living()
    found = arm_activity.draws()
    assert len(found) == 6
    for row in found.values():
        assert row.decisions == 60
        assert row.share == row.merit
        assert row.moved == 0
    assert sum(row.expected for row in found.values()) == pytest.approx(60)


def test_the_recomputed_chance_is_the_logged_one() -> None:
    living(decisions=5)
    (plan,) = {row.release: runtime.plan(row.release) for row in DecisionRow.objects.all()}.values()
    for _, decision in arm_activity._newest():
        ((merit, _),) = arm_activity._chances(plan, [decision])
        first = [row.arm for row in decision.scored].index(decision.choices[0].arm)
        assert merit[first] == pytest.approx(decision.choices[0].action_probability, abs=1e-6)


def test_a_mandates_share_stands_beside_the_merit() -> None:
    living({"min_share": 0.7})
    row = arm_activity.draws()[ARM]
    assert row.share == pytest.approx(0.7)
    assert row.merit is not None
    assert row.merit < 0.5
    assert row.p_value is not None
    assert row.p_value > 1e-6


@pytest.mark.parametrize(("first", "mismatch"), [(0, True), (5, True), (18, False), (20, False), (34, True)])
def test_counts_that_chance_does_not_explain_are_a_mismatch(first: int, mismatch: bool) -> None:
    row = arm_activity._draws([(place < first, 0.3, 0.5) for place in range(40)])
    assert (row.first, row.expected, row.share) == (first, 20.0, 0.5)
    assert row.merit == pytest.approx(0.3)
    assert row.mismatch == mismatch


def test_an_arm_that_always_comes_first_has_nothing_left_to_chance() -> None:
    living({"min_share": 1.0}, decisions=5)
    row = arm_activity.draws()[ARM]
    assert (row.first, row.p_value) == (5, None)


def test_shares_by_day_are_counted_by_day_and_days_that_are_over_are_kept() -> None:
    living(decisions=20)
    now = timezone.now()
    tomorrow = now + timedelta(days=1)
    assert [sum(day.arms.values()) for day in by_day(now)][-2:] == [0, 20]
    ask(Ask("C-1", "later", "mobile_app", "home_banner", 1, {}), tomorrow)
    days = by_day(tomorrow)
    assert [sum(day.arms.values()) for day in days][-2:] == [20, 1]
    assert days[0].share_of(ARM) is None
    assert sum(days[-2].share_of(arm) or 0 for arm in days[-2].arms) == pytest.approx(1.0)


def test_a_busy_day_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm_activity, "A_DAY", 16)
    living(decisions=20)
    assert 2 <= sum(by_day(timezone.now())[-1].arms.values()) <= 4  # of one part of eight, or of two at its edge


def test_beliefs_by_context_begin_with_the_average_customer_and_differ_by_term() -> None:
    plan = mandated()
    posterior = learned(plan)
    app = plan.context({"device_type": "app"})
    posterior = posterior.fold([RewardRow(1_000 + n, ARM, app, trial=True, reward=1.0) for n in range(50)])
    found = by_context(plan, posterior, ARM)
    average = next(row for row in standings(plan, posterior) if row.arm == ARM)
    assert (found[0].term, found[0].mean) == (None, average.mean)
    assert [row.term.attribute for row in found[1:] if row.term] == ["device_type", "utilisation"]
    assert found[1].mean > found[0].mean
    assert all(0 <= row.low <= max(row.mean, 0) <= row.high for row in found)


def test_rewards_that_wait_and_how_late_they_usually_come() -> None:
    living({"min_share": 1.0}, decisions=3)
    rows = list(DecisionRow.objects.all())
    now = timezone.now()
    events = [
        outcomes.Event(f"e-{row.id}-{kind}", row.id, "offer-0", kind, row.made_at + timedelta(seconds=wait), None)
        for row, wait in zip(rows, (10, 20, 90), strict=True)
        for kind in ("impression", "click")
    ]
    outcomes.take(list(enumerate(events)), now + timedelta(minutes=5))
    waiting = delays(ARM, "offer-0")
    assert (waiting.waiting, waiting.typical) == (6, None)
    assert waiting.oldest == min(row.made_at for row in rows) + timedelta(seconds=10)
    learn.run(now + timedelta(minutes=5))
    learnt = delays(ARM, "offer-0")
    assert (learnt.waiting, learnt.rewarded) == (0, 3)
    assert learnt.typical == pytest.approx(20, abs=0.01)
    assert not RewardWork.objects.exists()
