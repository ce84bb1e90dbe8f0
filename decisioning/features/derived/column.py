"""How a derived attribute is declared: a function whose name is the attribute's and whose parameters are its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from offers.register import ATTRIBUTES

Column = NDArray[np.float64]  # (n,): numbers as they are, booleans 0 or 1, NaN where not known
Categories = NDArray[np.object_]  # (n,): a choice of the register, None where not known
Columns = Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class Derived:
    """An attribute that is a function of other columns. `definition` is one sentence for people."""

    name: str
    inputs: tuple[str, ...]  # attributes of the register, or RAW_INPUTS
    definition: str
    function: Callable[..., Column | Categories]

    @classmethod
    def of(cls, function: Callable[..., Column | Categories]) -> Self:
        """Read name, inputs and definition off the function itself, so that no list of them can differ from it."""
        definition = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
        return cls(function.__name__, tuple(inspect.signature(function).parameters), definition, function)

    def compute(self, columns: Columns) -> Column | Categories:
        """The attribute for every row of `columns`; raises KeyError where an input is not among them."""
        # Absurd inputs may overflow on the way; the functions hold what comes of it to the register's bounds.
        with np.errstate(all="ignore"):
            return self.function(*(columns[name] for name in self.inputs))


def band(values: Column, floors: Sequence[float], names: Sequence[str]) -> Categories:
    """The name of the band that each value lies in; `floors` are the lowest values of all bands but the first."""
    return chosen(np.digitize(values, floors), np.isfinite(values), names)


def chosen(index: NDArray[np.intp], known: NDArray[np.bool_], names: Sequence[str]) -> Categories:
    """Indices as names, None where not `known`."""
    return np.array([*names, None], dtype=np.object_)[np.where(known, index, len(names))]


def flag(values: NDArray[np.bool_], known: NDArray[np.bool_]) -> Column:
    """A boolean column, NaN where not `known`."""
    return np.where(known, values, np.nan)


def finite(values: Column) -> Column:
    """The values, with what is no finite number taken as not known."""
    return np.where(np.isfinite(values), values, np.nan)


def within(name: str, values: Column) -> Column:
    """The values held to the bounds of the attribute `name`, with what is no finite number taken as not known."""
    bounds = ATTRIBUTES[name].bounds
    assert bounds is not None
    return np.clip(finite(values), *bounds)
