"""How old each feature group is now, against its limit and its promise, and of how many customers it is known; it reads
a sample, so that a page may ask it of a million customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from decisioning import decision_log
from decisioning.features import statistics, vector
from decisioning.models import Decision as DecisionRow
from offers.register import GROUPS, PROMISE_SECONDS, SESSION_GROUP, Group, attributes

SAMPLE = 2_000  # customers, and half as many decisions: a share is known to within 2 points
_DECISIONS = SAMPLE // 2

# The vector of the next customer from each of so many evenly spaced ids on: as many index look-ups, however many
# customers there are, and gaps in the ids do no harm.
_SYSTEMATIC = """
WITH ends AS (SELECT min(customer_id) AS first, max(customer_id) AS last FROM decisioning_featurevector),
places AS (
  SELECT first + (last - first) * step / greatest(%(sample)s - 1, 1) AS place
  FROM ends CROSS JOIN generate_series(0, %(sample)s - 1) AS step WHERE first IS NOT NULL
)
SELECT DISTINCT ON (found.customer_id) found.made_at, found.content FROM places CROSS JOIN LATERAL (
  SELECT customer_id, made_at, content FROM decisioning_featurevector
  WHERE customer_id >= place ORDER BY customer_id LIMIT 1
) AS found
"""

Floats = NDArray[np.float64]
State = Literal["fresh", "stale", "late", "not known"]


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
    the sampled vectors were last computed, None for a group that follows each signal and no schedule. `coverage` is the
    share of the sample of whom the group is known, `attribute_coverage` the share of the population whose attribute a
    decision may use, as `statistics` measured it at `statistics_at` (empty and None before its first run).
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

    @property
    def state(self) -> State:
        """In one word. A group is stale where more than one in twenty customers is past its limit, and late where its
        tier's promise is not kept."""
        if self.customers is not None and self.customers.p95 > self.limit_seconds:
            return "stale"
        if self.kept is False:
            return "late"
        return "not known" if self.customers is None and self.served is None else "fresh"


@dataclass(frozen=True, slots=True)
class _Sample:
    """What was read: vectors of customers, when they were made, and the ages of the newest decisions by group."""

    vectors: vector.Many
    made_at: datetime | None
    served: Sequence[Mapping[str, float]]


def now(moment: datetime) -> list[GroupFreshness]:
    """Every group of the register, in its order."""
    sample, measured = _sample(), statistics.population()
    return [_of(group, sample, measured, moment) for group in GROUPS.values()]


def _of(group: Group, sample: _Sample, measured: statistics.Statistics | None, moment: datetime) -> GroupFreshness:
    count = len(sample.vectors.as_of)
    since = sample.vectors.since.get(group.name, np.empty(0))
    ages = moment.timestamp() - since[~np.isnan(since)]
    served = np.array([known[group.name] for known in sample.served if group.name in known])
    lags = moment.timestamp() - sample.vectors.as_of / 1e6
    return GroupFreshness(
        group=group,
        promise_seconds=PROMISE_SECONDS[group.tier],
        limit_seconds=group.freshness_seconds,
        sampled=count,
        customers=_ages(ages, group),
        served=_ages(served, group),
        lag_seconds=float(np.percentile(lags, 95)) if count and group.tier == "batch" else None,
        materialised_at=sample.made_at,
        coverage=len(ages) / count if count and group.name != SESSION_GROUP else None,
        attribute_coverage=_coverage(group, measured),
        statistics_at=measured.made_at if measured else None,
    )


def _coverage(group: Group, measured: statistics.Statistics | None) -> dict[str, float]:
    found = measured.attributes if measured else {}
    return {one.name: found[one.name].coverage for one in attributes(group=group.name) if one.name in found}


def _ages(ages: Floats, group: Group) -> Ages | None:
    if not len(ages):
        return None
    ages = np.maximum(ages, 0.0)  # clocks of two machines
    median, p95 = np.percentile(ages, [50, 95])
    return Ages(len(ages), float(median), float(p95), float(np.mean(ages > group.freshness_seconds)))


def _sample() -> _Sample:
    with connection.cursor() as cursor:
        cursor.execute(_SYSTEMATIC, {"sample": SAMPLE})
        # One that was written under another declaration is as good as none until it is made again.
        found = [(made_at, bytes(content)) for made_at, content in cursor.fetchall()]
    readable = [(made_at, content) for made_at, content in found if vector.readable(content)]
    rows = DecisionRow.objects.order_by("-id").only("inputs")[:_DECISIONS]
    return _Sample(
        vectors=vector.decode_many([content for _, content in readable], ()),
        made_at=max((made_at for made_at, _ in readable), default=None),
        served=[decision_log.inputs(row)[1].ages for row in rows],
    )
