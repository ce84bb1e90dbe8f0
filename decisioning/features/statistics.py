"""The distribution of every attribute over the population and over each model's training set, and how far they are
apart; it measures and stores counts, never a customer's value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Reading = Literal["stable", "watch", "shifted", "not enough"]

WATCH, SHIFTED = 0.1, 0.25  # the usual reading of a population stability index


@dataclass(frozen=True, slots=True)
class Bin:
    """`label` is "" for the bin of the missing, "other" values have `label` None; `share` is of all bins together."""

    label: str | None
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """One attribute over `rows` customers (or decisions, for an attribute of a session; or training rows).

    A number has `edges`, ascending: `counts[i]` lies above `edges[i - 1]` and up to `edges[i]`, and the first and the
    last bin are outside of what was seen when the edges were set. Anything else has `labels`, one a count, the most
    frequent first; of a set they are its members and "none", so that its counts may add up to more than `rows`. `other`
    counts further values. `deciles` are 11, from minimum to maximum, of a number only.
    """

    attribute: str
    rows: int
    missing: int
    counts: tuple[int, ...]
    labels: tuple[str, ...] = ()
    other: int = 0
    edges: tuple[float, ...] = ()
    deciles: tuple[float, ...] = ()

    @property
    def coverage(self) -> float:
        """The share of rows with a value."""
        return 1 - self.missing / self.rows if self.rows else 0.0

    @property
    def bins(self) -> tuple[Bin, ...]:
        """The counts with their labels, ready to draw; other and missing values last, where there are any."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Drift:
    """How far an attribute has moved from what a model was trained on. `index` is the population stability index, None
    where there is not enough to tell. `now` and `training` have the same bins."""

    attribute: str
    index: float | None
    reading: Reading
    now: Distribution
    training: Distribution


@dataclass(frozen=True, slots=True)
class Statistics:
    """One stored measurement: `subject` is "population" or "training:<model>"."""

    subject: str
    made_at: datetime
    rows: int
    attributes: Mapping[str, Distribution]


def measure(now: datetime) -> Statistics:
    """Measure and store the population, also in the bins of each model that is live or may become so."""
    raise NotImplementedError


def population() -> Statistics | None:
    """The newest measurement of the population; None before the first night."""
    raise NotImplementedError


def training(model: str) -> Statistics | None:
    """What this model was trained on; None of one that was trained before statistics were kept."""
    raise NotImplementedError


def drift(model: str) -> Mapping[str, Drift]:
    """The population now against this model's training, by attribute, the furthest apart first; empty before both were
    measured."""
    raise NotImplementedError
