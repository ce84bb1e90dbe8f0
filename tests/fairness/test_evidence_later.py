"""Dates hide nothing: a change is judged whenever something in it starts or ends, and where it is sold."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from decisioning import runtime
from fairness import evidence, gate, moments
from offers import roles, snapshot
from offers.catalog import InvalidContent, Item
from offers.models import ChangeRequest, Evidence
from tests.factories import (
    NOW,
    approve,
    approve_content,
    author_of_anything,
    clause,
    make_bank,
    make_user,
    offer,
    propose,
    rule,
    small_catalogue,
)

pytestmark = pytest.mark.django_db
SOON = NOW + timedelta(seconds=90)
HIGH = clause("credit_score", ">=", 780)


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    runtime.forget()


def _floor(key: str = "floor", target: str = "", score: int = 780, **dates: datetime) -> Item:
    made = rule(key, clause("credit_score", ">=", score), target)
    return Item("rule", key, {**(made.content or {}), **{name: at.isoformat() for name, at in dates.items()}})


def _computed(*items: Item) -> tuple[ChangeRequest, Evidence]:
    change = propose(list(items), author=author_of_anything("later-author"))
    return change, evidence.compute(change, NOW)


def _later(found: Evidence) -> list[dict[str, Any]]:
    return list(found.content["later"])


def test_a_rule_that_starts_in_a_minute_is_judged_as_one_that_starts_now() -> None:
    make_bank(2000)
    approve_content()
    change, dated = _computed(_floor(starts_at=SOON))
    _, at_once = _computed(_floor("floor-now"))
    assert dated.content["any_offer"]["lose"] == 0
    (then,) = _later(dated)
    assert (then["at"], then["brings"]) == (SOON.isoformat(), ["rule floor starts"])
    assert then["any_offer"] == at_once.content["any_offer"]
    assert dated.verdict == at_once.verdict == then["verdict"] == "fail"
    assert {row["subject"] for row in then["fails"]} >= {evidence.ANY_OFFER}
    checker = make_user(roles.RISK_APPROVER, "later-checker")
    with pytest.raises(gate.FairnessFailed):
        approve(change, checker)


def test_an_end_that_is_taken_away_or_put_later_is_judged_when_it_would_have_come() -> None:
    make_bank(2000)
    approve_content()
    approve_content([_floor(ends_at=SOON)])
    _, endless = _computed(_floor())
    assert endless.content["any_offer"]["lose"] == 0
    assert [(row["at"], row["verdict"]) for row in _later(endless)] == [(SOON.isoformat(), "fail")]
    assert _later(endless)[0]["any_offer"]["lose"] > 0
    _, retired = _computed(Item("rule", "floor", None))
    assert [row["any_offer"]["gain"] for row in _later(retired)] == [0]  # by then it would have ended


def test_a_rule_that_ends_gives_back_whom_it_took_away() -> None:
    make_bank(500)
    approve_content()
    _, found = _computed(_floor(score=640, ends_at=SOON))
    assert found.content["any_offer"]["lose"] > 0
    assert [(row["any_offer"]["gain"], row["any_offer"]["lose"]) for row in _later(found)] == [(0, 0)]


def test_an_offer_that_ends_is_judged_when_it_ends() -> None:
    make_bank(500)
    approve_content()
    row = snapshot.live_row()
    assert row is not None
    ended = [
        Item("offer", key, {**content, "ends_at": SOON.isoformat()}) for key, content in row.content["offer"].items()
    ]
    _, found = _computed(*ended)
    (then,) = _later(found)
    assert found.content["any_offer"]["lose"] == 0
    assert then["any_offer"]["lose"] == then["any_offer"]["before"] > 0


def test_a_change_without_dates_has_no_later() -> None:
    make_bank(200)
    approve_content()
    _, found = _computed(_floor(score=640))
    assert _later(found) == []


def test_moments_with_the_same_rules_are_judged_once_and_too_many_are_refused() -> None:
    make_bank(60)
    approve_content()
    boost = {"title": "b", "scope": "all", "target": "", "when": HIGH, "factor": 2.0, "starts_at": SOON.isoformat()}
    ends = [NOW + timedelta(days=day) for day in range(1, moments.AT_MOST + 1)]
    some = [_floor(f"rule-{day}", score=500, ends_at=at) for day, at in enumerate(ends)]
    _, found = _computed(*some, Item("boost", "b", {**boost, "starts_at": ends[0].isoformat()}))
    assert _later(found)[0]["brings"] == ["boost b starts", "rule rule-0 ends"]
    assert len(_later(found)) == moments.AT_MOST
    with pytest.raises(InvalidContent, match="split it"):
        _computed(*some, _floor("one-more", score=500, starts_at=SOON))


def test_a_change_that_is_due_later_is_judged_at_its_moment_too() -> None:
    make_bank(60)
    approve_content()
    change = propose([_floor(score=640)], author=author_of_anything("later-author"))
    change.go_live_at = SOON
    (then,) = _later(evidence.compute(change, NOW))
    assert (then["at"], then["brings"]) == (SOON.isoformat(), [moments.LIVE])


def _by_email() -> list[Item]:
    """A product that is sold by email alone."""
    made = [Item("product", "business", {"title": "Business"})]
    for item in offer("business-card", product="business"):
        content = dict(item.content or {})
        if item.kind == "offer":
            content["channels"] = ["email"]
        if item.kind == "creative":
            content["texts"] = {"email": content["texts"]["mobile_app"]}
        made.append(Item(item.kind, item.key, content))
    return made


@pytest.mark.parametrize("scope", [("offer", "business-card"), ("product", "business")])
def test_a_rule_on_a_product_is_judged_where_the_product_is_sold(scope: tuple[str, str]) -> None:
    make_bank(200)
    approve_content([*small_catalogue(), *_by_email()])
    content = {**(rule("strict", HIGH).content or {}), "scope": scope[0], "target": scope[1]}
    _, found = _computed(Item("rule", "strict", content))
    assert found.content["decisions"]["channel"] == "email"


def test_a_rule_on_everything_says_nothing_of_where() -> None:
    make_bank(60)
    approve_content([*small_catalogue(), *_by_email()])
    _, found = _computed(_floor(score=640))
    assert found.content["decisions"]["channel"] == "mobile_app"
