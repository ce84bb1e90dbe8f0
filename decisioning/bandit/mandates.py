"""What people ask of an arm beside its merit: shares projected before they are logged, learning that is capped, and
customers who are never explored on; no clock and no I/O comes in.

The chances of rank 1 under a mandate are the I-projection of the chances by merit on what is asked: of all that keep
the bounds the nearest in Kullback-Leibler divergence (Csiszar, "I-divergence geometry of probability distributions and
minimization problems", Annals of Probability 3, 1975). Arms without a bound keep their proportions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisioning.bandit.action_probability import PROBABILITY_FLOOR
from offers.types import Mandate

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

SLACK = 1e-9  # what shares and their sums may be off by; maximums that sum to no more beyond 1 leave nothing to choose
_HALVINGS = 64


class NoDistribution(ArithmeticError):
    """Shares that do not sum to 1: nothing may be drawn from them, nor logged."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked in one decision of its k competing arms, (k,) each: the bounds of each arm's chance of rank 1 (no
    maximum where the customer is spared from any of them), which arms are met only by their expected score, and which
    others have a learning budget."""

    low: Floats
    high: Floats
    held: Mask
    budgeted: Mask

    @property
    def bounded(self) -> bool:
        """Whether any share is asked for at all."""
        return bool((self.low > 0).any() or (self.high < 1).any())


def terms(
    mandates: Mapping[int, Mandate],
    names: Sequence[str],
    arms: Indices,
    *,
    attributes: Mapping[str, Any],
    spent: Mapping[str, int],
    now: datetime,
) -> Terms | None:
    """What the mandates (by position of the arm in `names`) ask of these arms (k,) now; None where none is in force.

    `spent` says how often each arm with a learning budget has been learned on today.
    """
    found = [(place, mandates[arm], names[arm]) for place, arm in enumerate(arms.tolist()) if arm in mandates]
    found = [row for row in found if in_force(row[1], now)]
    if not found:
        return None
    low, high, (held, budgeted) = np.zeros(len(arms)), np.ones(len(arms)), np.zeros((2, len(arms)), dtype=np.bool_)
    spared = np.array([shielded(mandate, attributes) for _, mandate, _ in found])
    for (place, mandate, name), spare in zip(found, spared.tolist(), strict=True):
        held[place] = spare or used_up(mandate, name, spent)
        low[place] = 0.0 if held[place] else mandate.min_share
        # What one arm may not have another gets: no maximum pushes a worse arm on a customer who is spared from it.
        high[place] = 1.0 if spared.any() else mandate.max_share
        budgeted[place] = mandate.learning_budget is not None and not held[place]
    return Terms(low, high, held, budgeted)


def in_force(mandate: Mandate, now: datetime) -> bool:
    return mandate.ends_at is None or now < mandate.ends_at


def shielded(mandate: Mandate, attributes: Mapping[str, Any]) -> bool:
    """Whether this customer is not to be explored on. Whoever is not known to be free of it counts as holding it: what
    the bank does not know, or may not read, is no licence to experiment."""
    return any(attributes.get(name) is not False for name in mandate.never_explore)


def used_up(mandate: Mandate, arm: str, spent: Mapping[str, int]) -> bool:
    """Whether the day's learning budget is gone; a count that nobody knows counts as gone."""
    return mandate.learning_budget is not None and spent.get(arm, mandate.learning_budget) >= mandate.learning_budget


def project(merit: ArrayLike, low: ArrayLike, high: ArrayLike) -> Floats:
    """`project_many` for one customer: (k,)."""
    return np.asarray(project_many(np.asarray(merit, dtype=np.float64)[np.newaxis], low, high)[0])


def project_many(merit: ArrayLike, low: ArrayLike, high: ArrayLike, competing: Mask | None = None) -> Floats:
    """The chances of rank 1 under the bounds, (N, k), from those by merit (N, k), rows of which sum to 1.

    `low` and `high` are (k,) or (N, k), with 0 <= low <= high <= 1; `competing` (N, k) says who competes at all, None
    that everybody does. Where the bounds do not bind, a row is returned as it came. Bounds that no distribution keeps
    give way in proportion: minimums that sum to more than 1 are divided by their sum, and so are maximums of less.

    Raises NoDistribution where what comes out is none, as from merits that are none.
    """
    p = np.asarray(merit, dtype=np.float64)
    there = np.ones(p.shape, dtype=np.bool_) if competing is None else competing
    least, most = (np.broadcast_to(np.asarray(bound, dtype=np.float64), p.shape) for bound in (low, high))
    result = p.copy()
    binding = np.flatnonzero((there & ((p < least) | (p > most))).any(axis=1))
    if len(binding):
        result[binding] = _projected(p[binding], least[binding], most[binding], there[binding])
        if not (np.abs(result[binding].sum(axis=1) - 1.0) <= SLACK).all():
            raise NoDistribution("shares under the mandates do not sum to 1")
    return result


