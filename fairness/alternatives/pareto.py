"""Which candidates no other one beats, and which help one group at the cost of another; plain numbers, no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

MARGIN: Final = 0.01
"""Movement of an impact ratio below which neither an improvement nor a worsening is spoken of."""

Point = tuple[float, float]
GroupKey = tuple[str, str]  # attribute and group


def non_dominated(points: Sequence[Point | None]) -> list[bool]:
    """For each point (performance, worst impact ratio; larger is better): whether no other is at least as good in both
    and better in one. None, of a candidate that could not be measured, is never among them; equal points all are."""
    known = [point for point in points if point is not None]
    return [point is not None and not any(_dominates(other, point) for other in known) for point in points]


def _dominates(one: Point, other: Point) -> bool:
    return one[0] >= other[0] and one[1] >= other[1] and one != other


def parity(ratio: float) -> float:
    """How close to parity an impact ratio is, from whichever side: 1 is parity, and 1.25 is as far from it as 0.8."""
    return min(ratio, 1 / ratio) if ratio else 0.0


def worst(ratios: Mapping[GroupKey, float]) -> float | None:
    """The parity of the group that is furthest from it; None where nothing could be compared."""
    return min(map(parity, ratios.values()), default=None)


def missing(today: Mapping[GroupKey, float], candidate: Mapping[GroupKey, float]) -> list[GroupKey]:
    """The groups that have a ratio today and none under the candidate: it chooses nobody of them nor of whom they are
    compared with."""
    return sorted(today.keys() - candidate.keys())


def worst_beside(today: Mapping[GroupKey, float], candidate: Mapping[GroupKey, float]) -> float | None:
    """The same of a candidate; None too where a ratio that today has is missing: the rest is no measure of it."""
    return None if missing(today, candidate) else worst(candidate)


def moved(
    today: Mapping[GroupKey, float], candidate: Mapping[GroupKey, float]
) -> tuple[list[GroupKey], list[GroupKey]]:
    """The groups that come closer to parity than they are today, and those that fall further from it."""
    shifts = {key: parity(candidate[key]) - parity(today[key]) for key in sorted(today.keys() & candidate.keys())}
    return [key for key, by in shifts.items() if by > MARGIN], [key for key, by in shifts.items() if by < -MARGIN]
