"""How many people of each group there are and how many had the favourable outcome; never a row about one person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from offers.types import AgeBand, Bands

STRICT: Final = Bands()
NOT_RECORDED: Final = "not recorded"
"""The group of everybody whose attribute is missing: counted and compared like any other, never dropped."""

ReferenceSource = Literal["caller", "policy", "largest group"]


class UnknownReference(Exception):
    """The caller named a reference group that the counts do not hold."""


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """People (or summed weights) of one group, and those of them with the favourable outcome."""

    group: str
    total: float
    favourable: float

    def __post_init__(self) -> None:
        if not 0 <= self.favourable <= self.total < float("inf"):
            raise ValueError(f"group {self.group!r}: {self.favourable} favourable of {self.total}")

    @property
    def unfavourable(self) -> float:
        return self.total - self.favourable

    @property
    def rate(self) -> float | None:
        """Share with the favourable outcome; None for an empty group."""
        return self.favourable / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class ConfusionCounts:
    """One group's decisions against its actual outcomes; "positive" is the favourable decision."""

    group: str
    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float

    def __post_init__(self) -> None:
        cells = (self.true_positives, self.false_positives, self.true_negatives, self.false_negatives)
        if not all(0 <= cell < float("inf") for cell in cells):
            raise ValueError(f"group {self.group!r}: negative or unbounded count in {cells}")

    @property
    def decisions(self) -> GroupCounts:
        """The same people counted by decision alone."""
        positives = self.true_positives + self.false_positives
        return GroupCounts(self.group, positives + self.true_negatives + self.false_negatives, positives)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One group of one attribute beside the group that it is measured against."""

    attribute: str
    group: GroupCounts
    reference: GroupCounts
    reference_chosen_by: ReferenceSource


def age_bands(
    ages: Sequence[float | None] | NDArray[np.float64], edges: Sequence[AgeBand] = STRICT.age_bands
) -> NDArray[np.object_]:
    """The band of each age in years, shape (n,); None where the age is missing, or where no band has it.

    Raises ValueError on a negative age, which is a fault in the data and not a missing value.
    """
    years = np.asarray(ages, dtype=np.float64)
    if (years < 0).any():
        raise ValueError("an age below zero")
    bands = np.full(years.shape, None, dtype=object)
    for band in edges:
        bands[(years >= band.lower) & (years < (np.inf if band.upper is None else band.upper))] = band.name
    return bands


def table(
    groups: Sequence[str | None] | NDArray[np.object_],
    favourable: Sequence[bool] | NDArray[np.bool_],
    weights: Sequence[float] | NDArray[np.float64] | None = None,
) -> dict[str, GroupCounts]:
    """Counts by group from one row a person, all three arguments of shape (n,); ordered by name, "not recorded" last.

    Without weights the counts are whole numbers of people; they always add up to the population (or to its weight).
    """
    codes, names = _coded(groups)
    chosen = np.asarray(favourable, dtype=np.bool_)
    if weights is None:
        total = np.bincount(codes, minlength=len(names))
        positive = np.bincount(codes[chosen], minlength=len(names))
    else:
        mass = np.asarray(weights, dtype=np.float64)
        if (mass < 0).any():
            raise ValueError("a weight below zero")
        total = np.bincount(codes, mass, len(names))
        # Summed in the same order as the total, so that rounding can never put more favourable than people.
        positive = np.bincount(codes, np.where(chosen, mass, 0.0), len(names))
    rows = zip(names, total.tolist(), positive.tolist(), strict=True)
    return {name: GroupCounts(name, people, happy) for name, people, happy in rows if people}


def confusion_table(
    groups: Sequence[str | None] | NDArray[np.object_],
    decided: Sequence[bool] | NDArray[np.bool_],
    actual: Sequence[bool] | NDArray[np.bool_],
    weights: Sequence[float] | NDArray[np.float64] | None = None,
) -> dict[str, ConfusionCounts]:
    """Decisions against actual outcomes by group from one row a person, all of shape (n,); True is favourable."""
    codes, names = _coded(groups)
    yes, good = np.asarray(decided, dtype=np.bool_), np.asarray(actual, dtype=np.bool_)
    mass = None if weights is None else np.asarray(weights, dtype=np.float64)
    masks = (yes & good, yes & ~good, ~yes & ~good, ~yes & good)
    columns = [np.bincount(codes[mask], None if mass is None else mass[mask], len(names)) for mask in masks]
    cells = np.stack(columns, axis=1).tolist()
    return {name: ConfusionCounts(name, *row) for name, row in zip(names, cells, strict=True) if any(row)}


def comparisons(
    attribute: str,
    groups: Mapping[str, GroupCounts],
    reference: str | None = None,
    policy: Mapping[str, str] = STRICT.references,
) -> list[Comparison]:
    """Each group of an attribute against its reference, in the table's order.

    The reference is the caller's, else that of the policy (by attribute), else the largest recorded group; each
    comparison says which. Raises UnknownReference where the caller's group is not in the table.
    """
    if not groups:
        return []
    name, source = _choose_reference(attribute, groups, reference, policy)
    return [Comparison(attribute, counts, groups[name], source) for group, counts in groups.items() if group != name]


def _choose_reference(
    attribute: str, groups: Mapping[str, GroupCounts], reference: str | None, policy: Mapping[str, str]
) -> tuple[str, ReferenceSource]:
    if reference is not None:
        if reference not in groups:
            raise UnknownReference(f"{attribute} has no group {reference!r}, only {', '.join(groups)}")
        return reference, "caller"
    configured = policy.get(attribute)
    if configured in groups:
        return str(configured), "policy"
    recorded = [name for name in groups if name != NOT_RECORDED] or [NOT_RECORDED]
    return max(recorded, key=lambda name: groups[name].total), "largest group"


def _coded(groups: Sequence[str | None] | NDArray[np.object_]) -> tuple[NDArray[np.intp], list[str]]:
    """Each row's position in the list of names; missing values take the last one."""
    codes, uniques = pd.factorize(np.asarray(groups, dtype=object), sort=True)
    return np.where(codes < 0, len(uniques), codes), [*(str(name) for name in uniques), NOT_RECORDED]
