"""Claims about the counter-based generator."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from decisioning.draws import arm_counter, normals, uniforms

WORDS = st.integers(min_value=0, max_value=2**64 - 1)
MASK = 2**64 - 1

# The reference sequence of seed 1234567 (Rosetta Code, "Pseudo-random numbers/Splitmix64").
PUBLISHED = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]


def splitmix64(key: int, counter: int) -> int:
    """The published algorithm in unbounded integers, as an independent reference."""
    state = (key + (counter + 1) * 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def key_of_first_word(word: int) -> int:
    """The key whose first word is `word`: the algorithm run backwards."""

    def unshift(value: int, shift: int) -> int:
        result = value
        for _ in range(64 // shift):
            result = value ^ (result >> shift)
        return result

    state = unshift(word, 31) * pow(0x94D049BB133111EB, -1, 2**64) & MASK
    state = unshift(state, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) & MASK
    return (unshift(state, 30) - 0x9E3779B97F4A7C15) & MASK


def random_words(seed: int, size: int) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(0, 2**64, size=size, dtype=np.uint64)


def test_first_words_are_those_published_for_splitmix64() -> None:
    assert [splitmix64(1234567, counter) for counter in range(4)] == PUBLISHED


@given(key=WORDS, counter=WORDS)
def test_uniform_is_the_published_word_cut_to_52_bits(key: int, counter: int) -> None:
    assert uniforms(key, counter) == ((splitmix64(key, counter) >> 12) + 0.5) * 2.0**-52


@given(keys=st.lists(WORDS, min_size=1, max_size=5), counters=st.lists(WORDS, min_size=1, max_size=5))
def test_broadcast_gives_the_bits_of_one_at_a_time(keys: list[int], counters: list[int]) -> None:
    key_array, counter_array = np.array(keys, dtype=np.uint64), np.array(counters, dtype=np.uint64)
    together = normals(key_array[:, np.newaxis], counter_array)
    one_by_one = np.array([[normals(key, counter) for counter in counters] for key in keys])
    by_customer = np.array([normals(key, counter_array) for key in keys])
    assert together.tobytes() == one_by_one.tobytes() == by_customer.tobytes()


def test_a_large_broadcast_gives_the_bits_of_its_rows() -> None:
    keys, counters = random_words(1, 500), random_words(2, 72)
    together = normals(keys[:, np.newaxis], counters)
    assert together.tobytes() == np.array([normals(key, counters) for key in keys]).tobytes()


def test_normals_are_the_quantiles_of_the_published_words() -> None:
    # Recorded decisions are replayed with these draws: a change here breaks every replay.
    expected = [NormalDist().inv_cdf(word / 2**64) for word in PUBLISHED]
    np.testing.assert_allclose(normals(1234567, np.arange(4)), expected, rtol=1e-12)


@pytest.mark.parametrize("word", [0, MASK])
def test_extreme_words_give_finite_normals(word: int) -> None:
    key = key_of_first_word(word)
    assert splitmix64(key, 0) == word
    assert 0.0 < uniforms(key, 0) < 1.0
    assert 8.0 < abs(float(normals(key, 0))) < 8.3


def test_draws_are_normally_distributed() -> None:
    sample = normals(random_words(3, 1000)[:, np.newaxis], random_words(4, 100)).ravel()
    assert stats.kstest(sample, "norm").pvalue > 0.01


@pytest.mark.parametrize("consecutive", [True, False])
def test_no_correlation_across_keys_or_counters(consecutive: bool) -> None:
    size = 200_000
    keys = np.arange(size, dtype=np.uint64) if consecutive else random_words(5, size)
    first, second = normals(keys, 1), normals(keys, 2)
    same_key = np.corrcoef(first, second)[0, 1]
    neighbouring_key = np.corrcoef(first[:-1], first[1:])[0, 1]
    squares = np.corrcoef(first**2, second**2)[0, 1]
    assert max(abs(same_key), abs(neighbouring_key), abs(squares)) < 4 / np.sqrt(size)


def test_an_arms_draw_does_not_depend_on_the_other_arms() -> None:
    counters = {arm: arm_counter(arm) for arm in ("travel:a", "travel:b", "cash:a")}
    alone = normals(99, [counters["cash:a"]])
    among_others = normals(99, list(counters.values()))
    assert alone[0] == among_others[2]


@given(arms=st.sets(st.text(), min_size=2))
def test_arm_counters_fit_63_bits_and_differ(arms: set[str]) -> None:
    counters = {arm_counter(arm) for arm in arms}
    assert len(counters) == len(arms)
    assert all(0 <= counter < 2**63 for counter in counters)


def test_keys_that_are_not_integers_are_refused() -> None:
    with pytest.raises(TypeError, match="integers"):
        uniforms(0.5, [1, 2])
