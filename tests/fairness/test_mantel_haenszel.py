"""The test and the common ratios over strata, against worked numbers and exact conditional distributions (M12)."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from fairness import intervals
from fairness.causes.mantel_haenszel import Stratum, common
from fairness.counts import GroupCounts

# Admissions of six departments (Bickel, Hammel and O'Connell 1975): admitted and rejected men, then women.
DEPARTMENTS = {
    "A": (512, 313, 89, 19), "B": (353, 207, 17, 8), "C": (120, 205, 202, 391),
    "D": (138, 279, 131, 244), "E": (53, 138, 94, 299), "F": (22, 351, 24, 317),
}  # fmt: skip


def stratum(name: str, yes: int, no: int, reference_yes: int, reference_no: int) -> Stratum:
    return Stratum(
        name, GroupCounts("group", yes + no, yes), GroupCounts("reference", reference_yes + reference_no, reference_yes)
    )


cells = st.integers(0, 60)
strata = st.lists(st.builds(stratum, st.just("s"), cells, cells, cells, cells), min_size=1, max_size=4)


def test_admissions_of_six_departments_as_the_textbooks_work_them_out() -> None:
    found = common([stratum(name, *counts) for name, counts in DEPARTMENTS.items()])
    assert found.statistic == pytest.approx(1.4269, abs=5e-5)
    assert found.p == pytest.approx(0.2323, abs=5e-5)
    assert found.odds_ratio == pytest.approx(0.9046968, abs=5e-8)
    assert found.odds_ratio_interval == pytest.approx((0.7719074, 1.0603298), abs=5e-7)


@given(st.tuples(st.integers(1, 400), st.integers(1, 400), st.integers(1, 400), st.integers(1, 400)))
def test_one_stratum_gives_the_ratio_of_the_table_and_its_katz_interval(table: tuple[int, int, int, int]) -> None:
    one = stratum("all", *table)
    found, katz = common([one]), intervals.ratio_interval(one.group, one.reference)
    assert found.risk_ratio == pytest.approx((one.group.rate or 0) / (one.reference.rate or 1))
    assert found.odds_ratio == pytest.approx(table[0] * table[3] / (table[1] * table[2]))
    assert katz is not None
    assert found.risk_ratio_interval == pytest.approx(katz)


@given(strata)
def test_swapping_the_groups_inverts_the_ratios_and_keeps_the_test(made: list[Stratum]) -> None:
    # T-MET-09
    there, back = common(made), common([Stratum(one.name, one.reference, one.group) for one in made])
    assert there.p == (None if back.p is None else pytest.approx(back.p))
    for ours, theirs in ((there.risk_ratio, back.risk_ratio), (there.odds_ratio, back.odds_ratio)):
        if ours and theirs:
            assert ours == pytest.approx(1 / theirs)


@pytest.mark.parametrize("seed", range(6))
def test_the_test_agrees_with_the_exact_conditional_one(seed: int) -> None:
    """Given its margins each stratum's count is hypergeometric; the sum over strata has the convolved distribution."""
    random = np.random.default_rng(seed)
    made = [stratum(str(at), *random.integers(20, 60, 4).tolist()) for at in range(3)]
    found = common(made)
    distributions = []
    for one in made:
        people = int(one.group.total + one.reference.total)
        favourable = int(one.group.favourable + one.reference.favourable)
        distributions.append(hypergeom.pmf(np.arange(int(one.group.total) + 1), people, favourable, one.group.total))
    whole = reduce(np.convolve, distributions)
    mean = (np.arange(len(whole)) * whole).sum()
    seen = sum(int(one.group.favourable) for one in made)
    tail = whole[seen:].sum() if seen > mean else whole[: seen + 1].sum()
    assert found.p is not None
    assert found.p / 2 == pytest.approx(tail, abs=0.01)


def test_a_stratum_without_one_of_the_groups_says_nothing() -> None:
    whole = [stratum("A", 30, 70, 50, 50)]
    assert common([*whole, stratum("B", 9, 9, 0, 0)]) == common(whole)


@pytest.mark.parametrize("table", [(0, 0, 0, 0), (0, 9, 0, 9), (9, 0, 9, 0), (5, 5, 0, 0)])
def test_where_nothing_differs_or_nobody_is_there_the_test_is_undefined(table: tuple[int, int, int, int]) -> None:
    # T-MET-05
    assert common([stratum("A", *table)]).p is None


def test_a_gap_that_is_only_one_of_bands_vanishes_within_them() -> None:
    """Simpson: the group is mostly in the band that is offered less; inside each band nobody is treated differently."""
    bands = [stratum("low", 80, 720, 20, 180), stratum("high", 100, 100, 400, 400)]
    crude = ((80 + 100) / 1000) / ((20 + 400) / 1000)
    found = common(bands)
    assert crude < 0.5
    assert found.risk_ratio == pytest.approx(1.0)
    assert found.p == pytest.approx(1.0)
