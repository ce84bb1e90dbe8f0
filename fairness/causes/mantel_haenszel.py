"""Two groups compared within strata and then as one: the Cochran-Mantel-Haenszel test and the common ratios; no strata
are made here, and no verdict.

Sources: Mantel and Haenszel 1959 (JNCI 22:719) for the test and the common odds ratio, Robins, Breslow and Greenland
1986 (Biometrics 42:311) for its variance, Greenland and Robins 1985 (Biometrics 41:55) for the common risk ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from fairness.counts import GroupCounts
from fairness.intervals import Z_95, Interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stratum:
    """People who are alike in what may matter, such as one credit band: one group of them beside its reference."""

    name: str
    group: GroupCounts
    reference: GroupCounts


@dataclass(frozen=True, slots=True)
class Common:
    """What holds over all strata; `risk_ratio` is the impact ratio within strata. None is undefined: no stratum has
    both groups, or nobody (or everybody) in them is favourable. `statistic` is chi-square, one degree of freedom."""

    strata: int
    risk_ratio: float | None
    risk_ratio_interval: Interval | None
    odds_ratio: float | None
    odds_ratio_interval: Interval | None
    statistic: float | None
    p: float | None


@dataclass(frozen=True, slots=True)
class _Tables:
    """The strata that hold both groups: favourable and unfavourable of the group, then of the reference, (s,) each."""

    a: Floats
    b: Floats
    c: Floats
    d: Floats

    @property
    def group(self) -> Floats:
        return self.a + self.b

    @property
    def reference(self) -> Floats:
        return self.c + self.d

    @property
    def total(self) -> Floats:
        return self.group + self.reference


def common(strata: Sequence[Stratum]) -> Common:
    """The test and the common ratios of these strata, group over reference. A stratum that lacks either group says
    nothing and is left out."""
    tables = _tables([one for one in strata if one.group.total and one.reference.total])
    statistic = _statistic(tables)
    return Common(
        len(tables.a),
        *_risk_ratio(tables),
        *_odds_ratio(tables),
        statistic,
        None if statistic is None else float(chi2.sf(statistic, df=1)),
    )


def _tables(strata: Sequence[Stratum]) -> _Tables:
    cells = [
        (one.group.favourable, one.group.unfavourable, one.reference.favourable, one.reference.unfavourable)
        for one in strata
    ]
    return _Tables(*np.array(cells, dtype=np.float64).reshape(-1, 4).T)


def _statistic(tables: _Tables) -> float | None:
    """With the continuity correction of half a person, which never takes the statistic below zero."""
    favourable, total = tables.a + tables.c, tables.total
    expected = tables.group * favourable / total
    spread = tables.group * tables.reference * favourable * (total - favourable) / (total**2 * (total - 1))
    variance = float(spread.sum())
    if not variance:
        return None
    gap = abs(float((tables.a - expected).sum()))
    return (gap - min(gap, 0.5)) ** 2 / variance


def _risk_ratio(tables: _Tables) -> tuple[float | None, Interval | None]:
    above = float((tables.a * tables.reference / tables.total).sum())
    below = float((tables.c * tables.group / tables.total).sum())
    if not below:
        return None, None
    if not above:
        return 0.0, None
    favourable = tables.a + tables.c
    terms = tables.group * tables.reference * favourable / tables.total**2 - tables.a * tables.c / tables.total
    return above / below, _around(above / below, float(terms.sum()) / (above * below))


def _odds_ratio(tables: _Tables) -> tuple[float | None, Interval | None]:
    total = tables.total
    for_group, for_reference = tables.a * tables.d / total, tables.b * tables.c / total
    above, below = float(for_group.sum()), float(for_reference.sum())
    if not below:
        return None, None
    if not above:
        return 0.0, None
    same, other = (tables.a + tables.d) / total, (tables.b + tables.c) / total
    variance = (
        float((same * for_group).sum()) / (2 * above**2)
        + float((same * for_reference + other * for_group).sum()) / (2 * above * below)
        + float((other * for_reference).sum()) / (2 * below**2)
    )
    return above / below, _around(above / below, variance)


def _around(ratio: float, variance: float) -> Interval:
    """95 % around a ratio, from the variance of its logarithm."""
    half = Z_95 * sqrt(max(0.0, variance))
    return Interval(exp(log(ratio) - half), exp(log(ratio) + half))
