"""Which inputs of the model a gap in its score comes from: the gap between the groups' mean SHAP contributions, input
by input, adding up to the gap of the raw score. It attributes; it does not say what would happen without an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decisioning.impact.people import Floats
from decisioning.propensity import reasons
from decisioning.propensity.scoring import PropensityModel

ADDS_UP: Final = 1e-9
"""The most that inputs may miss the gap of the score by; more is a fault of the contributions, not of rounding."""


class DoesNotAddUp(ArithmeticError):
    """The contributions are not those of these scores."""


@dataclass(frozen=True, slots=True)
class Driver:
    """One input: its mean contribution in each group (log-odds), and the gap of the two."""

    name: str
    label: str
    family: str
    mean: float
    reference_mean: float

    @property
    def gap(self) -> float:
        return self.mean - self.reference_mean


@dataclass(frozen=True, slots=True)
class Drivers:
    """A gap in raw score (log-odds before calibration) between two groups of so many people; `standardised` is the gap
    over the standard deviation of both together (M8), None where all scores are equal. Inputs with the largest gap
    first; `families` sums them."""

    people: int
    reference_people: int
    mean: float
    reference_mean: float
    standardised: float | None
    inputs: tuple[Driver, ...]
    families: tuple[tuple[str, float], ...]

    @property
    def gap(self) -> float:
        return self.mean - self.reference_mean


@dataclass(frozen=True, slots=True)
class Explained:
    """Raw scores (n,) of one offer's row for n people, and the contribution of each input (n, inputs)."""

    model: PropensityModel
    raw: Floats
    contributions: Floats


def explained(model: PropensityModel, matrix: Floats) -> Explained:
    """What each input of the model contributes for the people in a matrix (n, inputs) that its encoder made. Some 1,000
    rows a second: for a nightly sample, never for everybody."""
    return Explained(model, model.raw_scores_of(matrix), model.contributions_of(matrix)[:, :-1])


def drivers(found: Explained, group: NDArray[np.bool_], reference: NDArray[np.bool_]) -> Drivers:
    """Of the people in each mask (n,), neither of them empty. Raises DoesNotAddUp."""
    ours, theirs = (found.contributions[mask].mean(axis=0) for mask in (group, reference))
    mean, reference_mean = (float(found.raw[mask].mean()) for mask in (group, reference))
    if abs(float((ours - theirs).sum()) - (mean - reference_mean)) > ADDS_UP:
        raise DoesNotAddUp(f"{float((ours - theirs).sum())} is not {mean - reference_mean}")
    families = _families(found.model)
    made = [
        Driver(column.name, column.label, families[column.name], *pair)
        for column, pair in zip(found.model.encoder.columns, _pairs(ours, theirs), strict=True)
    ]
    spread = float(found.raw[group | reference].std())
    return Drivers(
        int(group.sum()), int(reference.sum()), mean, reference_mean,
        (mean - reference_mean) / spread if spread else None,
        tuple(sorted(made, key=lambda driver: (-abs(driver.gap), driver.name))),
        _summed(made),
    )  # fmt: skip


def _families(model: PropensityModel) -> Mapping[str, str]:
    named: Mapping[str, str] | None = model.report.get("reason_families")
    return named or reasons.families_of(model.encoder.names)


def _pairs(ours: Floats, theirs: Floats) -> list[tuple[float, float]]:
    return [(float(left), float(right)) for left, right in zip(ours, theirs, strict=True)]


def _summed(made: Sequence[Driver]) -> tuple[tuple[str, float], ...]:
    """The gap of each family of inputs, the largest first."""
    sums: dict[str, float] = {}
    for driver in made:
        sums[driver.family] = sums.get(driver.family, 0.0) + driver.gap
    return tuple(sorted(sums.items(), key=lambda pair: (-abs(pair[1]), pair[0])))
