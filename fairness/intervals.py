"""How sure a difference between two groups is: confidence intervals, p values and q values; no thresholds."""

from collections.abc import Sequence
from math import exp, isfinite, log, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from scipy.stats import chi2_contingency, false_discovery_control, fisher_exact

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
    if not (group.total and reference.total):
        return None
    cells = np.array([[_people(c.favourable), _people(c.unfavourable)] for c in (group, reference)])
    exact = cells.min() < SMALL_CELL
    p = float((fisher_exact(cells) if exact else chi2_contingency(cells, correction=True))[1])
    # Rounding in the exact test's sum may pass 1 by a few bits.
    return min(1.0, p)


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
