"""A fixed sample of the population in memory, for pages that answer while somebody types; what goes live is judged on
everybody, in decisioning.impact."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decisioning.features import population
from offers.conditions.vectorise import CategoryColumn, Column, NumberColumn, SetColumn
from offers.register import attributes

SIZE: Final = 20_000  # customers, about
KEPT: Final = timedelta(minutes=5)
_NAMES: Final = frozenset(declared.name for use in ("rule", "boost") for declared in attributes(use=use))


@dataclass(frozen=True, slots=True)
class Sample:
    """Customers (n,) and a column (n,) of each attribute that a rule or boost may read, as of `at`; `population` is how
    many customers there are. It is everybody where there are no more than SIZE."""

    customers: NDArray[np.int64]
    columns: Mapping[str, Column]
    population: int
    at: datetime

    @property
    def size(self) -> int:
        return len(self.customers)

    @property
    def is_everybody(self) -> bool:
        return self.size == self.population

    def scaled(self, count: int) -> int:
        """A count in the sample, as the number of customers that it stands for."""
        return count if self.is_everybody else round(count / max(1, self.size) * self.population)

    def margin(self, count: int) -> int:
        """Half of the 95 % interval around `scaled`, in customers; 0 where nobody was left out."""
        if self.is_everybody or not self.size:
            return 0
        share = count / self.size
        return round(1.96 * float(np.sqrt(share * (1 - share) / self.size)) * self.population)


_lock = threading.Lock()
_held: Sample | None = None


def sample(now: datetime) -> Sample:
    """The sample as of the last few minutes; the first call of a process reads it."""
    global _held
    with _lock:
        if _held is None or not _held.at <= now <= _held.at + KEPT:
            _held = _read(now)
        return _held


def forget() -> None:
    """For tests, whose population changes under one process."""
    global _held
    _held = None


def _read(now: datetime) -> Sample:
    size = population.size()
    chunks = list(population.chunks(_NAMES, now, share=min(1.0, SIZE / max(1, size))))
    customers = np.concatenate([np.empty(0, dtype=np.int64), *(chunk.customers for chunk in chunks)])
    columns = {name: joined([chunk.columns[name] for chunk in chunks]) for name in _NAMES} if chunks else {}
    return Sample(customers, columns, size, now)


def joined(parts: list[Column]) -> Column:
    """The columns of several chunks as one. Raises TypeError where they are not of one kind."""
    if isinstance(parts[0], NumberColumn):
        return NumberColumn(np.concatenate([_number(part).values for part in parts]))
    if isinstance(parts[0], CategoryColumn):
        return _categories([_category(part) for part in parts])
    sets = [_set(part) for part in parts]
    members = sorted(frozenset[str]().union(*(part.members for part in sets)))
    return SetColumn(
        {
            name: np.concatenate([part.members.get(name, np.zeros(len(part), dtype=bool)) for part in sets])
            for name in members
        },
        np.concatenate([part.missing for part in sets]),
    )


def _categories(parts: list[CategoryColumn]) -> CategoryColumn:
    vocabulary = tuple(dict.fromkeys(value for part in parts for value in part.vocabulary))
    place = {value: at for at, value in enumerate(vocabulary)}
    codes = [np.array([*(place[value] for value in part.vocabulary), -1], dtype=np.int32)[part.codes] for part in parts]
    return CategoryColumn(np.concatenate(codes), vocabulary)


def _number(part: Column) -> NumberColumn:
    if not isinstance(part, NumberColumn):
        raise TypeError("a number was expected")
    return part


def _category(part: Column) -> CategoryColumn:
    if not isinstance(part, CategoryColumn):
        raise TypeError("a category was expected")
    return part


def _set(part: Column) -> SetColumn:
    if not isinstance(part, SetColumn):
        raise TypeError("a set was expected")
    return part
