"""Claims about what the bandit believes."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from decisioning.bandit.posterior import (
    ArmPrior,
    CorruptPosterior,
    InvalidRewardRow,
    Posterior,
    RewardRow,
)

PRIORS = {"travel:a": ArmPrior(0.05, 4.0), "cash:a": ArmPrior(0.1, 2.0)}


def context(*tail: float) -> NDArray[np.float64]:
    return np.array([1.0, *tail])


def simulated_rows(count: int, arms: list[str], dimension: int, seed: int = 0) -> list[RewardRow]:
    rng = np.random.default_rng(seed)
    contexts = np.column_stack([np.ones(count), rng.normal(size=(count, dimension - 1))])
    return [
        RewardRow(
            position, arms[rng.integers(len(arms))], contexts[position - 1], bool(rng.random() < 0.8), rng.random()
        )
        for position in range(1, count + 1)
    ]


@st.composite
def logs(draw: st.DrawFn) -> list[RewardRow]:
    numbers = st.floats(-1e3, 1e3)
    rows, position = [], 0
    for _ in range(draw(st.integers(0, 12))):
        position += draw(st.integers(1, 5))
        vector = context(draw(numbers), draw(numbers))
        arm = draw(st.sampled_from(["travel:a", "cash:a", "new:a", "new:b"]))
        rows.append(RewardRow(position, arm, vector, draw(st.booleans()), draw(st.floats(0, 1))))
    return rows


def batches(rows: list[RewardRow], cuts: list[int]) -> Iterator[list[RewardRow]]:
    bounds = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    for start, stop in pairwise(bounds):
        yield rows[start:stop]


@given(rows=logs(), cuts=st.lists(st.integers(0, 12), max_size=4))
def test_any_split_of_the_log_gives_the_same_bytes(rows: list[RewardRow], cuts: list[int]) -> None:
    start = Posterior.empty(PRIORS, 3)
    whole = start.fold(rows)
    in_batches = start
    for batch in batches(rows, cuts):
        in_batches = in_batches.fold(iter(batch))
    one_by_one = start
    for row in rows:
        one_by_one = one_by_one.fold([row])
    assert whole.to_bytes() == in_batches.to_bytes() == one_by_one.to_bytes()


@given(rows=logs(), cut=st.integers(0, 12))
def test_a_checkpoint_and_the_rest_of_the_log_rebuild_the_posterior(rows: list[RewardRow], cut: int) -> None:
    start = Posterior.empty(PRIORS, 3)
    checkpoint = Posterior.from_bytes(start.fold(rows[:cut]).to_bytes())
    assert checkpoint.fold(rows[cut:]).to_bytes() == start.fold(rows).to_bytes()


def test_an_empty_posterior_expects_the_prior_mean_on_the_intercept_only() -> None:
    posterior = Posterior.empty(PRIORS, 3, noise_variance=0.08)
    mean, width = posterior.predict(context(0.0, 0.0))
    np.testing.assert_allclose(mean, [0.05, 0.1], rtol=1e-15)
    np.testing.assert_allclose(width, np.sqrt(0.08 / np.array([4.0, 2.0])), rtol=1e-15)
    np.testing.assert_allclose(posterior.predict(context(3.0, -2.0))[0], [0.05, 0.1], rtol=1e-15)
    np.testing.assert_allclose(posterior.effective_trials(width), [4.0, 2.0], rtol=1e-14)
    assert posterior.version == 0
    assert posterior.trials.tolist() == [0, 0]


def test_without_context_the_mean_is_that_of_prior_and_trials_pooled() -> None:
    rows = [RewardRow(position, "cash:a", context(), True, float(position <= 3)) for position in range(1, 9)]
    mean, width = Posterior.empty(PRIORS, 1).fold(rows).predict(context())
    assert mean[1] == pytest.approx((2.0 * 0.1 + 3) / (2 + 8), rel=1e-14)
    assert width[1] == pytest.approx(np.sqrt(0.05 / (2 + 8)), rel=1e-14)
    assert mean[0] == pytest.approx(0.05, rel=1e-14)


def test_a_later_reward_adds_to_its_impression_without_a_second_trial() -> None:
    vector = context(0.5, -1.0)
    together = Posterior.empty(PRIORS, 3).fold([RewardRow(2, "cash:a", vector, True, 1.0)])
    apart = Posterior.empty(PRIORS, 3).fold(
        [RewardRow(1, "cash:a", vector, True, 0.25), RewardRow(2, "cash:a", vector, False, 0.75)]
    )
    assert apart.to_bytes() == together.to_bytes()
    assert apart.trials.tolist() == [0, 1]


def test_weights_and_covariance_are_those_of_ridge_regression() -> None:
    rows = [row for row in simulated_rows(400, ["cash:a"], 8) if row.trial]
    posterior = Posterior.empty({"cash:a": ArmPrior(0.1, 2.0)}, 8, noise_variance=0.07).fold(rows)
    X, y = np.array([row.context for row in rows]), np.array([row.reward for row in rows])
    precision = 2.0 * np.eye(8) + X.T @ X
    moment = X.T @ y
    moment[0] += 2.0 * 0.1
    np.testing.assert_allclose(posterior.theta[0], np.linalg.solve(precision, moment), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(posterior.covariance[0], 0.07 * np.linalg.inv(precision), rtol=1e-10, atol=1e-16)
    mean, width = posterior.predict(rows[0].context)
    assert mean[0] == pytest.approx(rows[0].context @ posterior.theta[0], abs=1e-14)
    assert width[0] ** 2 == pytest.approx(rows[0].context @ posterior.covariance[0] @ rows[0].context, rel=1e-12)


def test_many_contexts_agree_with_one_at_a_time() -> None:
    arms = {f"arm-{number}": ArmPrior(0.05, 3.0) for number in range(30)}
    posterior = Posterior.empty(arms, 8).fold(simulated_rows(2_000, list(arms), 8))
    contexts = np.column_stack([np.ones(200), np.random.default_rng(1).normal(size=(200, 7))])
    means, widths = posterior.predict_many(contexts)
    for vector, mean, width in zip(contexts, means, widths, strict=True):
        np.testing.assert_allclose(posterior.predict(vector), (mean, width), rtol=0, atol=1e-12)


def test_an_arms_prediction_does_not_depend_on_the_arms_asked_for() -> None:
    posterior = Posterior.empty(PRIORS, 3).fold(simulated_rows(50, ["travel:a", "cash:a", "new:a"], 3))
    vector = context(0.3, 0.7)
    every, some = (
        np.array(posterior.predict(vector)),
        np.array(posterior.predict(vector, posterior.indices(["cash:a"]))),
    )
    assert every[:, [1]].tobytes() == some.tobytes()


def test_a_million_trials_leave_a_stable_posterior() -> None:
    # Two nearly collinear components and a weak prior: the condition number approaches 1e12.
    rng = np.random.default_rng(4)
    vectors = [context(z, z + 1e-4 * e, 30.0) for z, e in rng.normal(size=(1000, 2))]
    rows = (RewardRow(n, "cash:a", vectors[n % 1000], True, float(n % 10 == 0)) for n in range(1, 1_000_001))
    posterior = Posterior.empty({"cash:a": ArmPrior(0.1, 1e-3)}, 4).fold(rows)
    assert np.array_equal(posterior.precision, posterior.precision.transpose(0, 2, 1))
    mean, width = posterior.predict_many(np.array(vectors))
    assert np.all(np.abs(mean - 0.1) < 0.1)
    assert np.all((width > 0) & (width < 0.02))
    assert np.linalg.eigvalsh(posterior.covariance[0]).min() > 0
    # W A W' = I up to rounding, amplified by the condition number.
    residual = posterior.covariance[0] @ posterior.precision[0] / 0.05 - np.eye(4)
    assert np.abs(residual).max() < 1e-3


def test_belief_converges_to_the_true_weights() -> None:
    rng = np.random.default_rng(5)
    truth = np.array([0.2, 0.1, -0.05])
    contexts = np.column_stack([np.ones(20_000), rng.uniform(-1, 1, size=(20_000, 2))])
    clicks = rng.random(20_000) < contexts @ truth
    rows = [RewardRow(n + 1, "cash:a", contexts[n], True, float(clicks[n])) for n in range(20_000)]
    posterior = Posterior.empty(PRIORS, 3, noise_variance=0.16).fold(rows)
    errors = (posterior.theta[1] - truth) / np.sqrt(np.diag(posterior.covariance[1]))
    assert np.abs(errors).max() < 3


def test_added_arms_start_at_their_prior_and_the_others_stay() -> None:
    learned = Posterior.empty(PRIORS, 3).fold(simulated_rows(50, list(PRIORS), 3))
    more = learned.with_arms({"cash:a": ArmPrior(0.9, 99.0), "new:a": ArmPrior(0.3, 5.0)})
    assert more.arms == ("travel:a", "cash:a", "new:a")
    assert more.version == learned.version
    assert more.precision[:2].tobytes() == learned.precision.tobytes()
    assert more.moment[:2].tobytes() == learned.moment.tobytes()
    assert more.predict(context(1.0, 1.0))[0][2] == pytest.approx(0.3)
    assert learned.with_arms(PRIORS) is learned


def test_an_unknown_arm_is_learned_from_the_given_prior() -> None:
    row = RewardRow(1, "new:a", context(0.0, 0.0), True, 1.0)
    posterior = Posterior.empty(PRIORS, 3).fold([row], unknown_arm=ArmPrior(0.2, 3.0))
    assert posterior.arms == (*PRIORS, "new:a")
    assert posterior.predict(row.context)[0][2] == pytest.approx((3 * 0.2 + 1) / (3 + 1))


@pytest.mark.parametrize("position", [7, 6, 0])
def test_a_position_that_does_not_increase_is_refused_by_name(position: int) -> None:
    posterior = Posterior.empty(PRIORS, 1).fold([RewardRow(7, "cash:a", context(), True, 0.0)])
    with pytest.raises(InvalidRewardRow, match=f"position {position} comes after position 7"):
        posterior.fold([RewardRow(position, "cash:a", context(), True, 0.0)])


def test_positions_must_increase_within_a_batch_too() -> None:
    rows = [RewardRow(position, "cash:a", context(), True, 0.0) for position in (3, 5, 4)]
    with pytest.raises(InvalidRewardRow, match="position 4 comes after position 5"):
        Posterior.empty(PRIORS, 1).fold(rows)


@pytest.mark.parametrize(
    ("vector", "reward", "fault"),
    [
        (context(1.0), 0.0, "shape"),
        (context(np.nan, 1.0), 0.0, "finite"),
        (context(np.inf, 1.0), 0.0, "finite"),
        (context(1.0, 1.0), np.nan, "finite"),
    ],
)
def test_a_row_that_would_spoil_the_posterior_is_refused(
    vector: NDArray[np.float64], reward: float, fault: str
) -> None:
    with pytest.raises(InvalidRewardRow, match=f"position 9.*{fault}"):
        Posterior.empty(PRIORS, 3).fold([RewardRow(9, "cash:a", vector, True, reward)])


def test_bytes_round_trip_with_names_in_any_script() -> None:
    priors = {"tarjeta·año\n": ArmPrior(0.05, 4.0), "cash:a": ArmPrior(0.1, 2.0)}
    posterior = Posterior.empty(priors, 5, noise_variance=0.1).fold(simulated_rows(40, list(priors), 5))
    copy = Posterior.from_bytes(posterior.to_bytes())
    assert copy.arms == posterior.arms
    assert (copy.version, copy.noise_variance, copy.dimension) == (40, 0.1, 5)
    assert copy.sha256 == posterior.sha256
    assert copy.to_bytes() == posterior.to_bytes()
    assert np.array_equal(copy.predict(np.ones(5)), posterior.predict(np.ones(5)))


@pytest.mark.parametrize("place", [0, 60, -40, -1])
def test_changed_bytes_are_refused(place: int) -> None:
    data = bytearray(Posterior.empty(PRIORS, 3).to_bytes())
    data[place] ^= 1
    with pytest.raises(CorruptPosterior):
        Posterior.from_bytes(bytes(data))
    with pytest.raises(CorruptPosterior):
        Posterior.from_bytes(b"")


def test_identity_changes_with_version_and_content() -> None:
    start = Posterior.empty(PRIORS, 1)
    trial = [RewardRow(1, "cash:a", context(), True, 0.0)]
    later = [RewardRow(2, "cash:a", context(), True, 0.0)]
    assert len({start.sha256, start.fold(trial).sha256, start.fold(later).sha256}) == 3


def test_a_posterior_cannot_be_changed_in_place() -> None:
    posterior = Posterior.empty(PRIORS, 3)
    with pytest.raises(ValueError, match="read-only"):
        posterior.precision[0, 0, 0] = 5.0


@pytest.mark.parametrize("strength", [0.0, -1.0, np.nan, np.inf])
def test_a_prior_without_strength_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="strength"):
        ArmPrior(0.1, strength)


@pytest.mark.parametrize(("dimension", "noise"), [(0, 0.05), (3, 0.0), (3, -1.0), (3, np.nan)])
def test_a_posterior_needs_a_dimension_and_noise(dimension: int, noise: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Posterior.empty(PRIORS, dimension, noise_variance=noise)
