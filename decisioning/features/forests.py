"""The forests that tell unusual activity: fitted on a sample of the population, kept with the moment from which they
hold, and read so that every process, and a check of a past decision, flags by the same one."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from decisioning.features.derived.column import Columns
from decisioning.features.derived.unusual import Forest, Forests, fit
from decisioning.models import ActivityForest


def renew(columns: Columns, now: datetime, *, seed: int) -> Forest:
    """Fit on these customers, of which `unusual.SAMPLE` are enough, and let it hold from `now` on.

    `columns` are those of `unusual.INPUTS`, of a sample that does not depend on who asks. Raises TooFewCustomers.
    """
    forest = fit(columns, seed)
    ActivityForest.objects.create(fitted_at=now, content=forest.to_bytes())
    return forest


def kept(first: datetime, last: datetime) -> Forests:
    """The forests that held at any moment from `first` to `last`, both included. Raises UnreadableForest."""
    held = ActivityForest.objects.filter(fitted_at__lte=last).order_by("fitted_at")
    begun = held.filter(fitted_at__lte=first).values_list("fitted_at", flat=True).last()
    rows = list(held.filter(fitted_at__gte=begun or first).values_list("fitted_at", "content"))
    return Forests(tuple(at.timestamp() for at, _ in rows), tuple(_fitted(bytes(content)) for _, content in rows))


@lru_cache(maxsize=8)
def _fitted(content: bytes) -> Forest:
    """Fitting it again takes a tenth of a second, so each process does it once."""
    return Forest.from_bytes(content)
