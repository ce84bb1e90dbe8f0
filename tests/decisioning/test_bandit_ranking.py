"""Claims about blended scores and the order of arms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from decisioning.bandit.ranking import (
    ABSENT,
    RankingWeights,
    UndefinedScore,
    bandit_weight,
    blend,
    rank,
    rank_many,
)
from decisioning.draws import normals

ONE = {"boost": 1.0, "width": 0.0, "effective_trials": 10.0}


def test_score_is_six_tenths_propensity_and_four_tenths_draw() -> None:
    blended = blend(RankingWeights(), propensity=[0.5], boost=[1.2], mean=[0.1], width=[0.05], effective_trials=[10.0])
    np.testing.assert_allclose(blended.location, [0.6 * 0.6 + 0.4 * 0.1])
    np.testing.assert_allclose(blended.scale, [0.4 * 0.05])
    np.testing.assert_allclose(blended.score([2.0]), [0.6 * 0.6 + 0.4 * (0.1 + 2 * 0.05)])


def test_a_boosted_propensity_stays_a_probability() -> None:
    location, _ = blend(RankingWeights(), propensity=[0.5, 0.9], mean=[0.0, 0.0], **(ONE | {"boost": [3.0, 1.0]}))
    np.testing.assert_allclose(location, [0.6, 0.54])


def test_trials_shift_the_weight_towards_the_bandit() -> None:
    weights = RankingWeights(propensity=0.6, bandit=0.4, shift_trials=100.0)
    np.testing.assert_allclose(bandit_weight(weights, [1e-9, 100.0, 300.0, np.inf]), [0.4, 0.7, 0.85, 1.0])
    location, scale = blend(
        weights, propensity=[0.5, 0.5], boost=1.0, mean=[0.1, 0.1], width=[0.2, 0.2], effective_trials=[100.0, 300.0]
    )
    np.testing.assert_allclose(location, [0.3 * 0.5 + 0.7 * 0.1, 0.15 * 0.5 + 0.85 * 0.1])
    np.testing.assert_allclose(scale, [0.7 * 0.2, 0.85 * 0.2])


def test_without_a_shift_trials_do_not_count() -> None:
    np.testing.assert_array_equal(bandit_weight(RankingWeights(), [1.0, 1e9]), [0.4, 0.4])


def test_value_counts_only_with_an_exponent() -> None:
    values = np.array([100.0, 400.0])
    plain = blend(RankingWeights(), propensity=[0.5, 0.5], mean=[0.1, 0.1], value=values, **ONE)
    rooted = blend(RankingWeights(value_exponent=0.5), propensity=[0.5, 0.5], mean=[0.1, 0.1], value=values, **ONE)
    assert plain.location[0] == plain.location[1]
    np.testing.assert_allclose(rooted.location, plain.location * [10.0, 20.0])
    np.testing.assert_allclose(rooted.scale, plain.scale * [10.0, 20.0])


@pytest.mark.parametrize(
    "weights",
    [
        {"propensity": 0.6, "bandit": 0.5},
        {"propensity": 1.2, "bandit": -0.2},
        {"propensity": np.nan, "bandit": 0.4},
        {"shift_trials": 0.0},
        {"value_exponent": np.inf},
    ],
)
def test_impossible_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        RankingWeights(**weights)


def test_each_offer_stands_once_represented_by_its_best_arm() -> None:
    scores = [0.3, 0.9, 0.8, 0.1, 0.5]
    offers = [7, 7, 7, 2, 2]
    assert rank(scores, offers).tolist() == [1, 4]
    assert rank(scores, offers, limit=1).tolist() == [1]


def test_equal_scores_stand_in_arm_order() -> None:
    assert rank([0.5, 0.5, 0.5, 0.5], [1, 0, 1, 2]).tolist() == [0, 1, 3]


def test_minus_infinity_keeps_an_arm_out() -> None:
    assert rank([-np.inf, 0.1, -np.inf], [0, 1, 2]).tolist() == [1]
    assert rank([-np.inf], [0]).tolist() == []
    assert rank([], []).tolist() == []


def test_a_score_that_is_not_a_number_is_an_error_and_not_a_last_place() -> None:
    with pytest.raises(UndefinedScore, match="1 of 2"):
        rank([0.1, np.nan], [0, 1])


@st.composite
def populations(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    count, arms = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    score = st.sampled_from([-np.inf, -1.0, 0.0, 0.25, 0.5, 1.0])  # ties are the point
    scores = [[draw(score) for _ in range(arms)] for _ in range(count)]
    offers = [draw(st.integers(0, 3)) for _ in range(arms)]
    return np.array(scores), np.array(offers, dtype=np.intp)


@given(population=populations(), limit=st.integers(0, 5))
def test_many_customers_are_ranked_as_one_at_a_time(
    population: tuple[NDArray[np.float64], NDArray[np.intp]], limit: int
) -> None:
    scores, offers = population
    together = rank_many(scores, offers, limit)
    assert together.shape == (len(scores), limit)
    for row, customer in zip(together, scores, strict=True):
        alone = rank(customer, offers, limit).tolist()
        assert row.tolist() == alone + [ABSENT] * (limit - len(alone))


@given(population=populations())
def test_no_ranked_arm_scores_below_one_of_its_offer_or_rank(
    population: tuple[NDArray[np.float64], NDArray[np.intp]],
) -> None:
    scores, offers = population[0][0], population[1]
    ranked = rank(scores, offers)
    assert np.all(np.diff(scores[ranked]) <= 0)
    assert sorted(offers[ranked].tolist()) == sorted(set(offers[scores > -np.inf].tolist()))
    for arm in ranked:
        assert scores[arm] == scores[offers == offers[arm]].max()


@pytest.mark.parametrize(
    "weights", [RankingWeights(), RankingWeights(shift_trials=50.0), RankingWeights(value_exponent=0.37)]
)
def test_many_customers_get_the_bits_that_each_gets_alone(weights: RankingWeights) -> None:
    rng = np.random.default_rng(3)
    keys, counters = rng.integers(0, 2**63, size=200), rng.integers(0, 2**63, size=53)
    propensity, mean, width = rng.random((3, 200, 53))
    trials, boost, value = rng.uniform(1, 900, (200, 53)), rng.uniform(0.5, 2, 53), rng.uniform(1, 400, 53)
    together = blend(
        weights, propensity=propensity, boost=boost, mean=mean, width=width, effective_trials=trials, value=value
    ).score(normals(keys[:, np.newaxis], counters))
    for n in range(200):
        alone = blend(
            weights,
            propensity=propensity[n],
            boost=boost,
            mean=mean[n],
            width=width[n],
            effective_trials=trials[n],
            value=value,
        ).score(normals(keys[n], counters))
        assert alone.tobytes() == together[n].tobytes()


def test_an_arms_score_keeps_its_bits_among_fewer_arms() -> None:
    rng = np.random.default_rng(6)
    columns = dict(zip(("propensity", "mean", "width", "value"), rng.random((4, 53)), strict=True))
    weights = RankingWeights(shift_trials=9.0, value_exponent=0.6)
    every = blend(weights, boost=1.1, effective_trials=np.arange(1.0, 54.0), **columns)
    for size in range(1, 53):
        some = blend(
            weights,
            boost=1.1,
            effective_trials=np.arange(1.0, size + 1.0),
            **{name: column[:size] for name, column in columns.items()},
        )
        assert some.location.tobytes() == every.location[:size].tobytes()
