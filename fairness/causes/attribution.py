"""How much of a gap in eligibility each rule, and each clause of a rule, accounts for: Shapley values of ln of the
impact ratio, from failed-rule counts; no customer and no database.

The value of a set of rules is ln AIR if they alone applied. A rule's share is its mean effect over all orders in which
the rules could be applied (Shapley 1953), a clause's the same over the orders that keep a rule's clauses together (Owen
1977): shares of rules add up to ln AIR of the offer, shares of clauses to their rule's.

Where nobody of a group is eligible ln AIR has no value. Half a person is then added to the eligible and to all of both
groups, as for the interval of the ratio, so that a rule that shuts a group out is still named; `smoothed` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fairness.counts import GroupCounts
from fairness.intervals import Z_95, Interval
from fairness.metrics import disparate_impact

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_EXACT: Final = 16
"""Players of whom every subset is looked at: the book asks for 12, and 65,536 subsets are a matter of milliseconds."""
PAIRS: Final = 1_000
"""Orders that are drawn beyond that, each with its reverse."""


class NobodyToCompare(Exception):
    """One of the two groups is empty."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one rule or clause does. `failing` and `reference_failing` are people; `alone` is AIR if it alone applied,
    `without` AIR if only it did not; `shapley` its part of ln AIR, negative where it lowers the ratio, with an
    `interval` (95 %) where orders were drawn."""

    name: str
    failing: int
    reference_failing: int
    alone: float | None
    without: float | None
    shapley: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Attribution:
    """One gap in eligibility; `rules` with what lowers the ratio most first, `clauses` by rule likewise."""

    group: GroupCounts
    reference: GroupCounts
    ln_ratio: float
    smoothed: bool
    exact: bool
    rules: tuple[Share, ...]
    clauses: dict[str, tuple[Share, ...]]


def attribute(
    owners: Sequence[str],
    clauses: Sequence[str],
    failed: Mask,
    group: tuple[str, NDArray[np.int64]],
    reference: tuple[str, NDArray[np.int64]],
) -> Attribution:
    """From the distinct patterns (m, parts) of what people fail, with the people (m,) of each group by pattern. Each
    part belongs to the rule in `owners` (parts,) and is described in `clauses` (parts,). Raises NobodyToCompare."""
    people = np.stack([group[1], reference[1]], axis=1).astype(np.float64)
    if not (len(people) and people.sum(axis=0).all()):
        raise NobodyToCompare(f"{group[0]} beside {reference[0]}")
    keys = list(dict.fromkeys(owners))
    parts = {key: [at for at, owner in enumerate(owners) if owner == key] for key in keys}
    by_rule = np.stack([failed[:, mine].any(axis=1) for mine in parts.values()], axis=1) if keys else failed
    game = _Game(by_rule, people, len(keys))
    eligible = people[~by_rule.any(axis=1)].sum(axis=0).tolist()
    within = {
        key: _Game(np.hstack([failed[:, parts[key]], np.delete(by_rule, at, axis=1)]), people, len(parts[key]))
        for at, key in enumerate(keys)
        if len(parts[key]) > 1
    }
    return Attribution(
        GroupCounts(group[0], int(people[:, 0].sum()), int(eligible[0])),
        GroupCounts(reference[0], int(people[:, 1].sum()), int(eligible[1])),
        game.whole,
        game.smoothed,
        game.exact,
        game.shares(keys),
        {key: one.shares([clauses[at] for at in parts[key]]) for key, one in within.items()},
    )


@dataclass(frozen=True, slots=True)
class _Game:
    """Players (n,) as columns of what is failed (m, n), with the people (m, 2) of group and reference by row. The first
    `inner` are those asked about and stand together in every order; the others are rules as a whole."""

    failed: Mask
    people: Floats
    inner: int

    @property
    def smoothed(self) -> bool:
        return not self.people[~self.failed.any(axis=1)].sum(axis=0).all()

    @property
    def whole(self) -> float:
        """ln AIR with every player."""
        return float(self.value(self.people[~self.failed.any(axis=1)].sum(axis=0)))

    @property
    def exact(self) -> bool:
        return len(self._moving) <= MOST_EXACT

    @property
    def _moving(self) -> NDArray[np.intp]:
        """Players that anybody fails: the others change nothing, and their share is exactly none."""
        return np.flatnonzero(self.failed.any(axis=0))

    def value(self, passed: Floats) -> Floats:
        """ln AIR (…,) where so many people (…, 2) of group and reference pass."""
        more = 0.5 if self.smoothed else 0.0
        rates = np.log((passed + more) / (self.people.sum(axis=0) + more))
        return np.asarray(rates[..., 0] - rates[..., 1])

    def shares(self, names: Sequence[str]) -> tuple[Share, ...]:
        """Of the players asked about, what lowers the ratio most first."""
        moving = self._moving
        asked = int((moving < self.inner).sum())
        values, halves = np.zeros(self.inner), np.zeros(self.inner)
        reduced = _Game(self.failed[:, moving], self.people, asked)
        values[moving[:asked]], halves[moving[:asked]] = reduced.by_subsets() if self.exact else reduced.by_orders()
        made = [self._share(at, name, float(values[at]), float(halves[at])) for at, name in enumerate(names)]
        return tuple(sorted(made, key=lambda share: (share.shapley, share.name)))

    def _share(self, at: int, name: str, value: float, half: float) -> Share:
        failing = self.people[self.failed[:, at]].sum(axis=0)
        return Share(
            name,
            int(failing[0]),
            int(failing[1]),
            self._ratio(~self.failed[:, at]),
            self._ratio(np.invert(np.delete(self.failed, at, axis=1).any(axis=1))),
            value,
            None if self.exact else Interval(value - half, value + half),
        )

    def _ratio(self, passing: NDArray[np.bool_]) -> float | None:
        total, passed = self.people.sum(axis=0), self.people[passing].sum(axis=0)
        group, reference = (GroupCounts("", total[at], passed[at]) for at in (0, 1))
        return disparate_impact(group, reference)

    def by_subsets(self) -> tuple[Floats, Floats]:
        """The mean effect of each player asked about, over all subsets of the others, and that nothing is left open."""
        values = self.value(self._passed_by_subset())
        subsets = np.arange(len(values))
        others = self.failed.shape[1] - self.inner
        with_inner = np.bitwise_count(subsets & ((1 << self.inner) - 1))
        with_outer = np.bitwise_count(subsets >> self.inner)
        found = np.zeros(self.inner)
        for at in range(self.inner):
            before = subsets[subsets >> at & 1 == 0]
            # The chance that exactly this subset stands before the player, the asked ones together.
            weight = _chance(self.inner, with_inner[before]) * _chance(others + 1, with_outer[before])
            found[at] = (weight * (values[before | 1 << at] - values[before])).sum()
        return found, np.zeros(self.inner)

    def _passed_by_subset(self) -> Floats:
        """People (2^n, 2) who pass all rules of each subset: whose failures all lie outside of it."""
        size = self.failed.shape[1]
        codes = self.failed.astype(np.int64) @ (1 << np.arange(size))
        sums: Floats = np.stack([np.bincount(codes, weights, 1 << size) for weights in self.people.T], axis=1)
        for at in range(size):  # now sums[s] is of people whose failures are exactly s; then of those within s
            halves = sums.reshape(-1, 2, 1 << at, 2)
            halves[:, 1] += halves[:, 0]
        return sums[::-1]

    def by_orders(self) -> tuple[Floats, Floats]:
        """The same estimated from drawn orders, always the same ones; the second is half of the 95 % interval."""
        random, size = np.random.default_rng(0), self.failed.shape[1]
        means = np.empty((PAIRS, self.inner))
        for pair in range(PAIRS):
            place = self._place(random)
            means[pair] = (self._effects(place) + self._effects(size - 1 - place)) / 2
        return means.mean(axis=0), Z_95 * means.std(axis=0, ddof=1) / np.sqrt(PAIRS)

    def _place(self, random: np.random.Generator) -> NDArray[np.intp]:
        """The place (n,) of each player in one order."""
        outer = self.inner + random.permutation(self.failed.shape[1] - self.inner)
        cut = random.integers(len(outer) + 1)
        order = np.concatenate([outer[:cut], random.permutation(self.inner), outer[cut:]])
        return np.asarray(np.argsort(order), dtype=np.intp)

    def _effects(self, place: NDArray[np.intp]) -> Floats:
        """What each player asked about does to ln AIR when they come in this order."""
        size = len(place)
        first = np.where(self.failed, place, size).min(axis=1)
        ends = np.stack([np.bincount(first, weights, size + 1) for weights in self.people.T], axis=1)
        left = self.people.sum(axis=0) - np.concatenate([np.zeros((1, 2)), np.cumsum(ends[:size], axis=0)])
        return np.asarray(np.diff(self.value(left))[place[: self.inner]])


def _chance(players: int, before: NDArray[np.integer[Any]]) -> Floats:
    """That exactly these of the other players stand before one, by how many they are: 1 / (n comb(n - 1, t))."""
    chances = [1.0 / (players * comb(players - 1, t)) for t in range(players)]
    return np.asarray(np.array(chances)[before], dtype=np.float64)
