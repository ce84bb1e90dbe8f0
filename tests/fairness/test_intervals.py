"""Intervals, p and q values against published examples and independent definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from fairness.counts import GroupCounts
from fairness.intervals import difference_interval, p_value, q_values, ratio_interval, wilson_interval


def counts(favourable: int, total: int) -> GroupCounts:
    return GroupCounts("a group", total, favourable)


def test_katz_interval_of_german_credit_is_the_published_one() -> None:
    interval = ratio_interval(counts(110, 190), counts(590, 810))
    assert interval == pytest.approx((0.699, 0.904), abs=5e-4)


@pytest.mark.parametrize(
    ("group", "reference", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_difference_interval_is_the_one_that_newcombe_printed(
    group: tuple[int, int], reference: tuple[int, int], low: float, high: float
) -> None:
    assert difference_interval(counts(*group), counts(*reference)) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_interval_is_scipys(favourable: int, more: int) -> None:
    scipy_says = binomtest(favourable, favourable + more).proportion_ci(method="wilson")
    assert wilson_interval(counts(favourable, favourable + more)) == pytest.approx(
        (scipy_says.low, scipy_says.high), abs=1e-12
    )


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 3000))
def test_intervals_hold_the_estimate_and_are_finite(a: int, b: int, c: int, d: int) -> None:
    group, reference = counts(a, a + b), counts(c, c + d)
    ratio, difference = ratio_interval(group, reference), difference_interval(group, reference)
    assert (ratio is None) == (group.total == 0 or c == 0)
    assert (difference is None) == (group.total == 0 or reference.total == 0)
    if ratio is not None and group.rate is not None and reference.rate:
        assert 0 <= ratio.low <= group.rate / reference.rate + 1e-12
        assert group.rate / reference.rate - 1e-12 <= ratio.high < math.inf
    if difference is not None and group.rate is not None and reference.rate is not None:
        gap = group.rate - reference.rate
        assert -1 - 1e-12 <= difference.low <= gap + 1e-12
        assert gap - 1e-12 <= difference.high <= 1 + 1e-12


def test_a_group_shut_out_has_an_interval_that_starts_at_zero() -> None:
    interval = ratio_interval(counts(0, 500), counts(300, 500))
    assert interval is not None
    assert interval.low == 0
    assert 0 < interval.high < 0.05


def test_intervals_cover_the_truth_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(11)
    group, reference = rng.binomial(800, 0.12, 3000), rng.binomial(2500, 0.15, 3000)
    ratios, gaps = 0, 0
    for ours, theirs in zip(group.tolist(), reference.tolist(), strict=True):
        ratio = ratio_interval(counts(ours, 800), counts(theirs, 2500))
        gap = difference_interval(counts(ours, 800), counts(theirs, 2500))
        assert ratio is not None
        assert gap is not None
        ratios += ratio.low <= 0.8 <= ratio.high
        gaps += gap.low <= -0.03 <= gap.high
    assert 0.935 <= ratios / 3000 <= 0.965
    assert 0.935 <= gaps / 3000 <= 0.965


def test_small_cells_take_the_exact_test() -> None:
    # Fisher's tea: 3 of 4 against 1 of 4 has two-sided p 34/70.
    assert p_value(counts(3, 4), counts(1, 4)) == pytest.approx(34 / 70)


def test_large_cells_take_chi_square_with_yates_correction() -> None:
    a, b, c, d = 300, 700, 360, 640
    n = a + b + c + d
    statistic = n * (abs(a * d - b * c) - n / 2) ** 2 / ((a + b) * (c + d) * (a + c) * (b + d))
    p = math.erfc(math.sqrt(statistic / 2))
    assert p_value(counts(a, a + b), counts(c, c + d)) == pytest.approx(p, rel=1e-9)


def test_the_test_changes_where_a_cell_falls_under_a_hundred() -> None:
    def yates(a: int, b: int, c: int, d: int) -> float:
        n = a + b + c + d
        statistic = n * (abs(a * d - b * c) - n / 2) ** 2 / ((a + b) * (c + d) * (a + c) * (b + d))
        return math.erfc(math.sqrt(statistic / 2))

    assert p_value(counts(100, 1000), counts(140, 1000)) == pytest.approx(yates(100, 900, 140, 860), rel=1e-9)
    assert p_value(counts(99, 1000), counts(140, 1000)) != pytest.approx(yates(99, 901, 140, 860), rel=1e-4)


def test_an_empty_group_has_no_p_value_and_weights_are_refused() -> None:
    assert p_value(counts(0, 0), counts(3, 9)) is None
    with pytest.raises(ValueError, match="whole number"):
        p_value(GroupCounts("weighted", 10.0, 2.5), counts(3, 9))


@given(st.lists(st.floats(0, 1), max_size=40))
def test_q_values_are_benjamini_hochbergs(p_values: list[float]) -> None:
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    expected, smallest = [0.0] * len(p_values), 1.0
    for rank in range(len(order), 0, -1):
        smallest = min(smallest, p_values[order[rank - 1]] * len(order) / rank)
        expected[order[rank - 1]] = smallest
    assert q_values(p_values) == pytest.approx(expected, rel=1e-12)


def test_undefined_comparisons_are_not_counted_in_the_family() -> None:
    assert q_values([None, 0.01, None, 0.04]) == [None, pytest.approx(0.02), None, pytest.approx(0.04)]
    assert q_values([None]) == [None]
