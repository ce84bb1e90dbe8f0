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

from fairness import score_metrics
from fairness.alternatives import pareto, reweighing

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
