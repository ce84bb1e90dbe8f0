"""Intervals for figures that have no closed form, by drawing customers again: all rows of a customer come together,
since they are not independent; seeded, so that the same data give the same interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fairness.intervals import Interval

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Of sums (b, k), giving (b,), NaN where it is undefined."""

DRAWS: Final = 1_000
SEED: Final = 20_261_122
METHOD: Final = f"customer-cluster bootstrap, {DRAWS:,} draws, seed {SEED}, 95 %"
_CELLS: Final = 5_000_000  # weights drawn at once


def sums_by_customer(customers: NDArray[np.int64], rows: Floats) -> Floats:
    """One row a customer: the sums (c, k) of her rows (n, k)."""
    _, place = np.unique(customers, return_inverse=True)
    columns = [np.bincount(place, column) for column in rows.T]
    return np.column_stack(columns)


def intervals(
    clusters: Floats, statistics: Sequence[Statistic], *, draws: int = DRAWS, seed: int = SEED
) -> list[Interval | None]:
    """The 95 % percentile intervals of statistics of sums, all of the same draws.

    `clusters` (c, k) has a row a customer. None where a statistic is undefined in more than one draw of twenty, or
    there are fewer than two customers.
    """
    if len(clusters) < 2:
        return [None] * len(statistics)
    random = np.random.default_rng(seed)
    at_once = max(1, _CELLS // len(clusters))
    sums = np.concatenate(
        [_drawn(random, clusters, min(at_once, draws - start)) for start in range(0, draws, at_once)]
    )  # fmt: skip
    return [_percentiles(statistic(sums)) for statistic in statistics]


def _percentiles(found: Floats) -> Interval | None:
    known = found[np.isfinite(found)]
    if len(known) < 0.95 * len(found):
        return None
    low, high = np.quantile(known, [0.025, 0.975]).tolist()
    return Interval(low, high)


def _drawn(random: np.random.Generator, clusters: Floats, draws: int) -> Floats:
    """Sums (draws, k) over as many customers as there are, drawn with replacement."""
    size = len(clusters)
    taken = random.integers(0, size, (draws, size)) + size * np.arange(draws)[:, None]
    weights = np.bincount(taken.ravel(), minlength=draws * size).reshape(draws, size)
    return np.asarray(weights @ clusters, dtype=np.float64)


# --- Statistics of sums, with a column a cell ----------------------------------------------------------------------


def confusion(decided: NDArray[np.bool_], actual: NDArray[np.bool_], group: NDArray[np.bool_]) -> Floats:
    """Rows (n, 8): true and false positives, true and false negatives of the group, then of everybody else."""
    cells = [decided & actual, decided & ~actual, ~decided & ~actual, ~decided & actual]
    return np.column_stack([cell & side for side in (group, ~group) for cell in cells]).astype(np.float64)


def equal_opportunity(sums: Floats) -> Floats:
    """True positive rates, group minus reference, of `confusion` sums (b, 8)."""
    return np.asarray(_share(sums[:, 0], sums[:, 3]) - _share(sums[:, 4], sums[:, 7]))


def average_odds(sums: Floats) -> Floats:
    """Mean of the gaps in false and in true positive rates."""
    false = _share(sums[:, 1], sums[:, 2]) - _share(sums[:, 5], sums[:, 6])
    return np.asarray((false + equal_opportunity(sums)) / 2)


def theil(sums: Floats) -> Floats:
    """Theil's index of the benefits of both sides together."""
    none, one, two = sums[:, 3] + sums[:, 7], sums[:, [0, 2, 4, 6]].sum(axis=1), sums[:, 1] + sums[:, 5]
    people = none + one + two
    mean = np.where(people > 0, (one + 2 * two) / np.maximum(people, 1), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        index = (one / mean * np.log(1 / mean) + 2 * two / mean * np.log(2 / mean)) / people
    return np.asarray(np.where((mean > 0) & (people > 0), index, np.nan), dtype=np.float64)


def moments(values: Floats, group: NDArray[np.bool_]) -> Floats:
    """Rows (n, 6): one, the value and its square, of the group, then of everybody else."""
    columns = [np.ones(len(values)), values, values**2]
    return np.column_stack([np.where(side, column, 0.0) for side in (group, ~group) for column in columns])


def standardised_difference(sums: Floats) -> Floats:
    """Of means, group minus reference, over the deviation of both together, of `moments` sums (b, 6)."""
    people, total, squares = (sums[:, at] + sums[:, at + 3] for at in range(3))
    mean = _divided(total, people)
    spread = np.sqrt(np.maximum(_divided(squares, people) - mean**2, 0.0))
    gap = _divided(sums[:, 1], sums[:, 0]) - _divided(sums[:, 4], sums[:, 3])
    return _divided(gap, spread)


def ratio(sums: Floats) -> Floats:
    """Of two columns, such as outcomes over expectations."""
    return _divided(sums[:, 0], sums[:, 1])


def _share(part: Floats, rest: Floats) -> Floats:
    return _divided(part, part + rest)


def _divided(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0), dtype=np.float64)
