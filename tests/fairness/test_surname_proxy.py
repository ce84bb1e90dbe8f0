"""Estimated groups (T-MET-11): the formula, the simulation in which each method errs its own way, and a verdict that
none of them gives alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fairness import surname_proxy
from fairness.surname_proxy import Floats
from fairness.thresholds import Verdict

SHARES = np.array([0.67121, 0.11709, 0.14216, 0.05074, 0.00686, 0.01193])  # adults of the US, 2010
shares = arrays(np.float64, 6, elements=st.floats(0.01, 1)).map(lambda drawn: drawn / drawn.sum())


@given(shares, shares, st.lists(st.floats(0.5, 50), min_size=6, max_size=6))
def test_the_posterior_is_that_of_bayes(by_name: Floats, base: Floats, places: list[float]) -> None:
    """p(g | name, place) from p(g | name) and p(place | g), where p(g | place) = p(place | g) p(g) / p(place)."""
    likelihood = np.array(places) / sum(places)
    of_place = likelihood * base / (likelihood * base).sum()
    expected = by_name * likelihood / (by_name * likelihood).sum()
    found = surname_proxy.posterior(by_name[None], of_place[None], base)[0]
    assert np.allclose(found, expected, atol=1e-12)
    assert found.sum() == pytest.approx(1.0)


def test_a_name_a_place_or_probabilities_that_are_not_known_estimate_nothing() -> None:
    full, missing, partial = SHARES, np.full(6, np.nan), SHARES * 0.9
    by_name = np.array([full, missing, full, partial])
    of_place = np.array([full, full, missing, full])
    found = surname_proxy.posterior(by_name, of_place, SHARES)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True, True]


def test_a_place_like_the_nation_adds_nothing_to_a_name() -> None:
    by_name = np.array([[0.1, 0.6, 0.1, 0.1, 0.05, 0.05]])
    assert np.allclose(surname_proxy.posterior(by_name, SHARES[None], SHARES), by_name)


def simulated(
    size: int, seed: int, *, rate: float = 0.2, reference_rate: float = 0.25
) -> tuple[Floats, Floats, Floats]:
    """Probabilities (N, 2) of a group with mean 0.15, who belongs to it (N,), and who was favourable (N,)."""
    random = np.random.default_rng(seed)
    p = random.beta(0.6, 3.4, size)
    member = random.random(size) < p
    happy = random.random(size) < np.where(member, rate, reference_rate)
    return np.column_stack([p, 1 - p]), member, happy


def test_weighting_hides_a_gap_and_regression_finds_it() -> None:
    p, member, happy = simulated(200_000, seed=1)
    truth = happy[member].mean() / happy[~member].mean()
    found = surname_proxy.compare(p, happy, 0, 1)
    weighted, regressed = found.of("weighted").ratio, found.of("regression").ratio
    assert weighted is not None
    assert regressed is not None
    assert truth == pytest.approx(0.8, abs=0.02)
    assert weighted > truth + 0.04
    assert regressed == pytest.approx(truth, abs=0.03)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= regressed <= found.high
    assert [one.method for one in found.estimators] == ["weighted", "at least 0.5", "at least 0.8", "regression"]
    assert found.label == "PROXY"


def test_one_method_alone_makes_nobody_red() -> None:
    """R-PRX-1: the weighted ratio passes the line that the regression is under, so somebody has to look."""
    p, _, happy = simulated(200_000, seed=2, rate=0.18)
    found = surname_proxy.compare(p, happy, 0, 1)
    assert (found.of("regression").ratio or 1) < 0.8 < (found.of("weighted").ratio or 0)
    assert found.p is not None
    assert found.p < 1e-6
    assert found.verdict is Verdict.WATCH


def test_a_gap_that_both_see_is_red() -> None:
    p, _, happy = simulated(200_000, seed=3, rate=0.02)
    found = surname_proxy.compare(p, happy, 0, 1)
    assert (found.of("weighted").ratio or 1) < 0.8
    assert found.verdict is Verdict.FAIL


def test_no_gap_is_not_red_however_often_it_is_looked_at() -> None:
    verdicts = [surname_proxy.compare(*_fair(seed), 0, 1).verdict for seed in range(40)]
    assert Verdict.FAIL not in verdicts


def _fair(seed: int) -> tuple[Floats, Floats]:
    p, _, happy = simulated(4_000, seed, rate=0.25)
    return p, happy


def test_a_few_people_reassure_nobody() -> None:
    p, _, happy = simulated(120, seed=5, rate=0.25)
    assert surname_proxy.compare(p, happy, 0, 1).verdict is Verdict.TOO_LITTLE_DATA


def test_probabilities_that_tell_nobody_apart_say_nothing() -> None:
    same = np.full((500, 2), 0.5)
    found = surname_proxy.compare(same, np.arange(500) % 3 == 0, 0, 1)
    assert found.verdict is Verdict.UNDEFINED
    assert found.of("regression").ratio is None


@given(st.integers(0, 50))
def test_who_is_not_estimated_is_left_out_and_changes_nothing(extra: int) -> None:
    p, _, happy = simulated(600, seed=7)
    padded = np.vstack([p, np.full((extra, 2), np.nan)])
    more = np.concatenate([happy, np.ones(extra, dtype=bool)])
    assert surname_proxy.compare(padded, more, 0, 1) == surname_proxy.compare(p, happy, 0, 1)
