"""Whether every group gets its share of each arm, of exploration and of what caps take away: expected exposure, the
burden of learning, locked-out arms, suppression. Pure functions of logged decisions and group codes.

Expected exposure of a group to an arm is the mean chance of rank 1 over the decisions in which the arm competed: it has
less noise than what was drawn, and needs no more people (R-BAN-2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decisioning.impact.people import Floats, Mask
from fairness.causes.logged import Logged
from fairness.counts import NOT_RECORDED, Comparison, comparisons
from fairness.dataset import Grouping
from fairness.thresholds import DEFAULT, Bands

FEWEST: Final = DEFAULT.smallest_shown
"""People below whom nothing is said of a group (T-AUD-12)."""
_LAST_BITS: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Exposure:
    """One group and one arm: people in whose decision it competed, the sum of their chances, how many saw it first.
    `share_variance` is the group's share of the arm's expected audience minus its share of those eligible (M18)."""

    arm: str
    group: str
    eligible: int
    expected: float
    shown: int
    share_variance: float

    @property
    def rate(self) -> float:
        return self.expected / self.eligible


@dataclass(frozen=True, slots=True)
class LockedOut:
    """A group that hardly ever sees an arm that another group sees."""

    arm: str
    group: str
    eligible: int
    rate: float
    most: str
    most_rate: float


@dataclass(frozen=True, slots=True)
class Burden:
    """What learning costs a group: decisions that chose another arm than the one with the best expected score, and the
    mean expected score that this gave up. `ratio` is of the explored shares, group over reference."""

    group: str
    reference: str
    decisions: int
    explored: int
    regret: float
    reference_decisions: int
    reference_explored: int
    reference_regret: float

    @property
    def ratio(self) -> float | None:
        if not (self.reference_explored and self.decisions):
            return None
        return (self.explored / self.decisions) / (self.reference_explored / self.reference_decisions)

    def uneven(self, lines: Bands = DEFAULT) -> bool:
        """Explored with more than its part, or learned of less (R-BAN-3)."""
        return self.ratio is not None and not lines.fail_ratio <= self.ratio <= lines.reverse_ratio


def exposures(logged: Logged, grouping: Grouping) -> list[Exposure]:
    """Of every arm and every group with enough people; the groups of the arm's audience are all that are counted."""
    names, codes = _coded(grouping)
    size = len(names) * len(logged.arms)
    cell = codes[logged.decision] + len(names) * logged.arm
    eligible = np.bincount(cell, minlength=size).reshape(-1, len(names))
    expected = np.bincount(cell, logged.chance, size).reshape(-1, len(names))
    seen = np.flatnonzero(logged.first >= 0)
    shown = np.bincount(codes[seen] + len(names) * logged.first[seen], minlength=size).reshape(-1, len(names))
    return [
        Exposure(
            arm, group, int(eligible[at, code]), float(expected[at, code]), int(shown[at, code]),
            _share(expected[at], code) - _share(eligible[at], code),
        )
        for at, arm in enumerate(logged.arms)
        for code, group in enumerate(names)
        if eligible[at, code] >= FEWEST
    ]  # fmt: skip


def locked_out(found: list[Exposure], lines: Bands = DEFAULT) -> list[LockedOut]:
    """The groups of more than a few eligible people that an arm is locked out of: exposed to it at a small part of the
    rate of the group with most (R-BAN-4)."""
    by_arm: dict[str, list[Exposure]] = {}
    for one in found:
        by_arm.setdefault(one.arm, []).append(one)
    return [
        LockedOut(arm, one.group, one.eligible, one.rate, most.group, most.rate)
        for arm, rows in by_arm.items()
        for most in [max(rows, key=lambda row: row.rate)]
        for one in rows
        if one.eligible > lines.lockout_people and one.rate < lines.lockout_share * most.rate
    ]


def burdens(logged: Logged, attribute: str, grouping: Grouping) -> list[Burden]:
    """Of every group with enough decisions, against its reference."""
    ranked = logged.first >= 0
    best = np.full(len(logged.customers), -np.inf)
    np.maximum.at(best, logged.decision, logged.expected)
    regret = np.zeros(len(logged.customers))
    mine = logged.arm == logged.first[logged.decision]
    regret[logged.decision[mine]] = best[logged.decision[mine]] - logged.expected[mine]
    among = grouping.among(ranked)
    explored, regret = regret[ranked] > _LAST_BITS, regret[ranked]
    return list(_burdens(attribute, among, explored, regret))


def _burdens(attribute: str, among: Grouping, explored: Mask, regret: Floats) -> Iterator[Burden]:
    names, codes = _coded(among)
    sums = dict(zip(names, np.bincount(codes, regret, len(names)).tolist(), strict=True))
    for pair in _enough(attribute, among, explored):
        group, reference = pair.group, pair.reference
        yield Burden(
            group.group, reference.group, int(group.total), int(group.favourable), sums[group.group] / group.total,
            int(reference.total), int(reference.favourable), sums[reference.group] / reference.total,
        )  # fmt: skip


def spared(logged: Logged, attribute: str, grouping: Grouping) -> list[Comparison]:
    """People whom no cap took away what they would have been shown, of those who would have been shown something: the
    favourable outcome is to be spared, its ratio the impact ratio of suppression (R-DEL-1)."""
    among = grouping.among(logged.wanted)
    return _enough(attribute, among, ~logged.suppressed[logged.wanted])


def _enough(attribute: str, among: Grouping, favourable: Mask) -> list[Comparison]:
    return [
        pair
        for pair in comparisons(attribute, among.table(favourable))
        if min(pair.group.total, pair.reference.total) >= FEWEST
    ]


def _coded(grouping: Grouping) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    names = (*grouping.names, NOT_RECORDED)
    return names, np.where(grouping.codes < 0, len(names) - 1, grouping.codes).astype(np.intp)


def _share(counts: NDArray[np.float64] | NDArray[np.intp], code: int) -> float:
    total = float(counts.sum())
    return float(counts[code]) / total if total else 0.0
