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

LONGEST_DAYS = 365  # no measure looks further back, so no engine reads further back


@dataclass(frozen=True, slots=True)
class Measure:
    """One number a customer: `how` over `column` of the facts of the last `days`, those of the last `until` left out.

    Sums are over integers, so that they are the same in whatever order an engine adds them.
    """

    name: str
    source: Source
    how: How
    column: str = ""
    days: int = LONGEST_DAYS
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
