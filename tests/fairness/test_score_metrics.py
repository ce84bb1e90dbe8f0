"""Numbers by group: signs, cuts, calibration and what is left of a gap among people who are alike."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from fairness.score_metrics import (
    calibration,
    conditional_marginal_effect,
    ratios_by_cut,
    residual_difference,
    standardised_mean_difference,
)

RANDOM = np.random.default_rng(11)
N = 20_000
GROUP = RANDOM.random(N) < 0.3


def test_a_higher_rate_to_pay_is_worse_and_a_higher_limit_is_better() -> None:
    """T-MET-14."""
    values = np.where(GROUP, 22.0, 20.0) + RANDOM.normal(0, 1, N)
    limit = standardised_mean_difference(values, GROUP, ~GROUP)
    rate = standardised_mean_difference(values, GROUP, ~GROUP, lower_is_better=True)
    assert limit is not None
    assert rate is not None
    assert limit > 1 > 0 > rate
    assert rate == -limit
    assert limit == pytest.approx((values[GROUP].mean() - values[~GROUP].mean()) / values.std(), abs=1e-12)


def test_a_mean_difference_without_people_or_spread_is_undefined() -> None:
    nobody = np.zeros(4, dtype=bool)
    half = np.array([True, True, False, False])
    assert standardised_mean_difference(np.arange(4.0), nobody, half) is None
    assert standardised_mean_difference(np.ones(4), half, ~half) is None


def test_the_ratio_by_cut_falls_with_the_cut_where_scores_are_shifted() -> None:
    scores = RANDOM.normal(np.where(GROUP, -0.4, 0.0), 1.0)
    cuts = ratios_by_cut(scores, GROUP, ~GROUP)
    assert [round(cut.rate, 1) for cut in cuts] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    ratios = [cut.ratio or 0 for cut in cuts]
    assert ratios == sorted(ratios)
    assert ratios[0] < 0.7 < 0.9 < ratios[-1]


def test_equal_scores_are_never_parted() -> None:
    scores = np.repeat([1.0, 2.0], 50)
    group = np.tile([True, False], 50)
    assert {cut.rate for cut in ratios_by_cut(scores, group, ~group)} <= {0.5, 1.0}
    assert ratios_by_cut(scores, group & False, ~group & False) == []


def test_calibration_sees_a_group_that_is_underrated_and_one_that_is_not() -> None:
    predicted = np.clip(RANDOM.beta(2, 5, N), 0.02, 0.98)
    actual = (RANDOM.random(N) < np.where(GROUP, np.minimum(predicted * 1.3, 1), predicted)).astype(float)
    ours, theirs = calibration(actual, predicted, GROUP), calibration(actual, predicted, ~GROUP)
    assert ours.observed_over_expected == pytest.approx(1.3, abs=0.05)
    assert theirs.observed_over_expected == pytest.approx(1.0, abs=0.05)
    assert theirs.slope == pytest.approx(1.0, abs=0.1)
    assert (theirs.error or 1) < 0.02 < (ours.error or 0)
    residual = residual_difference(actual, predicted, GROUP, ~GROUP)
    assert residual is not None
    assert residual > 0.1
    assert calibration(actual, predicted, GROUP & False).observed_over_expected is None


def test_a_gap_that_the_controls_explain_is_gone_and_one_that_they_do_not_stays() -> None:
    income = RANDOM.normal(np.where(GROUP, -1.0, 0.0), 1.0)
    explained = RANDOM.random(N) < expit(income)
    unexplained = RANDOM.random(N) < expit(income - 0.8 * GROUP)
    raw = float(explained[~GROUP].mean() - explained[GROUP].mean())
    fair = conditional_marginal_effect(explained, GROUP, ~GROUP, income[:, None])
    unfair = conditional_marginal_effect(unexplained, GROUP, ~GROUP, income[:, None])
    assert fair is not None
    assert unfair is not None
    assert raw > 0.15
    assert fair.interval.low < 0 < fair.interval.high
    assert unfair.interval.low > 0.1
    without = conditional_marginal_effect(explained, GROUP, ~GROUP, np.ones((N, 1)))
    assert without is not None
    assert without.value == pytest.approx(raw, abs=1e-9)  # without controls it is the raw gap


def test_what_cannot_be_fitted_is_undefined() -> None:
    everybody = np.ones(N, dtype=bool)
    assert conditional_marginal_effect(everybody, GROUP, ~GROUP, np.ones((N, 1))) is None
    assert conditional_marginal_effect(GROUP, GROUP, ~GROUP, np.ones((N, 1))) is None  # separated
