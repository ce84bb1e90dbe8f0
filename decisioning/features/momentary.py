"""After signals were committed: what they change of these customers reaches Redis, and their next decision."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from decisioning import store
from decisioning.features import materialise, stored


def refresh(customers: Collection[int], now: datetime) -> None:
    """Bring what the signals of these customers say to Redis; where only a new vector can show it, make one first.

    Call after the commit, with a `now` that is not before it. Raises RedisError, once the vectors are in Postgres.
    """
    if not customers:
        return
    found = stored.moments(customers, now)
    materialise.customers([each.customer for each in found if each.behind], now)
    store.put((each.token, {store.MOMENT: each.content}) for each in found)