def _projected(p: Floats, low: Floats, high: Floats, there: Mask) -> Floats:
    """q = clip(c p, low, high) with the c for which it sums to 1, where there is one."""
    # An arm that could not win by merit may have to take what another must leave.
    able = np.where(there, np.maximum(p, PROBABILITY_FLOOR), 0.0)
    asked = ((low > 0) | (high < 1)).any(axis=0)
    # Arms without a bound keep their proportions, so that together they count as one arm.
    rest = np.where(asked, 0.0, able).sum(axis=1, keepdims=True)
    shares = _clipped(
        np.concatenate([able[:, asked], rest], axis=1),
        np.concatenate([np.where(there, low, 0.0)[:, asked], np.zeros_like(rest)], axis=1),
        np.concatenate([np.where(there, high, 0.0)[:, asked], np.where(rest > 0, 1.0, 0.0)], axis=1),
    )
    result: Floats = np.divide(able, rest, out=np.zeros_like(able), where=rest > 0) * shares[:, -1:]
    result[:, asked] = shares[:, :-1]
    return result


def _clipped(p: Floats, low: Floats, high: Floats) -> Floats:
    fewest, utmost = low.sum(axis=1, keepdims=True), high.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        clipped = np.clip(_factor(p, low, high) * p, low, high)
        # Once more from what the free arms have to share, so that the row sums to 1 to the last bits.
        free = (clipped > low) & (clipped < high)
        weight = np.where(free, p, 0.0)
        left = 1.0 - np.where(free, 0.0, clipped).sum(axis=1, keepdims=True)
        clipped = np.where(free, weight / weight.sum(axis=1, keepdims=True) * left, clipped)
        kept = (clipped >= low - SLACK) & (clipped <= high + SLACK)
        missed = np.flatnonzero(~(kept.all(axis=1) & (np.abs(clipped.sum(axis=1) - 1.0) <= SLACK)))
        if len(missed):
            clipped[missed] = _halved(p[missed], low[missed], high[missed])
        none = p / p.sum(axis=1, keepdims=True)
        clipped = np.where(utmost <= 1.0 + SLACK, np.where(utmost > 0.0, high / utmost, none), clipped)
        return np.asarray(np.where(fewest > 1.0, low / fewest, clipped))


def _halved(p: Floats, low: Floats, high: Floats) -> Floats:
    """The same found by halving: slower, and not misled where chances lie twelve orders of magnitude apart, or where
    the bounds leave hardly anything to choose."""
    least, most = (
        np.full((len(p), 1), np.log(PROBABILITY_FLOOR) - 2),
        np.full((len(p), 1), 2 - np.log(PROBABILITY_FLOOR)),
    )
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        enough = np.clip(np.exp(middle) * p, low, high).sum(axis=1, keepdims=True) >= 1.0
        least, most = np.where(enough, least, middle), np.where(enough, middle, most)
    return np.asarray(np.clip(np.exp(most) * p, low, high))


def _factor(p: Floats, low: Floats, high: Floats) -> Floats:
    """The c (N, 1) for which clip(c p, low, high) sums to 1: the sum is piecewise linear in c and bends where an arm
    leaves its minimum and where it meets its maximum."""
    bends = np.concatenate([np.where(p > 0, low / p, np.inf), np.where(p > 0, high / p, np.inf)], axis=1)
    steeper = np.concatenate([p, -p], axis=1)
    order = np.argsort(bends, axis=1, kind="stable")
    bends, steeper = np.take_along_axis(bends, order, 1), np.take_along_axis(steeper, order, 1)
    slope = np.cumsum(steeper, axis=1)
    start = np.concatenate([np.zeros((len(p), 1)), bends[:, :-1]], axis=1)
    before = np.concatenate([np.zeros((len(p), 1)), slope[:, :-1]], axis=1)
    rise = np.where(before > 0, before * (bends - start), 0.0)
    reached = low.sum(axis=1, keepdims=True) + np.cumsum(rise, axis=1)
    first = np.argmax(reached >= 1.0, axis=1)[:, np.newaxis]
    missing = 1.0 - (np.take_along_axis(reached, first, 1) - np.take_along_axis(rise, first, 1))
    flat = np.take_along_axis(before, first, 1)
    return np.asarray(np.take_along_axis(start, first, 1) + np.where(flat > 0, missing / flat, 0.0))


def redraw(merit: ArrayLike, share: ArrayLike, winner: ArrayLike, keep: ArrayLike, other: ArrayLike) -> Indices:
    """Who stands first, (N,), so that each arm does with its `share` (N, k), if the `winner` (N,) by merit is each arm
    with its `merit` (N, k).

    `keep` and `other` (N,) are uniform draws. The winner stays as often as its share allows, else one of the arms that
    are due more than their merit takes its place: no coupling changes fewer decisions.
    """
    p, q = np.asarray(merit, dtype=np.float64), np.asarray(share, dtype=np.float64)
    won = np.asarray(winner, dtype=np.intp)
    rows = np.arange(len(p))
    owed = np.maximum(q - p, 0.0)
    sums = np.cumsum(owed, axis=1)
    drawn = np.argmax(sums > np.asarray(other)[:, np.newaxis] * sums[:, -1:], axis=1)
    stays = np.asarray(keep) * p[rows, won] < q[rows, won]
    return np.asarray(np.where(stays | (sums[:, -1] <= 0.0), won, drawn))
