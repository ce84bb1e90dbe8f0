"""Evidence: what a change does to whom, and a verdict that blames a change for its own gaps only."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from decisioning.models import FeatureRow
from fairness import evidence, parity, vault
from fairness.dataset import Grouping
from fairness.parity import NOBODY, OLD_GAP, REFERENCE_BEHIND, REFERENCE_SHUT_OUT, Change
from fairness.stage_effects import SHOWN_FIRST, STEERING
from fairness.thresholds import Verdict
from fairness.vault import Entry
from offers.catalog import InvalidContent, Item
from offers.models import AuditEvent, ChangeRequest, Evidence
from tests.factories import (
    NOW,
    approve_content,
    author_of_anything,
    clause,
    make_bank,
    make_model,
    offer,
    propose,
    rule,
    small_catalogue,
)

# --- The verdict on one change, without a database ---------------------------------------------------------------


def _rates(group: float, reference: float, people: int = 2000) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """`people` of the group, then as many of the reference, with these shares of them favourable."""
    order = np.arange(people) / people
    return np.concatenate([order < group, order < reference])


def _judge(before: tuple[float, float] | None, after: tuple[float, float], people: int = 2000) -> Change:
    groups = {"region": Grouping(np.repeat(np.array([0, 1], dtype=np.int16), people), ("Islands", "Metro"))}
    today = None if before is None else _rates(*before, people)
    (change,) = parity.compare("offer", groups, today, _rates(*after, people))
    return change


@pytest.mark.parametrize(
    ("before", "after", "verdict", "note"),
    [
        (None, (0.3, 0.6), Verdict.FAIL, ""),  # new: nothing excuses it
        ((0.3, 0.6), (0.3, 0.6), Verdict.WATCH, OLD_GAP),
        ((0.3, 0.6), (0.35, 0.6), Verdict.WATCH, OLD_GAP),  # better, but not good
        ((0.3, 0.6), (0.299, 0.6), Verdict.FAIL, ""),  # a little worse
        ((0.55, 0.6), (0.3, 0.6), Verdict.FAIL, ""),
        ((0.3, 0.6), (0.6, 0.6), Verdict.PASS, ""),
        ((0.6, 0.6), (0.51, 0.6), Verdict.WATCH, ""),
        ((0.6, 0.6), (0.0, 0.6), Verdict.FAIL, ""),  # shut out
        (None, (0.6, 0.0), Verdict.FAIL, REFERENCE_SHUT_OUT),
        (None, (0.5, 0.2), Verdict.WATCH, REFERENCE_BEHIND),
        ((0.6, 0.6), (0.5, 0.2), Verdict.WATCH, REFERENCE_BEHIND),
        (None, (0.0, 0.0), Verdict.TOO_LITTLE_DATA, NOBODY),
    ],
)
def test_a_change_answers_for_what_it_does(
    before: tuple[float, float] | None, after: tuple[float, float], verdict: Verdict, note: str
) -> None:
    change = _judge(before, after)
    assert (change.verdict, change.note) == (verdict, note)


def test_an_old_gap_that_reaches_many_more_people_fails() -> None:
    """A pilot that was justified is not rolled out to everybody on the same signature."""
    pilot, everybody = _judge((0.02, 0.04), (0.02, 0.04)), _judge((0.02, 0.04), (0.4, 0.8))
    assert (pilot.verdict, pilot.note) == (Verdict.WATCH, OLD_GAP)
    assert (everybody.verdict, everybody.note) == (Verdict.FAIL, "")


def test_a_gap_between_handfuls_is_no_finding() -> None:
    assert _judge(None, (0.3, 0.6), people=20).verdict is Verdict.TOO_LITTLE_DATA


def test_undefined_is_kept_for_nobody() -> None:
    assert parity.overall({}, 0) is Verdict.UNDEFINED
    assert parity.overall({"any_offer": []}, 10) is Verdict.TOO_LITTLE_DATA
    assert parity.overall({"any_offer": [_judge(None, (0.6, 0.6)), _judge(None, (0.3, 0.6))]}, 10) is Verdict.FAIL


# --- The whole of it ----------------------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db
STRICTER = clause("credit_score", ">=", 720)


def _change(*items: Item) -> ChangeRequest:
    return propose(items, author=author_of_anything())


def _row(rows: list[dict[str, Any]], name: str, key: str = "offer") -> dict[str, Any]:
    return next(row for row in rows if row[key] == name)


def _scores() -> list[float | None]:
    rows = FeatureRow.objects.filter(group="credit_risk").values_list("values", flat=True)
    return [row.get("credit_score") for row in rows]


def test_reach_today_and_after_are_those_of_the_rules() -> None:
    make_bank(500)
    FeatureRow.objects.filter(group="account_state").update(
        values={"is_21_or_over": True, "cards_held": [], "state": "CA"}
    )
    approve_content()
    computed = evidence.compute(_change(rule("score-670", STRICTER, "travel-plus")), NOW)
    scores = [score for score in _scores() if score is not None]
    today, after = sum(score >= 640 for score in scores), sum(score >= 720 for score in scores)
    reach = _row(computed.content["reach"], "travel-plus")
    assert (reach["before"], reach["after"], reach["gain"], reach["lose"]) == (today, after, 0, today - after)
    assert _row(computed.content["reach"], "first-card")["lose"] == 0
    assert computed.population == 500
    assert computed.content["any_offer"] == {
        "before": 500, "after": 500, "gain": 0, "lose": 0, "without_before": 0, "without_after": 0,
    }  # fmt: skip
    for rows in computed.content["segments"].values():
        assert sum(row["customers"] for row in rows) == 500
    subjects = {row["subject"] for row in computed.content["parity"]}
    assert {name for name in subjects if not name.startswith(SHOWN_FIRST)} == {"any_offer", "travel-plus", STEERING}
    assert computed.content["live_release"] == 1
    json.dumps(computed.content, allow_nan=False)


def test_who_is_left_with_no_offer_is_counted_by_band_and_state() -> None:
    make_bank(400)
    approve_content()
    computed = evidence.compute(_change(rule("prime-only", clause("credit_score", ">=", 670))), NOW)
    totals = computed.content["any_offer"]
    assert totals["without_after"] == totals["without_before"] + totals["lose"]
    assert totals["lose"] > 0
    bands = {row["name"]: row for row in computed.content["segments"]["credit_score_band"]}
    assert bands["580_669"]["after"] == bands["not recorded"]["after"] == 0
    assert bands["580_669"]["before"] > 0
    assert sum(band["after"] for band in bands.values()) == totals["after"]


def test_the_first_release_answers_for_everything() -> None:
    make_bank(2000)
    computed = evidence.compute(_change(*small_catalogue(), rule("score", STRICTER)), NOW)
    assert computed.verdict == "fail"
    regions = [row for row in computed.content["parity"] if row["group"] == "Islands"]
    offers = {"everyday-cash", "travel-plus", "student", "first-card"}
    exposed = {f"{SHOWN_FIRST}{offer}" for offer in offers}
    assert {row["subject"] for row in regions} == {"any_offer", STEERING, *offers, *exposed}
    assert all(row["before"] is None for row in regions)
    assert computed.content["live_release"] is None


def test_an_old_gap_does_not_block_what_leaves_it_alone() -> None:
    make_bank(2000)
    approve_content([*small_catalogue(), rule("score", STRICTER)])
    renamed = evidence.compute(_change(Item("product", "card", {"title": "Credit card"})), NOW)
    assert renamed.verdict == "watch"
    (islands,) = [
        row for row in renamed.content["parity"] if (row["group"], row["subject"]) == ("Islands", "any_offer")
    ]
    assert (islands["verdict"], islands["note"]) == ("watch", OLD_GAP)
    assert islands["before"] == islands["after"]
    relaxed = evidence.compute(_change(rule("score", clause("credit_score", ">=", 700))), NOW)
    assert relaxed.verdict == "watch"
    tightened = evidence.compute(_change(rule("score", clause("credit_score", ">=", 740))), NOW)
    assert tightened.verdict == "fail"


def test_a_new_offer_with_a_gap_fails_though_any_offer_does_not() -> None:
    make_bank(2000)
    approve_content()
    computed = evidence.compute(_change(*offer("black"), rule("black-score", STRICTER, "black")), NOW)
    assert computed.verdict == "fail"
    failing = {(row["subject"], row["group"]) for row in computed.content["parity"] if row["verdict"] == "fail"}
    assert failing == {("black", "Islands")}


def test_a_retired_offer_is_shown_with_nobody_after() -> None:
    make_bank(100)
    approve_content()
    items = [Item("offer", "student", None), Item("rule", "low-debt", None)]
    items += [Item(kind, f"student/{name}", None) for kind in ("arm", "creative") for name in ("plain", "bold")]
    row = _row(evidence.compute(_change(*items), NOW).content["reach"], "student")
    assert row["after"] is None
    assert row["lose"] == row["before"] > 0


def test_a_candidate_that_cannot_run_leaves_no_evidence() -> None:
    change = _change(rule("lost", clause("credit_score", ">=", 700), "no-such-offer"))
    with pytest.raises(InvalidContent, match="there is no offer no-such-offer"):
        evidence.compute(change, NOW)
    assert not Evidence.objects.exists()


def test_without_customers_the_verdict_is_undefined() -> None:
    computed = evidence.compute(_change(*small_catalogue()), NOW)
    assert (computed.population, computed.verdict, computed.content["parity"]) == (0, "undefined", [])


def test_without_recorded_groups_nothing_is_reassuring() -> None:
    ids = make_bank(50)
    vault.erase(ids)
    assert evidence.compute(_change(*small_catalogue()), NOW).verdict == "too_little_data"


def test_a_rule_on_the_session_is_named() -> None:
    make_bank(20)
    change = _change(*small_catalogue(), rule("looked", clause("cards_viewed_count", ">", 0), "student"))
    computed = evidence.compute(change, NOW)
    assert computed.content["session_rules"] == ["looked"]
    assert _row(computed.content["reach"], "student")["after"] == 0


def test_a_model_that_prefers_one_group_fails_on_its_scores() -> None:
    ids = make_bank(1500)
    women = set(ids[::2])
    vault.write(
        [Entry(pk, "gender", "female" if pk in women else "male") for pk in ids], source="test", now=NOW
    )  # fmt: skip
    for pk in ids:
        share = 0.1 if pk in women else 0.9
        FeatureRow.objects.filter(customer_id=pk, group="spend_behaviour").update(values={"spend_share_travel": share})
    approve_content()
    fair, unfair = make_model("fair", "spend_share_fuel"), make_model("unfair", "spend_share_travel")
    change = _change(Item("model", "unfair", {"title": "Unfair", "sha256": unfair.sha256}))
    computed = evidence.compute(change, NOW)
    (women_row,) = [
        row for row in computed.content["parity"] if (row["group"], row["subject"]) == ("female", evidence.SCORE)
    ]
    assert computed.verdict == women_row["verdict"] == "fail"
    assert women_row["subject"] == evidence.SCORE
    assert women_row["after"]["ratio"] == 0
    assert computed.content["score"] == {"sample": 1500, "scored": computed.content["any_offer"]["after"]}
    assert all(row["lose"] == row["gain"] == 0 for row in computed.content["reach"])
    change = _change(Item("model", "fair", {"title": "Fair", "sha256": fair.sha256}))
    computed = evidence.compute(change, NOW)
    ratios = {row["after"]["ratio"] for row in computed.content["parity"] if row["subject"] == evidence.SCORE}
    assert (computed.verdict == "fail", ratios) == (False, {1.0})  # it tells nobody apart


def test_evidence_is_on_the_audit_trail() -> None:
    computed = evidence.compute(_change(*small_catalogue()), NOW)
    event = AuditEvent.objects.get(action="evidence.computed")
    assert json.loads(event.detail)["evidence"] == computed.pk
