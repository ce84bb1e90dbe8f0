"""Claims about the value of another policy, from logged decisions."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from decisioning.bandit.off_policy import Estimate, NoOverlap, ips, snips

Floats = NDArray[np.float64]
Estimator = Callable[[ArrayLike, ArrayLike, ArrayLike], Estimate]


def test_weights_of_a_worked_example() -> None:
    # Weights 2, 0.5, 1: (2 x 1 + 0.5 x 0 + 1 x 1) / 3.5, and the sum over 3 for plain IPS.
    columns = ([1.0, 0.0, 1.0], [0.25, 0.8, 0.5], [0.5, 0.4, 0.5])
    normalised, plain = snips(*columns), ips(*columns)
    assert normalised.value == pytest.approx(3 / 3.5)
    assert plain.value == pytest.approx(1.0)
    residuals = np.array([2 * (1 - 3 / 3.5), 0.5 * (0 - 3 / 3.5), 1 * (1 - 3 / 3.5)])
    assert normalised.standard_error == pytest.approx(np.sqrt((residuals**2).sum() / 3.5**2 * 3 / 2))
    assert plain.standard_error == pytest.approx(np.std([2.0, 0.0, 1.0], ddof=1) / np.sqrt(3))
    assert normalised.effective_sample_size == pytest.approx(3.5**2 / (4 + 0.25 + 1))
    assert normalised.interval == pytest.approx(
        (
            normalised.value - 1.959964 * normalised.standard_error,
            normalised.value + 1.959964 * normalised.standard_error,
        )
    )


@pytest.mark.parametrize("estimate", [snips, ips])
def test_the_logging_policy_is_worth_its_mean_reward(estimate: Estimator) -> None:
    rewards = np.array([0.0, 1.0, 0.25, 0.0, 1.0])
    probabilities = np.array([0.1, 0.9, 0.3, 0.5, 0.2])
    result = estimate(rewards, probabilities, probabilities)
    assert result.value == pytest.approx(rewards.mean())
    assert result.standard_error == pytest.approx(rewards.std(ddof=1) / np.sqrt(5))
    assert result.effective_sample_size == pytest.approx(5)


@given(
    rows=st.lists(
        st.tuples(st.floats(0, 1), st.floats(0.01, 1), st.floats(0.001, 1)),
        min_size=2,
        max_size=30,
    )
)
def test_snips_stays_within_the_rewards_and_shifts_with_them(rows: list[tuple[float, float, float]]) -> None:
    reward, logged, target = np.array(rows).T
    result = snips(reward, logged, target)
    assert reward.min() - 1e-12 <= result.value <= reward.max() + 1e-12
    assert snips(reward + 5, logged, target).value == pytest.approx(result.value + 5)
    assert 1 - 1e-9 <= result.effective_sample_size <= len(rows) * (1 + 1e-9)


def simulated_log(rng: np.random.Generator, count: int) -> tuple[Floats, Floats, Floats, float]:
    """Three actions in two kinds of customers; the target policy prefers what the logging policy avoids."""
    kind = rng.integers(2, size=count)
    logging = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3]])
    target = np.array([[0.2, 0.2, 0.6], [0.6, 0.1, 0.3]])
    clicks = np.array([[0.1, 0.3, 0.5], [0.4, 0.2, 0.1]])
    action = (rng.random(count)[:, np.newaxis] > np.cumsum(logging, axis=1)[kind]).sum(axis=1)
    reward = (rng.random(count) < clicks[kind, action]).astype(np.float64)
    return reward, logging[kind, action], target[kind, action], float((target * clicks).sum(axis=1).mean())


@pytest.mark.parametrize("estimate", [snips, ips])
def test_the_interval_covers_the_truth_as_often_as_it_says(estimate: Estimator) -> None:
    rng = np.random.default_rng(2)
    covered, errors, claimed, runs = 0, [], [], 1500
    for _ in range(runs):
        reward, logged, target, truth = simulated_log(rng, 800)
        result = estimate(reward, logged, target)
        covered += result.interval[0] <= truth <= result.interval[1]
        errors.append(result.value - truth)
        claimed.append(result.standard_error)
    assert 0.93 < covered / runs < 0.965
    assert np.mean(claimed) == pytest.approx(np.std(errors), rel=0.06)
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(runs) + 1e-3


def test_self_normalisation_reduces_variance_when_rewards_are_far_from_zero() -> None:
    reward, logged, target, _ = simulated_log(np.random.default_rng(3), 2000)
    assert snips(reward + 1, logged, target).standard_error < 0.7 * ips(reward + 1, logged, target).standard_error


def test_a_policy_that_takes_no_logged_action_has_no_estimate() -> None:
    with pytest.raises(NoOverlap, match="none of 2"):
        snips([1.0, 0.0], [0.5, 0.5], [0.0, 0.0])


@pytest.mark.parametrize(
    ("reward", "logged", "target", "fault"),
    [
        ([1.0, 0.0], [0.5, 0.0], [0.5, 0.5], "probabilities"),
        ([1.0, 0.0], [0.5, 1.1], [0.5, 0.5], "probabilities"),
        ([1.0, 0.0], [0.5, 0.5], [0.5, -0.1], "probabilities"),
        ([1.0, 0.0], [0.5, np.nan], [0.5, 0.5], "probabilities"),
        ([np.nan, 0.0], [0.5, 0.5], [0.5, 0.5], "finite"),
        ([1.0], [0.5], [0.5], "at least 2"),
        ([1.0, 0.0], [0.5, 0.5, 0.5], [0.5, 0.5], "equal length"),
    ],
)
def test_impossible_columns_are_refused(reward: ArrayLike, logged: ArrayLike, target: ArrayLike, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        ips(reward, logged, target)
