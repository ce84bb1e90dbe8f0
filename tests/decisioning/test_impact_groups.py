"""Groups in words: what a tree finds is a condition that says the same, of attributes that stand for nothing protected;
and a funnel whose numbers add up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.utils import timezone

from decisioning import impact, runtime
from decisioning.impact import groups
from decisioning.impact.funnel import looser_value, with_value
from decisioning.impact.kept import forget
from decisioning.impact.scene import Scene, scene_for
from decisioning.models import Consent
from decisioning.plan import Plan
from offers import snapshot
from offers.catalog import Item
from offers.conditions import Clause, Combination, attributes_of, parse, to_json
from offers.conditions.describe import sentence
from offers.conditions.vectorise import CategoryColumn, Columns, NumberColumn, evaluate_many
from offers.register import ATTRIBUTES
from tests.factories import approve_content, clause, make_bank, offer, rule, small_catalogue


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    runtime.forget()
    forget()
    yield
    forget()


def _columns(size: int = 2000, seed: int = 1) -> Columns:
    random = np.random.default_rng(seed)
    scores = np.where(random.random(size) < 0.1, np.nan, np.rint(random.uniform(300, 850, size)))
    return {
        "credit_score": NumberColumn(scores),
        "revolving": NumberColumn(np.where(random.random(size) < 0.1, np.nan, random.random(size) < 0.5)),
        "lifecycle_stage": CategoryColumn(random.integers(-1, 3, size), ("new", "mature", "churning")),
        "household_size": NumberColumn(np.rint(random.uniform(1, 6, size))),
    }


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        (Clause("credit_score", "<=", 500), "credit score is at most 500"),
        (Clause("credit_score", "is_missing"), "credit score is not known"),
        (Clause("revolving", "is", True), "the customer carries a revolving balance"),
        (Clause("lifecycle_stage", "=", "churning"), "lifecycle stage is churning"),
        (
            Combination("all", (Clause("revolving", "is", False), Clause("credit_score", ">", 600))),
            "the customer carries no revolving balance",
        ),
    ],
)
def test_what_is_true_of_a_group_is_what_is_said_of_it(truth: Clause | Combination, words: str) -> None:
    columns = _columns()
    chosen = evaluate_many(truth, columns) == 1
    found = groups.conditions(columns, chosen)
    assert found
    assert words in sentence(found[0])
    assert parse(to_json(found[0])) == found[0]
    within = evaluate_many(found[0], columns) == 1
    assert chosen[within].mean() > 0.95
    assert within[chosen].mean() > 0.85


def test_no_group_is_told_by_what_stands_for_something_protected_or_of_fewer_than_twenty() -> None:
    columns = _columns()
    sizes = columns["household_size"]
    assert isinstance(sizes, NumberColumn)
    for condition in groups.conditions(columns, sizes.values > 4):
        assert all(ATTRIBUTES[name].basis_class == "ok" for name in attributes_of(condition))
    scores = columns["credit_score"]
    assert isinstance(scores, NumberColumn)
    few = np.zeros(len(scores), dtype=bool)
    few[np.argsort(scores.values)[: groups.FEWEST - 1]] = True
    assert groups.conditions(columns, few) == []
    assert groups.conditions(columns, np.ones(len(scores), dtype=bool)) == []  # all alike: nothing stands out


def test_attributes_that_may_describe_are_open_to_rules_and_no_proxies() -> None:
    for name in ("state", "is_21_or_over", "household_size", "commute_zone", "first_child_180d", "cards_viewed"):
        assert not groups.may_describe(ATTRIBUTES[name])
    assert groups.may_describe(ATTRIBUTES["credit_score"])


@pytest.mark.parametrize(
    ("tried", "expected"),
    [
        (Clause("credit_score", ">=", 680), 660),
        (Clause("credit_score", "<", 700), 720),
        (Clause("credit_score", ">=", 310), 300),
        (Clause("credit_score", ">=", 300), None),
        (Clause("debt_to_income", "<=", 0.4), 0.45),
        (Clause("tenure_months", ">", 12), 6),
        (Clause("balance", ">=", 1000), 900),
        (Clause("revolving", "is", True), None),
        (Clause("credit_score", "between", (600, 700)), None),
    ],
)
def test_a_limit_is_loosened_by_a_step_that_a_policy_would_take(tried: Clause, expected: float | None) -> None:
    assert looser_value(tried) == expected


def _either(limit: float) -> dict[str, object]:
    return {"any": [clause("credit_score", ">", limit), clause("credit_score", "is_missing")]}


def test_a_limit_is_moved_where_it_stands() -> None:
    when = parse({"all": [clause("revolving", "is", True), _either(600)]})
    moved = with_value(when, "/all/1/any/0", 580)
    assert moved == parse({"all": [clause("revolving", "is", True), _either(580)]})


# --- With a bank ---------------------------------------------------------------------------------------------------


def _bank(now: datetime) -> impact.Kept:
    ids = make_bank(300, now=now)
    Consent.objects.filter(customer_id__in=ids[:30], purpose="marketing").delete()
    approve_content([*small_catalogue(), rule("solvent", clause("debt_to_income", "<=", 0.35), "travel-plus")], now=now)
    return impact.kept(now)


def _live() -> Plan:
    row = snapshot.live_row()
    assert row is not None
    return runtime.plan(row.number)


@pytest.mark.django_db
def test_a_funnel_adds_up_and_agrees_with_the_decisions() -> None:
    now = timezone.now()
    kept = _bank(now)
    found = impact.funnel(_live(), "travel-plus", kept, now)
    left = found.people
    for step in found.steps:
        left -= step.ended
        assert step.left == left
        assert step.alone <= found.people - found.left
    assert found.left == left
    rules = ["age-21", "score-670", "solvent", "_under-21-strict-default"]
    assert [step.name for step in found.steps] == ["NO_CONSENT", *rules, "CAPPED"]
    assert found.steps[0].ended == 30
    assert found.first + sum(count for _, count in found.rivals) == found.left
    reach = impact.reach(snapshot.apply(snapshot.EMPTY, _items()), now)
    without = found.left + next(step.alone for step in found.steps if step.name == "NO_CONSENT")
    assert without == int(reach.of("travel-plus").sum())


def _items() -> list[Item]:
    row = snapshot.live_row()
    assert row is not None
    return snapshot.between(snapshot.EMPTY, row.content)


@pytest.mark.django_db
def test_a_looser_limit_adds_whom_it_says() -> None:
    now = timezone.now()
    kept = _bank(now)
    found = impact.funnel(_live(), "travel-plus", kept, now)
    best = found.looser[0]
    live = snapshot.live_row()
    assert live is not None
    content = live.content["rule"][best.rule]
    when = to_json(with_value(parse(content["when"]), "", best.value))
    moved = snapshot.apply(live.content, [Item("rule", best.rule, {**content, "when": when})])
    again = impact.funnel(impact.plan_of(moved), "travel-plus", kept, now)
    assert best.added > 0
    assert again.left - found.left == best.added


@pytest.mark.django_db
def test_an_offer_out_of_season_is_ended_by_that_and_a_fallback_never_competes() -> None:
    now = timezone.now()
    make_bank(30, now=now)
    gone = (now - timedelta(days=1)).isoformat(timespec="seconds")
    approve_content([*small_catalogue(), *offer("past", ends_at=gone)], now=now)
    found = impact.funnel(_live(), "past", impact.kept(now), now)
    assert found.biggest is not None
    assert (found.biggest.name, found.biggest.left, found.left) == ("NOT_IN_SEASON", 0, 0)


@pytest.mark.django_db
def test_the_scene_is_where_what_it_is_about_is_shown() -> None:
    approve_content([*small_catalogue(), *offer("letters", channels=["web"])])
    plan = _live()
    assert scene_for([plan], ["letters"]) == Scene("web", "home")
    assert scene_for([plan]) == Scene("web", "home")  # the channel with most offers
    assert scene_for([], ["letters"]) == Scene("", "")


@pytest.mark.django_db
def test_who_is_shown_nothing_adds_up_to_everybody() -> None:
    now = timezone.now()
    kept = _bank(now)
    found = impact.unserved(_live(), kept, now)
    assert found.shown + sum(found.ended.values()) == found.sample == 300
    assert found.ended["NO_CONSENT"] == 30
    assert 0 <= found.weak <= found.shown
    for group in found.groups:
        assert group.count <= group.people


@pytest.mark.django_db
def test_a_bank_without_customers_has_nobody_without_an_offer() -> None:
    now = timezone.now()
    approve_content(now=now)
    found = impact.unserved(_live(), impact.drawn(now, 100), now)
    assert (found.sample, found.shown, found.ended, found.groups) == (0, 0, {}, ())
    assert impact.funnel(_live(), "student", impact.kept(now), now).biggest is None
