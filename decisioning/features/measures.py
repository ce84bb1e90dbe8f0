"""The vocabulary in which groups say what they take from history: counts, sums, extremes and the newest value of facts
known at a moment; no engine and no value here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Source = Literal["transactions", "signals", "posts", "accounts"]
How = Literal["count", "sum", "min", "max"]
Where = Callable[[Any], Any]  # from the source's Ibis table to the condition that a fact must meet

# No measure of what happens again and again looks further back, so no engine reads further back.
LONGEST_DAYS = 365
EVER: frozenset[Source] = frozenset({"accounts"})  # but an account may have been opened at any time


@dataclass(frozen=True, slots=True)
class Measure:
    """One number a customer: `how` over `column` of the facts of the last `days`, those of the last `until` left out;
    0 days are all that are read.

    Sums are over integers, so that they are the same in whatever order an engine adds them.
    """

    name: str
    source: Source
    how: How
    column: str = ""
    days: int = 0
    until: int = 0
    where: Where | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An attribute from measures: `value` turns the moments and the columns of the measures, each (n,), into its own.

    A column is float64 with NaN where nothing is known: moments are epoch seconds, booleans 0 and 1. A count or sum is
    0 only where the customer has any fact of its source, and NaN where there is none.
    """

    over: tuple[Measure, ...]
    value: Callable[..., Floats]


@dataclass(frozen=True, slots=True)
class Reported:
    """An attribute that signals of `type` tell in `field` as it changes: the newest of signal and statement holds."""

    type: str
    field: str


@dataclass(frozen=True, slots=True)
class Members:
    """A set of "key:value": of each `key` that signals of `type` name, the newest `value`."""

    type: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Reads a row for each entry with any fact of `source` that is not too old: entry, a column for each measure."""

    source: Source
    measures: tuple[Measure, ...]

    @property
    def within(self) -> int:
        """How many days back it reads; 0 is ever."""
        return 0 if self.source in EVER else LONGEST_DAYS

    @property
    def days(self) -> tuple[int, ...]:
        """The windows whose starts it needs."""
        used = {self.within, *(days for each in self.measures for days in (each.days, each.until))}
        return tuple(sorted(used - {0}))


@dataclass(frozen=True, slots=True)
class Latest:
    """Reads the newest fact of each `key` for each entry, by `order`, the later the better: entry, key, order, columns.
    No two facts of one key and customer are the same in all of `order`.

    `type` restricts signals to theirs, `told` facts to those where that column is known; `within` days, if not 0.
    """

    source: str
    key: str
    order: tuple[str, ...]
    columns: tuple[str, ...]
    type: str = ""
    told: str = ""
    within: int = 0

    @property
    def days(self) -> tuple[int, ...]:
        """The windows whose starts it needs."""
        return (self.within,) if self.within else ()


Query = Measured | Latest


def start(days: int) -> str:
    """The spine's column with the start of a window: facts at or before it are outside."""
    return f"from_{days}"
