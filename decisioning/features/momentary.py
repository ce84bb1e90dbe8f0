"""After signals were committed: what they change of these customers reaches Redis, and their next decision."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from redis.exceptions import RedisError

from decisioning import store
from decisioning.features import materialise, stored

MOST = 2_000  # customers of one `catch_up`: a second's work
ATTEMPTS = 5  # against other processes that lay signals on in between


def refresh(customers: Collection[int], now: datetime) -> None:
    """Bring what the signals of these customers say to Redis, and remember those to whom it owes a new vector.

    Vectors are not made here: one read of history would hold up thousands of signals. Call after the commit, with a
    `now` that is not before it. Raises RedisError, after it has made the vectors that nobody could be told to make.
    """
    waiting = customers
    for _ in range(ATTEMPTS):
        if not waiting:
            return
        found = stored.moments(waiting, now)
        behind = [each.customer for each in found if each.behind]
        try:
            written = store.written((each.token, {store.MOMENT: each.content}) for each in found)
            # What stands there is newer than this read, yet whoever laid a signal on may not know what was read here.
            waiting = [each.customer for each, whole in zip(found, written, strict=True) if not whole]
            _owe(behind)
        except RedisError:
            materialise.customers(behind, now)
            raise


def catch_up(now: datetime) -> int:
    """Make the vectors that signals have called for since; returns how many. Raises RedisError.

    Whom a killed process had taken, the next signal of that customer calls for again, or the night does it.
    """
    owed = store.client().spop(store.BEHIND, MOST)
    assert isinstance(owed, list)
    customers = [int(customer) for customer in owed]
    try:
        return materialise.customers(customers, now)
    except Exception:
        _owe(customers)  # such as a Postgres that is restarted: they are not to wait for the night
        raise


def owed() -> int:
    """How many customers wait for a new vector. Raises RedisError."""
    return store.client().scard(store.BEHIND)


def _owe(customers: Collection[int]) -> None:
    if customers:
        pipe = store.client().pipeline(transaction=True)
        pipe.sadd(store.BEHIND, *customers)
        pipe.expire(store.BEHIND, store.SHARED_SECONDS)
        pipe.execute()
