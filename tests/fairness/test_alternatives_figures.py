"""The figures of a search for alternatives: what no candidate beats, who is helped at whose cost, AUC with its
interval, weights; pure, without a database."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from fairness import score_metrics, thresholds
from fairness.alternatives import measuring, pareto, pdf, report, reweighing, search
from fairness.counts import GroupCounts
from fairness.models import Candidate
from fairness.thresholds import ComparisonResult

points = st.lists(st.one_of(st.none(), st.tuples(st.integers(0, 5), st.integers(0, 5))), max_size=12)


def test_only_what_no_other_beats_is_on_the_front() -> None:
    """T-LDA-02."""
    found = pareto.non_dominated(
        [(0.80, 0.70), (0.79, 0.85), (0.78, 0.84), (0.75, 0.95), None, (0.80, 0.70), (0.6, 0.6)]
    )
    assert found == [True, True, False, True, False, True, False]


@given(points)
def test_the_front_is_not_dominated_and_dominates_the_rest(given_points: list[pareto.Point | None]) -> None:
    """T-LDA-02, on whatever there may be."""
    front = pareto.non_dominated(given_points)
    best = [point for point, on_front in zip(given_points, front, strict=True) if on_front and point is not None]
    for point, on_front in zip(given_points, front, strict=True):
        if point is None:
            assert not on_front
            continue
        beaten = any(one[0] >= point[0] and one[1] >= point[1] and one != point for one in best)
        assert beaten != on_front


def test_helping_one_group_at_the_cost_of_another_is_told() -> None:
    """T-LDA-06; a group that is favoured beyond parity falls away from it too."""
    today = {("region", "Islands"): 0.70, ("gender", "female"): 0.95, ("age", "62 and over"): 1.0}
    closer, further = pareto.moved(
        today, {("region", "Islands"): 0.85, ("gender", "female"): 0.88, ("age", "62 and over"): 1.25}
    )
    assert closer == [("region", "Islands")]
    assert further == [("age", "62 and over"), ("gender", "female")]


def test_the_worst_ratio_counts_a_gap_from_either_side() -> None:
    assert pareto.worst({("a", "b"): 0.9, ("a", "c"): 1.25}) == pytest.approx(0.8)
    assert pareto.worst({("a", "b"): 0.0}) == 0.0
    assert pareto.worst({}) is None


def compared(**groups: tuple[int, int]) -> list[ComparisonResult]:
    """Regions, as people and those of them who are chosen, each against Metro."""
    counts = {name: GroupCounts(name, people, chosen) for name, (people, chosen) in groups.items()}
    return thresholds.compare_all({"region": counts}, {"region": "Metro"})


TODAY = measuring.ratios(compared(Metro=(200, 100), Islands=(100, 40), Valley=(100, 50)), 30)


def beside_today(rows: list[ComparisonResult]) -> search.Found:
    """A candidate of a better performance than any other."""
    one = search.Found("threshold", {}, 9.0, measuring.ratios(rows, 30), {"comparisons": measuring.as_kept(rows)})
    search._compare_with_today(search.Found("in use today", {}, 1.0, TODAY), [one])
    return one


def as_stored(figures: dict[str, Any], number: int = 0) -> Candidate:
    return Candidate(number=number, generator="threshold", figures=figures, performance=9.0 - number, pareto=number > 0)


def test_shutting_out_the_reference_group_is_as_far_from_parity_as_can_be() -> None:
    """No ratio can be given, and that is no reason to call it fairer than what is in use."""
    one = beside_today(compared(Metro=(200, 0), Islands=(100, 40), Valley=(100, 0)))
    assert one.ratios == {("region", "Islands"): 0.0}
    assert pareto.worst(one.ratios) == 0.0
    one = beside_today(compared(Metro=(200, 0), Islands=(100, 40), Valley=(100, 1)))
    assert one.point == (9.0, 0.0)
    assert one.figures["closer"] == []
    assert one.figures["further"] == [["region", "Islands"], ["region", "Valley"]]
    assert report.remarks(as_stored(one.figures), thresholds.DEFAULT) == [
        "chooses nobody of Metro, while others are chosen"
    ]


def test_a_candidate_without_a_ratio_that_today_has_is_never_on_the_front() -> None:
    """It chooses nobody of a region at all: the ratios of the other attributes are no measure of it."""
    one = beside_today(compared(Metro=(200, 0), Islands=(100, 0), Valley=(100, 0)))
    one.ratios = {**one.ratios, ("gender", "female"): 1.0}
    assert one.figures["missing"] == [["region", "Islands"], ["region", "Valley"]]
    assert one.worst is None
    assert one.point is None
    assert pareto.non_dominated([(1.0, 0.8), one.point]) == [True, False]
    assert report.remarks(as_stored(one.figures), thresholds.DEFAULT) == [
        "chooses nobody of Islands, Valley nor of whom they are compared with: not ranked"
    ]


def test_too_few_people_to_be_shown_steer_nothing_and_are_kept_without_their_figures() -> None:
    rows = compared(Metro=(200, 100), Islands=(19, 3), Valley=(20, 9))
    assert list(measuring.ratios(rows, 10)) == [("region", "Valley")]
    islands, valley = measuring.as_kept(rows)
    assert (islands["group"], islands["verdict"], valley["total"]) == ("Islands", rows[0].verdict, 20)
    assert {islands[name] for name in ("total", "favourable", "rate", "ratio", "ratio_interval", "q")} == {None}


def test_what_was_stored_of_too_few_people_is_not_shown_either() -> None:
    rows = [row.to_json() for row in compared(Metro=(200, 100), Islands=(19, 3), Valley=(40, 10))]
    one = as_stored({"comparisons": rows})
    islands, valley = report.comparisons(one, thresholds.DEFAULT)
    assert islands["few"]
    assert {islands[name] for name in ("total", "favourable", "rate", "ratio", "ratio_interval", "q")} == {None}
    assert valley == {**rows[1], "few": False}
    assert report.comparisons(as_stored({"comparisons": [islands]}), thresholds.DEFAULT) == [islands]
    assert [row[1].partition(" (")[0] for row in pdf.by_group([one], thresholds.DEFAULT)[1:]] == [
        "too few people", "0.500"
    ]  # fmt: skip


def test_the_charts_are_of_groups_that_the_search_goes_by() -> None:
    """Six tiny groups of whom nobody is chosen take the place of none."""
    tiny = {f"Rock{at}": (15 + at, 0) for at in range(6)}
    rows = [row.to_json() for row in compared(Metro=(200, 100), Islands=(45, 15), Valley=(80, 30), **tiny)]
    found = [as_stored({"comparisons": rows}), as_stored({"comparisons": rows}, 1)]
    protocol: dict[str, Any] = {"metric": "value", "tolerance": 0.1, "groups": {"smallest_group": 50}}
    for smallest, drawn in ((50, ["Valley"]), (40, ["Islands", "Valley"]), (10, ["Rock5", "Islands", "Valley"])):
        protocol["groups"]["smallest_group"] = smallest
        charts = pdf.fronts(found, protocol, thresholds.DEFAULT)
        assert [chart.contents[-1].text.partition(": ")[2] for chart in charts] == drawn


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60))
def test_auc_is_that_of_scikit_learn_with_ties(rows: list[tuple[int, bool]]) -> None:
    score, accepted = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    found = score_metrics.auc(score, accepted)
    if accepted.all() or not accepted.any():
        assert found is None
        return
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(accepted, score))
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_the_interval_of_auc_covers_the_truth_as_often_as_it_says() -> None:
    """Two normals one apart have an AUC of Phi(1/sqrt 2)."""
    random, truth, covered = np.random.default_rng(1), 0.7602499, 0
    for _ in range(400):
        accepted = random.random(300) < 0.3
        found = score_metrics.auc(random.normal(accepted.astype(float)), accepted)
        assert found is not None
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / 400 <= 0.98


def test_reweighing_makes_acceptance_independent_of_the_group() -> None:
    random = np.random.default_rng(2)
    groups = random.integers(-1, 3, 5000).astype(np.int16)
    accepted = random.random(5000) < 0.1 + 0.1 * groups
    found = reweighing.weights(groups, accepted)
    rates = [np.average(accepted[groups == group], weights=found[groups == group]) for group in (-1, 0, 1, 2)
             if accepted[groups == group].any()]  # fmt: skip
    assert rates == pytest.approx([accepted.mean()] * len(rates))
    assert reweighing.weights(groups, accepted, 0.0) == pytest.approx(np.ones(5000))


def test_the_weights_are_those_of_aif360() -> None:
    """R-MIT-1: the closed form against AIF360's own Reweighing, in a process of its own."""
    random = np.random.default_rng(3)
    groups = random.integers(0, 2, 400)
    accepted = random.random(400) < 0.2 + 0.3 * groups
    rows: list[list[Any]] = [[int(group), int(yes)] for group, yes in zip(groups, accepted, strict=True)]
    program = (
        "import sys, json, pandas, logging\n"
        "from aif360.datasets import BinaryLabelDataset\n"
        "from aif360.algorithms.preprocessing import Reweighing\n"
        "frame = pandas.DataFrame(json.load(sys.stdin), columns=['g', 'y']).astype(float)\n"
        "data = BinaryLabelDataset(df=frame, label_names=['y'], protected_attribute_names=['g'])\n"
        "print(json.dumps(Reweighing([{'g': 0}], [{'g': 1}]).fit_transform(data).instance_weights.tolist()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], input=orjson.dumps(rows), capture_output=True, check=True
    )  # fmt: skip
    theirs = orjson.loads(run.stdout.splitlines()[-1])
    assert reweighing.weights(groups.astype(np.int16), accepted) == pytest.approx(theirs, abs=1e-12)
