"""Claims about exact action probabilities, held against closed forms, brute-force integration and simulation."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, stats
from scipy.special import ndtr

from decisioning.bandit.action_probability import (
    PROBABILITY_FLOOR,
    InvalidRanking,
    InvalidScores,
    first_probabilities,
    first_probabilities_many,
    prefix_probabilities,
)
from decisioning.bandit.ranking import rank, rank_many

Floats = NDArray[np.float64]
Case = tuple[Floats, Floats, NDArray[np.intp], NDArray[np.intp]]


def dense_grid_reference(
    location: Floats, scale: Floats, offers: NDArray[np.intp], ranked: NDArray[np.intp], density_of_grid: int = 50
) -> Floats:
    """The same nested integrals on one uniform grid, so many points a standard deviation of the narrowest arm."""
    low, high = (location - 12 * scale).min(), (location + 12 * scale).max()
    grid = np.linspace(low, high, int((high - low) / scale.min() * density_of_grid) | 1)
    below = np.array([ndtr((grid - m) / s) for m, s in zip(location, scale, strict=True)])
    above, joint = np.ones_like(grid), [1.0]
    for place, arm in enumerate(ranked):
        siblings = [c for c in np.flatnonzero(offers == offers[arm]) if c != arm]
        later = np.flatnonzero(~np.isin(offers, offers[ranked[: place + 1]]))
        density = stats.norm.pdf(grid, location[arm], scale[arm]) * np.prod(below[siblings], axis=0) * above
        joint.append(integrate.simpson(density * np.prod(below[later], axis=0), x=grid))
        from_left = integrate.cumulative_simpson(density[::-1], x=-grid[::-1], initial=0)
        above = from_left[::-1]
    return np.asarray(np.array(joint[1:]) / np.array(joint[:-1]), dtype=np.float64)


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    count = int(rng.choice([2, 3, 10, 50, 150]))
    ratio = rng.choice([1.0, 3.0, 10.0, 100.0])
    scale = 0.1 * np.exp(rng.uniform(-np.log(ratio), 0, count))
    location = rng.choice([0.0, 0.01, 0.1, 0.3]) * rng.normal(size=count)
    arms_per_offer = int(rng.integers(1, 4))
    offers = rng.integers(0, max(2, count // arms_per_offer), size=count)
    return location, scale, offers, rank(location + scale * rng.normal(size=count), offers, 3)


@pytest.mark.parametrize("seed", range(40))
def test_right_to_a_millionth_for_width_ratios_to_100_and_150_arms(seed: int) -> None:
    location, scale, offers, ranked = random_case(seed)
    computed = prefix_probabilities(location, scale, offers, ranked)
    np.testing.assert_allclose(computed, dense_grid_reference(location, scale, offers, ranked), rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_first_rank_agrees_with_adaptive_quadrature(seed: int) -> None:
    rng = np.random.default_rng(seed)
    location, scale = rng.normal(0, 0.1, 12), 0.1 * np.exp(rng.uniform(-np.log(100), 0, 12))
    cuts = np.unique(np.concatenate([location + z * scale for z in (-9, -4, -1.5, 0, 1.5, 4, 9)]))

    def density(x: float, arm: int) -> float:
        others = np.arange(12) != arm
        below = ndtr((x - location[others]) / scale[others])
        return float(stats.norm.pdf(x, location[arm], scale[arm]) * np.prod(below))

    expected = [
        sum(integrate.quad(density, a, b, args=(arm,), epsabs=1e-13, epsrel=1e-10)[0] for a, b in pairwise(cuts))
        for arm in range(12)
    ]
    np.testing.assert_allclose(first_probabilities(location, scale), expected, rtol=0, atol=1e-10)
    for arm in range(12):
        computed = prefix_probabilities(location, scale, np.arange(12), [arm])
        np.testing.assert_allclose(computed, max(expected[arm], PROBABILITY_FLOOR), rtol=0, atol=1e-7)


@pytest.mark.parametrize(("gap", "first", "second"), [(0.0, 1, 1), (1.0, 1, 100), (2.0, 0.03, 1), (5.0, 2, 2)])
def test_two_arms_have_the_closed_form(gap: float, first: float, second: float) -> None:
    expected = ndtr(gap / np.hypot(first, second))
    np.testing.assert_allclose(first_probabilities([gap, 0.0], [first, second]), [expected, 1 - expected], atol=1e-12)
    computed = prefix_probabilities([gap, 0.0], [first, second], [0, 1], [0, 1])
    np.testing.assert_allclose(computed, [expected, 1.0], atol=1e-9)


@pytest.mark.parametrize(("count", "ranks"), [(1, 1), (2, 2), (7, 7), (50, 12), (50, 50), (150, 3), (150, 40)])
def test_equal_arms_have_equal_chances_at_every_rank(count: int, ranks: int) -> None:
    zeros, ones, offers = np.zeros(count), np.full(count, 0.03), np.arange(count)
    expected = 1 / np.arange(count, count - ranks, -1)
    np.testing.assert_allclose(prefix_probabilities(zeros, ones, offers, np.arange(ranks)), expected, atol=1e-7)
    np.testing.assert_allclose(first_probabilities(zeros, ones), np.full(count, 1 / count), atol=1e-11)


def test_equal_siblings_double_an_offers_chance() -> None:
    # Offer 0 has arms 0, 1; offers 1 and 2 have one arm each: the first rank is any of 4 equal arms; after arm 0
    # the sibling is out, and the two others are equal.
    computed = prefix_probabilities(np.zeros(4), np.ones(4), [0, 0, 1, 2], [0, 2, 3])
    np.testing.assert_allclose(computed, [1 / 4, 1 / 2, 1.0], atol=1e-9)
    # After arm 2, offer 0 shows arm 0 next if arm 0 is the best of the three left.
    computed = prefix_probabilities(np.zeros(4), np.ones(4), [0, 0, 1, 2], [2, 0])
    np.testing.assert_allclose(computed, [1 / 4, 1 / 3], atol=1e-9)


@st.composite
def scores(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    count = draw(st.integers(1, 150))
    location = st.floats(-1, 1)
    width = st.floats(-2, 0).map(lambda exponent: 10.0**exponent)
    return ([draw(location) for _ in range(count)], [draw(width) for _ in range(count)])


@settings(deadline=None, max_examples=60)
@given(arms=scores())
def test_chances_of_being_first_sum_to_one(arms: tuple[list[float], list[float]]) -> None:
    assert first_probabilities(*arms).sum() == pytest.approx(1.0, abs=1e-9)


def every_prefix(offers: NDArray[np.intp], length: int) -> list[tuple[int, ...]]:
    arms = range(len(offers))
    return [p for p in permutations(arms, length) if len({offers[arm] for arm in p}) == length]


MIXED = np.array([0.5, 0.5, 0.4, 0.6, 0.45, 0.5]), np.array([0.0, 0.0, 0.2, 0.1, 0.02, 0.3])


@pytest.mark.parametrize(
    ("location", "scale"),
    [
        (np.array([0.2, 0.25, 0.1, 0.3, 0.22, 0.18]), np.array([0.1, 0.05, 0.3, 0.003, 0.1, 0.1])),
        MIXED,
    ],
    ids=["uncertain", "with two equal certain arms"],
)
@pytest.mark.parametrize("offers", [[0, 1, 2, 3, 4, 5], [0, 1, 0, 2, 3, 1], [0, 0, 1, 1, 2, 2]])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_all_rankings_sum_to_one_and_a_simulation_agrees(
    location: Floats, scale: Floats, offers: list[int], length: int
) -> None:
    owners = np.array(offers)
    prefixes = every_prefix(owners, length)
    joint = np.array([prefix_probabilities(location, scale, owners, prefix).prod() for prefix in prefixes])
    assert joint.sum() == pytest.approx(1.0, abs=1e-7)

    rng = np.random.default_rng(11)
    drawn = rank_many(location + scale * rng.normal(size=(100_000, len(location))), owners, length)
    found, counts = np.unique(drawn, axis=0, return_counts=True)
    observed = dict(zip(map(tuple, found.tolist()), counts.tolist(), strict=True))
    count = np.array([observed.pop(prefix, 0) for prefix in prefixes])
    assert not observed
    likely = joint * 100_000 >= 5
    rest = max(joint[~likely].sum() * 100_000, 1e-6), count[~likely].sum()
    statistic = np.sum((count[likely] - joint[likely] * 1e5) ** 2 / (joint[likely] * 1e5))
    assert stats.chi2.sf(statistic, likely.sum() - 1) > 0.01
    assert rest[1] <= stats.poisson.ppf(0.999, rest[0])


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_the_order_in_which_arms_are_given_does_not_matter(seed: int) -> None:
    location, scale, offers, ranked = random_case(seed)
    order = np.random.default_rng(seed).permutation(len(location))
    place = np.argsort(order)
    np.testing.assert_allclose(
        prefix_probabilities(location[order], scale[order], offers[order], place[ranked]),
        prefix_probabilities(location, scale, offers, ranked),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        first_probabilities(location[order], scale[order]), first_probabilities(location, scale)[order], atol=1e-12
    )


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), shift=st.floats(-5, 5), factor=st.floats(0.01, 100))
def test_shifting_and_scaling_all_scores_changes_nothing(seed: int, shift: float, factor: float) -> None:
    location, scale, offers, ranked = random_case(seed)
    moved = prefix_probabilities(location * factor + shift, scale * factor, offers, ranked)
    np.testing.assert_allclose(moved, prefix_probabilities(location, scale, offers, ranked), atol=1e-7)


def test_a_longer_ranking_keeps_the_probabilities_of_its_beginning() -> None:
    location, scale, offers, _ = random_case(3)
    ranked = rank(location, offers)
    longest = prefix_probabilities(location, scale, offers, ranked)
    for length in range(1, len(ranked)):
        np.testing.assert_allclose(
            prefix_probabilities(location, scale, offers, ranked[:length]), longest[:length], atol=2e-7
        )


def test_certain_scores_are_ranked_with_certainty() -> None:
    location, zeros, offers = [0.3, 0.9, 0.9, 0.8], np.zeros(4), [0, 1, 2, 2]
    ranked = rank(location, offers)
    assert ranked.tolist() == [1, 2, 0]
    assert prefix_probabilities(location, zeros, offers, ranked).tolist() == [1.0, 1.0, 1.0]
    assert prefix_probabilities(location, zeros, offers, [2, 1]).tolist() == [PROBABILITY_FLOOR, PROBABILITY_FLOOR]
    assert prefix_probabilities(location, zeros, offers, [1, 3]).tolist() == [1.0, PROBABILITY_FLOOR]
    assert first_probabilities(location, zeros).tolist() == [0.0, 1.0, 0.0, 0.0]


def test_a_certain_score_among_uncertain_ones_has_the_closed_form() -> None:
    location, scale = np.array([0.5, 0.4, 0.6]), np.array([0.0, 0.2, 0.1])
    first = ndtr(0.1 / 0.2) * ndtr(-0.1 / 0.1)
    assert first_probabilities(location, scale)[0] == pytest.approx(first, abs=1e-12)
    # Arm 2 first and the certain arm second: arm 2 above 0.5 and arm 1 below.
    computed = prefix_probabilities(location, scale, [0, 1, 2], [2, 0])
    assert computed.prod() == pytest.approx(ndtr(1.0) * ndtr(0.5), abs=1e-9)
    # The certain arm between the two others in the other order.
    computed = prefix_probabilities(location, scale, [0, 1, 2], [1, 0, 2])
    assert computed.prod() == pytest.approx(ndtr(-0.5) * ndtr(-1.0), abs=1e-9)


def test_a_vanishing_scale_approaches_a_certain_score() -> None:
    certain = prefix_probabilities(MIXED[0], MIXED[1] + [0, 0.05, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5], [3, 0, 5])
    narrow = prefix_probabilities(MIXED[0], MIXED[1] + [1e-9, 0.05, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5], [3, 0, 5])
    np.testing.assert_allclose(narrow, certain, atol=1e-7)


def test_an_improbable_first_rank_does_not_spoil_the_second() -> None:
    # P(first) is near 1e-50 here; an event so rare still leaves well-defined odds for what follows.
    location, scale, offers = np.array([0.0, 20.0, 19.5, 17.0]), np.ones(4), np.arange(4)
    for ranked in ([0, 1, 2], [0, 2, 3], [3, 0, 1]):
        order = np.array(ranked)
        expected = np.maximum(
            dense_grid_reference(location, scale, offers, order, density_of_grid=1000), PROBABILITY_FLOOR
        )
        computed = prefix_probabilities(location, scale, offers, order)
        np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-6)


def test_a_listed_arm_always_had_a_chance() -> None:
    computed = prefix_probabilities([0.0, 1e6, 5e5], [1.0, 1.0, 1.0], [0, 1, 2], [0, 2, 1])
    assert computed.tolist()[0] == PROBABILITY_FLOOR
    assert np.all((computed >= PROBABILITY_FLOOR) & (computed <= 1))


def test_many_customers_agree_with_one_at_a_time() -> None:
    rng = np.random.default_rng(8)
    location = rng.normal(0, 0.1, size=(150, 30))
    scale = 0.1 * np.exp(rng.uniform(-np.log(100), 0, size=(150, 30)))
    scale[rng.random((150, 30)) < 0.05] = 0.0
    location[rng.random((150, 30)) < 0.3] = -np.inf
    location[7] = -np.inf
    together = first_probabilities_many(location, scale, block=17)
    alone = [first_probabilities(*customer) for customer in zip(location, scale, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-10)
    np.testing.assert_allclose(together.sum(axis=1), np.arange(150) != 7, atol=1e-9)
    assert not together[np.isneginf(location)].any()


def test_nobody_to_rank_gives_no_probabilities() -> None:
    assert first_probabilities([], []).shape == (0,)
    assert prefix_probabilities([], [], [], []).shape == (0,)
    assert prefix_probabilities([0.1], [0.1], [0], [0]).tolist() == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("ranked", "fault"),
    [([0, 0], "two arms"), ([0, 1], "two arms"), ([3], "indices"), ([-1], "indices"), ([2], "minus infinity")],
)
def test_an_impossible_ranking_is_refused(ranked: list[int], fault: str) -> None:
    with pytest.raises(InvalidRanking, match=fault):
        prefix_probabilities([0.1, 0.2, -np.inf], [0.1, 0.1, 0.1], [0, 0, 1], ranked)


@pytest.mark.parametrize(
    ("location", "scale"),
    [([np.nan], [1.0]), ([np.inf], [1.0]), ([0.0], [-1.0]), ([0.0], [np.nan]), ([0.0], [np.inf]), ([0.0, 1.0], [1.0])],
)
def test_scores_that_are_not_normal_are_refused(location: ArrayLike, scale: ArrayLike) -> None:
    with pytest.raises(InvalidScores):
        first_probabilities(location, scale)
