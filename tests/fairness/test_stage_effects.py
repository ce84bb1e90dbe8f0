"""What a change does between eligibility and the first rank: stages add up, and steering to a lesser card fails."""

from __future__ import annotations

from math import isclose, log
from typing import Any

import pytest

from decisioning import impact, runtime
from fairness import dataset, evidence
from fairness.stage_effects import SHOWN_FIRST, STAGES, STEERING
from offers.catalog import Item
from offers.models import Evidence
from tests.factories import NOW, approve_content, author_of_anything, clause, make_bank, offer, propose, small_catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    runtime.forget()


def _lesser_card() -> list[Item]:
    """The student card serves its holder less than the others of the family."""
    return [item for item in offer("student", benefit_rank=2) if item.kind == "offer"]


def _boost(when: dict[str, Any], factor: float = 10.0) -> Item:
    content = {"title": "More students", "scope": "offer", "target": "student", "when": when, "factor": factor}
    return Item("boost", "students", content)


def _evidence_of(items: list[Item]) -> Evidence:
    return evidence.compute(propose(items, author=author_of_anything()), NOW)


def _rows(found: Evidence, subject: str) -> list[dict[str, Any]]:
    return [row for row in found.content["parity"] if row["subject"] == subject]


def test_a_boost_that_steers_one_region_to_the_lesser_card_fails() -> None:
    make_bank(3000)
    approve_content([*small_catalogue(), *_lesser_card()])
    found = _evidence_of([_boost(clause("credit_score", "<", 660))])
    islands = next(row for row in _rows(found, STEERING) if row["after"]["group"] == "Islands")
    assert (found.verdict, islands["verdict"]) == ("fail", "fail")
    assert islands["after"]["ratio"] < 0.8 < islands["before"]["ratio"]
    eligibility = [row for row in found.content["parity"] if row["subject"] in ("any_offer", "student")]
    assert not any(row["verdict"] == "fail" for row in eligibility), "nobody's eligibility is touched"


def test_a_boost_on_what_tells_of_no_group_steers_nobody() -> None:
    make_bank(3000)
    approve_content([*small_catalogue(), *_lesser_card()])
    found = _evidence_of([_boost(clause("spend_share_travel", "<", 0.5), factor=3.0)])
    assert {row["verdict"] for row in _rows(found, STEERING)} & {"fail"} == set()
    assert any(row["after"]["favourable"] != row["before"]["favourable"] for row in _rows(found, STEERING))


def test_a_boost_that_withholds_a_card_from_one_region_fails_though_nobody_has_a_choice_within_a_family() -> None:
    make_bank(3000)
    apart = [
        Item(item.kind, item.key, {**(item.content or {}), "family": item.key}) if item.kind == "offer" else item
        for item in small_catalogue()
    ]
    approve_content(apart)
    boost = Item("boost", "richer", {**(_boost(clause("credit_score", ">=", 690)).content or {}), "target": "student"})
    found = _evidence_of([boost])
    islands = next(row for row in _rows(found, f"{SHOWN_FIRST}student") if row["group"] == "Islands")
    assert (found.verdict, islands["verdict"]) == ("fail", "fail")
    assert islands["after"]["ratio"] < 0.8


def test_where_nobody_has_a_choice_within_a_family_there_is_no_steering() -> None:
    make_bank(60)
    families = [
        Item(item.kind, item.key, {**(item.content or {}), "family": item.key}) if item.kind == "offer" else item
        for item in small_catalogue()
    ]
    assert _rows(_evidence_of(families), STEERING) == []


def test_the_stages_of_the_waterfall_add_up_to_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    make_bank(1500)
    approve_content()
    seen: list[impact.Simulation] = []
    simulate = impact.simulate

    def keep(*given: Any, **named: Any) -> impact.Simulation:
        seen.append(simulate(*given, **named))
        return seen[-1]

    monkeypatch.setattr(impact, "simulate", keep)
    found = _evidence_of([_stricter()])
    (ran,) = seen
    rows = [row for row in found.content["waterfall"] if row["group"] == "Islands"]
    assert tuple(row["stage"] for row in rows) == STAGES
    for side, decided in (("before", ran.decided[0]), ("after", ran.decided[-1])):
        assert isclose(sum(log(row[side]) for row in rows), log(_shown_ratio(ran, decided)), abs_tol=1e-9)
    eligible = next(row for row in rows if row["stage"] == "eligible")
    assert eligible["change"] < -0.1
    assert isclose(sum(row["change"] for row in rows), sum(log(row["after"]) - log(row["before"]) for row in rows))


def _stricter() -> Item:
    content = {
        "title": "Score", "scope": "all", "target": "", "when": clause("credit_score", ">=", 700),
        "reason_code": "SCORE", "basis": "Credit policy 1.1",
    }  # fmt: skip
    return Item("rule", "score-all", content)


def _shown_ratio(ran: impact.Simulation, decided: impact.Decided) -> float:
    """Straight from who is shown something, without a stage in between."""
    region = dataset.groupings(ran.customers, NOW)["region"]
    rates = [decided.shown[region.codes == region.names.index(name)].mean() for name in ("Islands", "Metro")]
    return float(rates[0] / rates[1])
