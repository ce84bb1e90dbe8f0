"""The forests that tell unusual activity: fitted on a sample of the population, kept with the moment from which they
hold, and read so that every process, and a check of a past decision, flags by the same one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow.compute as pc

from decisioning.features import history
from decisioning.features.derived.unusual import INPUTS, SAMPLE, Forest, Forests, TooFewCustomers, fit
from decisioning.features.history import Engine
from decisioning.models import ActivityForest, Customer

SEED: Final = 7
ASKED: Final = 4 * SAMPLE  # customers whose behaviour is looked at: of many nothing is known
HOLDS: Final = timedelta(days=7)
KEPT: Final = timedelta(days=90)  # so long a past decision can be checked, and so long behaviour of the erased stays


def renew_if_due(engine: Engine, now: datetime) -> Forest | None:
    """A new forest where there is none of the last week; None where there is, or too few customers show behaviour."""
    if ActivityForest.objects.filter(fitted_at__gt=now - HOLDS, fitted_at__lte=now).exists():
        return None
    try:
        return renew(engine, now)
    except TooFewCustomers:
        return None


def renew(engine: Engine, now: datetime) -> Forest:
    """Fit a forest on the population as it is known at `now`, and let it hold from then on. Raises TooFewCustomers.

    Whoever does this at the same moment finds the same sample, and so the same forest.
    """
    everybody = np.fromiter(
        Customer.objects.filter(erased_at__isnull=True).order_by("pk").values_list("pk", flat=True), dtype=np.int64
    )
    asked = np.sort(np.random.default_rng(SEED).permutation(everybody)[:ASKED])
    table = history.as_of(engine, history.spine(asked, np.datetime64(now.astimezone(UTC).replace(tzinfo=None))))
    columns = {name: pc.fill_null(pc.cast(table[name], "double"), np.nan).to_numpy() for name in INPUTS}
    forest = fit(columns, SEED)
    keep(forest, now)
    return forest


def keep(forest: Forest, now: datetime) -> None:
    """Let a forest hold from `now` on, and forget those that nothing is checked against any more."""
    ActivityForest.objects.update_or_create(fitted_at=now, defaults={"content": forest.to_bytes()})
    ActivityForest.objects.filter(fitted_at__lt=now - KEPT).delete()


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
