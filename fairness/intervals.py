"""How sure a difference between two groups is: confidence intervals, p values and q values; no thresholds."""

from collections.abc import Sequence
from math import exp, isfinite, log, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, false_discovery_control, fisher_exact

from fairness.counts import GroupCounts

Z_95: Final = NormalDist().inv_cdf(0.975)
SMALL_CELL: Final = 100
"""Below this many people in any of the four cells the exact test is used."""


class Interval(NamedTuple):
    """Both ends of a two-sided 95 % confidence interval."""

    low: float
    high: float


def ratio_interval(group: GroupCounts, reference: GroupCounts) -> Interval | None:
    """Katz log interval of the adverse impact ratio (Katz and others 1978, Biometrics 34:469).

    Where nobody of the group is favourable the logarithm has no value: the interval then starts at 0 and its upper end
    is Walter's, with half a person added to each count. None where the ratio itself is undefined.
    """
    if not (group.total and reference.favourable):
        return None
    if not group.favourable:
        return Interval(0.0, _katz(_half_a_person_more(group), _half_a_person_more(reference)).high)
    return _katz(group, reference)


def difference_interval(group: GroupCounts, reference: GroupCounts) -> Interval | None:
    """Newcombe's hybrid score interval of the statistical parity difference (Newcombe 1998, Stat. Med. 17:873).

    None where either group is empty.
    """
    if group.rate is None or reference.rate is None:
        return None
    ours, theirs = wilson_interval(group), wilson_interval(reference)
    gap = group.rate - reference.rate
    below = sqrt((group.rate - ours.low) ** 2 + (theirs.high - reference.rate) ** 2)
    above = sqrt((ours.high - group.rate) ** 2 + (reference.rate - theirs.low) ** 2)
    return Interval(gap - below, gap + above)


def wilson_interval(counts: GroupCounts) -> Interval:
    """Wilson's score interval of one group's favourable rate. Raises ValueError for an empty group."""
    if counts.rate is None:
        raise ValueError(f"group {counts.group!r} is empty")
    spread = Z_95**2 / counts.total
    centre = (counts.rate + spread / 2) / (1 + spread)
    half = Z_95 * sqrt(counts.rate * (1 - counts.rate) / counts.total + spread / (4 * counts.total)) / (1 + spread)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def p_value(group: GroupCounts, reference: GroupCounts) -> float | None:
    """Two-sided p of equal rates: Fisher's exact test if any cell is under 100, else chi-square with Yates' correction.

    None where either group is empty. Raises ValueError on weighted counts: a test counts people.
    """
    return p_values([(group, reference)])[0]


def p_values(pairs: Sequence[tuple[GroupCounts, GroupCounts]]) -> list[float | None]:
    """The same of many pairs: the large tables at once, since an audit has hundreds of thousands."""
    cells = np.array([[_people(n) for n in _cells(*pair)] for pair in pairs], dtype=np.int64).reshape(-1, 4)
    found: list[float | None] = [None] * len(pairs)
    smallest = cells.min(axis=1, initial=np.iinfo(np.int64).max)
    large = np.flatnonzero(smallest >= SMALL_CELL)
    for place, p in zip(large.tolist(), _chi_square(cells[large]).tolist(), strict=True):
        found[place] = p
    filled = (cells[:, 0] + cells[:, 1] > 0) & (cells[:, 2] + cells[:, 3] > 0)
    for place in np.flatnonzero((smallest < SMALL_CELL) & filled).tolist():
        # Rounding in the exact test's sum may pass 1 by a few bits.
        found[place] = min(1.0, float(fisher_exact(cells[place].reshape(2, 2))[1]))
    return found


def _chi_square(cells: NDArray[np.int64]) -> NDArray[np.float64]:
    """p of 2 x 2 tables (N, 4), none with an empty row or column, with Yates' correction."""
    tables = cells.reshape(-1, 2, 2).astype(np.float64)
    rows, columns = tables.sum(axis=2, keepdims=True), tables.sum(axis=1, keepdims=True)
    expected = rows * columns / tables.sum(axis=(1, 2), keepdims=True)
    beyond = np.maximum(np.abs(tables - expected) - 0.5, 0.0)
    return np.asarray(chi2.sf((beyond**2 / expected).sum(axis=(1, 2)), 1))


def _cells(group: GroupCounts, reference: GroupCounts) -> tuple[float, float, float, float]:
    return group.favourable, group.unfavourable, reference.favourable, reference.unfavourable


def q_values(p_values: Sequence[float | None]) -> list[float | None]:
    """Benjamini-Hochberg adjusted p values of one family, in the same order; None stays None and is not counted."""
    known = [p for p in p_values if p is not None]
    adjusted = iter(false_discovery_control(known).tolist() if known else ())
    return [None if p is None else float(next(adjusted)) for p in p_values]


def _katz(group: GroupCounts, reference: GroupCounts) -> Interval:
    ratio = log(group.favourable / group.total) - log(reference.favourable / reference.total)
    variance = sum(1 / c.favourable - 1 / c.total for c in (group, reference))
    half = Z_95 * sqrt(max(0.0, variance))
    return Interval(exp(ratio - half), exp(ratio + half))


def _half_a_person_more(counts: GroupCounts) -> GroupCounts:
    return GroupCounts(counts.group, counts.total + 0.5, counts.favourable + 0.5)


def _people(count: float) -> int:
    if not (isfinite(count) and count == int(count)):
        raise ValueError(f"{count} is not a whole number of people")
    return int(count)
