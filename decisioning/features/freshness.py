"""How old each feature group is now, against its limit and its promise, and of how many customers it is known; it reads
a sample, so that a page may ask it of a million customers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from offers.register import Group


@dataclass(frozen=True, slots=True)
class Ages:
    """Seconds since a group was true, over those of whom it is known; `past_limit` is a share of them."""

    known: int
    median: float
    p95: float
    past_limit: float


@dataclass(frozen=True, slots=True)
class GroupFreshness:
    """One group now.

    `customers` are the ages over a systematic sample of `sampled` customers' vectors, measured when asked; None for the
    group of a session, which no vector holds, and where it is known of nobody. `served` are the ages that the newest
    decisions had. `promise_seconds` is the latency of the tier; `lag_seconds` is the 95th percentile of the time since
    the sampled vectors were last computed, None for a real-time group, which follows each signal and no schedule.
    `coverage` is the share of the sample of whom the group is known, `attribute_coverage` the same by attribute as
    `statistics` measured it at `statistics_at` (empty and None before its first run).
    """

    group: Group
    promise_seconds: int
    limit_seconds: int
    sampled: int
    customers: Ages | None
    served: Ages | None
    lag_seconds: float | None
    materialised_at: datetime | None
    coverage: float | None
    attribute_coverage: Mapping[str, float]
    statistics_at: datetime | None

    @property
    def kept(self) -> bool | None:
        """Whether the promise is kept now; None where it is not measured here."""
        return None if self.lag_seconds is None else self.lag_seconds <= self.promise_seconds


def now(moment: datetime) -> list[GroupFreshness]:
    """Every group of the register, in its order."""
    raise NotImplementedError
