"""Customer-cluster intervals cover the truth as often as they say, and are the same for the same data."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fairness import bootstrap, metrics, score_metrics
from fairness.counts import ConfusionCounts


def _rows(random: np.random.Generator, customers: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Three rows a customer that hang together: whose they are, and their cells of decided, actual and group."""
    who = np.repeat(np.arange(customers), 3)
    keen = np.repeat(random.normal(0, 0.8, customers), 3)
    group = np.repeat(random.random(customers) < 0.4, 3)
    actual = random.random(len(who)) < 0.5
    decided = keen + 0.9 * actual - 0.3 * group + random.normal(0, 1, len(who)) > 0
    return who, bootstrap.confusion(np.asarray(decided, dtype=np.bool_), actual, group)


def test_intervals_cover_the_truth_in_93_to_97_of_100_simulations() -> None:
    """T-MET-13, for the equal opportunity and the average odds difference of 200 customers with three rows each."""
    random, runs = np.random.default_rng(3), 700
    big = _rows(random, 1_000_000)[1].sum(axis=0, keepdims=True)
    for statistic in (bootstrap.equal_opportunity, bootstrap.average_odds):
        truth, covered = float(statistic(big)[0]), 0
        for run in range(runs):
            clusters = bootstrap.sums_by_customer(*_rows(random, 200))
            (found,) = bootstrap.intervals(clusters, [statistic], draws=400, seed=run)
            assert found is not None
            covered += found.low <= truth <= found.high
        assert 0.93 <= covered / runs <= 0.97, covered / runs


def test_the_statistics_of_sums_are_the_metrics_of_counts() -> None:
    sums = np.array([[30.0, 20, 40, 10, 60, 10, 10, 20]])
    group, reference = ConfusionCounts("a", 30, 20, 40, 10), ConfusionCounts("b", 60, 10, 10, 20)
    assert bootstrap.equal_opportunity(sums)[0] == metrics.equal_opportunity_difference(group, reference)
    assert bootstrap.average_odds(sums)[0] == pytest.approx(metrics.average_odds_difference(group, reference))
    assert bootstrap.theil(sums)[0] == pytest.approx(metrics.theil_index(group, reference))


def test_the_same_data_give_the_same_interval_and_too_little_gives_none() -> None:
    random = np.random.default_rng(4)
    clusters = random.random((200, 2)) + 0.5
    (found,) = bootstrap.intervals(clusters, [bootstrap.ratio])
    assert found is not None
    assert bootstrap.intervals(clusters, [bootstrap.ratio, bootstrap.ratio]) == [found, found]
    assert bootstrap.intervals(clusters[:1], [bootstrap.ratio]) == [None]
    assert bootstrap.intervals(clusters * [1, 0], [bootstrap.ratio]) == [None]


def test_the_difference_of_means_from_sums_is_that_of_the_values() -> None:
    random = np.random.default_rng(5)
    values, group = random.normal(0.3, 0.1, 500), random.random(500) < 0.3
    sums = bootstrap.moments(values, group).sum(axis=0, keepdims=True)
    expected = score_metrics.standardised_mean_difference(values, group, ~group)
    assert bootstrap.standardised_difference(sums)[0] == pytest.approx(expected, abs=1e-9)
