"""What is said of scores and outcomes: planted gaps are found, fair months pass, a few people are never told of, and
each number is derived from its counts again."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest

from fairness import metrics
from fairness.counts import STRICT, ConfusionCounts, GroupCounts
from fairness.dataset import Grouping
from fairness.scores import comparison, record
from fairness.scores.month import Month
from fairness.thresholds import Verdict
from tests.fairness.scores.months import month


def _figures(held: Month, grouping: Grouping, offer: str = "travel-plus") -> dict[str, dict[str, Any]]:
    found = next(one for one in record.of_scores(held, {"gender": grouping}, STRICT) if one.offer == offer)
    assert (found.group, found.reference) == ("female", "male")
    return {figure["metric"]: figure for figure in found.content["figures"]}


def test_a_fair_month_passes_every_metric() -> None:
    found = _figures(*month(12_000))
    assert {name: one["verdict"] for name, one in found.items()} == dict.fromkeys(
        [comparison.SCORE, comparison.EFFECT, comparison.OPPORTUNITY, comparison.ODDS, comparison.RESIDUAL,
         comparison.CALIBRATION], "pass",
    )  # fmt: skip


def test_a_group_that_is_scored_below_what_it_takes_is_found_by_calibration_and_residual() -> None:
    found = _figures(*month(12_000, underrated=1.0))
    calibrated, score = found[comparison.CALIBRATION], found[comparison.SCORE]
    assert calibrated["verdict"] == found[comparison.RESIDUAL]["verdict"] == score["verdict"] == "fail"
    assert calibrated["value"] > 1.25  # more take it than was expected
    assert score["value"] < -0.3
    assert calibrated["interval"][0] <= calibrated["value"] <= calibrated["interval"][1]
    assert found[comparison.EFFECT]["verdict"] == "pass"  # nobody was passed over at the choice


def test_a_group_that_is_passed_over_is_found_by_the_conditional_effect_alone() -> None:
    found = _figures(*month(12_000, passed_over=0.6))
    effect = found[comparison.EFFECT]
    assert effect["verdict"] == "fail"
    assert effect["value"] > STRICT.effect_fail
    assert effect["missed"] == pytest.approx(effect["value"] * effect["people"])
    assert found[comparison.SCORE]["verdict"] == "pass"


def test_each_number_follows_from_its_counts() -> None:
    """T-MET-02."""
    found = _figures(*month(3_000, underrated=0.4))
    score = found[comparison.SCORE]
    (n, total, squares), (m, other_total, other_squares) = score["counts"]["group"], score["counts"]["reference"]
    mean = (total + other_total) / (n + m)
    spread = sqrt((squares + other_squares) / (n + m) - mean**2)
    assert score["value"] == pytest.approx((total / n - other_total / m) / spread)
    calibrated = found[comparison.CALIBRATION]
    ours = calibrated["counts"]["group"]
    assert calibrated["value"] == pytest.approx(ours["observed"] / ours["expected"])
    odds = found[comparison.ODDS]
    sides = [ConfusionCounts(**odds["counts"][side]) for side in ("group", "reference")]
    assert odds["value"] == metrics.average_odds_difference(*sides)
    assert found[comparison.OPPORTUNITY]["value"] == metrics.equal_opportunity_difference(*sides)
    assert odds["counts"]["theil"] == metrics.theil_index(*sides)


def test_the_ratio_at_each_tenth_follows_from_its_counts() -> None:
    """M11."""
    held, grouping = month(3_000, underrated=0.8)
    found = next(iter(record.of_scores(held, {"gender": grouping}, STRICT)))
    ratios = []
    for one in found.content["deciles"]:
        group, reference = GroupCounts("", *one["group"]), GroupCounts("", *one["reference"])
        assert one["ratio"] == metrics.disparate_impact(group, reference)
        assert one["interval"][0] < one["ratio"] < one["interval"][1]
        ratios.append(one["ratio"])
    assert len(ratios) == 9
    assert ratios[0] < 0.6 < ratios[-1]  # the higher the cut, the fewer of those who are scored low


def test_a_group_of_fewer_than_twenty_is_never_told_of() -> None:
    """T-AUD-12."""
    held, _ = month(400)
    codes = np.ones(400, dtype=np.int16)
    codes[:19] = 0
    found = list(record.of_scores(held, {"gender": Grouping(codes, ("female", "male"))}, STRICT))
    assert found == []


def test_answers_of_fewer_than_twenty_are_withheld_where_more_were_scored() -> None:
    held, grouping = month(400)
    held.predicted[60:] = np.nan
    held.accepted[60:] = False
    found = _figures(held, grouping)
    assert found[comparison.SCORE]["people"] >= 20
    assert found[comparison.OPPORTUNITY] == {"metric": comparison.OPPORTUNITY, "verdict": "too_little_data"}


@pytest.mark.parametrize(
    ("few", "shown"),
    [
        ([7, 9], {"a": 100, "other bands": 56}),  # together too few: the smallest of the others goes with them
        ([30, 40], {"a": 100, "b": 40, "c": 30, "d": 40}),
        ([7, 90], {"a": 100, "d": 90, "other bands": 47}),
    ],
)
def test_the_whole_less_the_bands_that_are_shown_tells_of_no_few(few: list[int], shown: dict[str, int]) -> None:
    sizes = dict(zip("abcd", [100, 40, *few], strict=True))
    rows = [[name, n, n // 2, n + 1, n // 2] for name, n in sizes.items()]
    found = {row[0]: row[1] for row in record._merged(rows, 20)}
    assert found == shown
    assert sum(found.values()) == sum(sizes.values())
    assert record._merged([["a", 5, 1, 90, 3], ["b", 6, 1, 90, 3]], 20) == []


def test_the_table_of_the_odds_does_not_tell_the_takers_that_are_withheld() -> None:
    """Two hundred saw it and five took it: the share of the five is withheld, and so are its counts."""
    counts = {
        "group": {"true_positives": 3, "false_negatives": 2, "false_positives": 50, "true_negatives": 145},
        "reference": {"true_positives": 60, "false_negatives": 40, "false_positives": 50, "true_negatives": 50},
    }
    odds = comparison.Figure(comparison.ODDS, 0.1, None, 200, 200, None, counts)
    assert record._shown(odds, 20) == {"metric": comparison.ODDS, "verdict": Verdict.TOO_LITTLE_DATA.value}
    counts["group"] |= {"true_positives": 30, "false_negatives": 20}
    assert record._shown(odds, 20)["counts"] == counts


def test_a_few_people_reassure_nobody() -> None:
    """T-MET-06: a small fair month is grey; only that the women are scored no lower can be said of so few."""
    found = _figures(*month(160))
    assert found.pop(comparison.SCORE)["interval"][0] > -STRICT.smd_fail
    assert {one["verdict"] for one in found.values()} == {"too_little_data"}


def test_the_same_month_gives_the_same_intervals() -> None:
    one, other = (list(record.of_scores(*_held(month(600)), STRICT)) for _ in range(2))
    assert one == other


def _held(made: tuple[Month, Grouping]) -> tuple[Month, dict[str, Grouping]]:
    return made[0], {"gender": made[1]}


def test_fair_months_are_seldom_red() -> None:
    """T-MET-07, of the metrics of scores."""
    verdicts = [
        {figure["verdict"] for one in record.of_scores(*_held(month(1_500, seed=seed)), STRICT)
         for figure in one.content["figures"]}
        for seed in range(40)
    ]  # fmt: skip
    assert sum(Verdict.FAIL in found for found in verdicts) <= 2
