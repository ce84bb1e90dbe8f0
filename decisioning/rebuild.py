"""Fill an empty Redis from Postgres: posterior, every customer, and last the versions, which end the cold state; and
tell every process of a new release, stop or credential."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.utils import timezone
from redis.client import Pipeline
from redis.exceptions import RedisError

from decisioning import budgets, learn, reward_log, store
from decisioning.features import materialise, online
from decisioning.models import Customer

logger = logging.getLogger(__name__)

_MINUTES_10 = 600
_CHUNK = 5_000  # customers


def announce() -> None:
    """Publish what is in force. Call after the commit of a release, a stop or a revoked key, and now and then: what
    nobody renews expires."""
    try:
        if not is_cold():
            _tell()
            budgets.open_days(timezone.now())
    except RedisError as error:
        # Decisions then read Postgres, where the change already stands.
        logger.warning("redis was not told of a change: %s", error)


def _tell() -> None:
    """Read again what was written: whoever read before somebody else's commit and writes after it would put back what
    is no longer in force."""
    told: dict[Any, int] | None = None
    while (current := _current()) != told:
        pipe = store.client().pipeline(transaction=True)
        pipe.hset(store.VERSIONS, mapping=current)
        _renew(pipe)
        pipe.execute()
        told = current


def _renew(pipe: Pipeline) -> None:
    pipe.expire(store.VERSIONS, store.SHARED_SECONDS)
    pipe.expire(store.POSTERIOR, store.SHARED_SECONDS)


def is_cold() -> bool:
    """Whether Redis answers but has lost its content. Raises RedisError where it does not answer."""
    return not store.client().hexists(store.VERSIONS, "release")


def rebuild() -> int:
    """Fill Redis; returns the number of customers. One process at a time; 0 where another is at it."""
    if not store.client().set(store.REBUILDING, 1, nx=True, ex=_MINUTES_10):
        return 0
    try:
        learn.publish(reward_log.rebuilt())
        customers = 0
        for count in _customers():
            customers += count
            store.client().expire(store.REBUILDING, _MINUTES_10)
        # Last the versions, which end the cold state; the learner may have published a later position meanwhile.
        store.client().hsetnx(store.VERSIONS, "posterior", str(online.versions_in_postgres().posterior or 0))
        _tell()
        budgets.open_days(timezone.now())
        return customers
    finally:
        store.client().delete(store.REBUILDING)


def _customers() -> Iterator[int]:
    """Bring customers to Redis in chunks, by rising surrogate key; yields how many. Where a vector is missing or of
    another schema, it is computed."""
    last = 0
    while True:
        rows = Customer.objects.filter(pk__gt=last, token__isnull=False).order_by("pk")
        ids = list(rows.values_list("pk", flat=True)[:_CHUNK])
        if not ids:
            return
        materialise.missing(ids, timezone.now())
        yield materialise.publish(ids, timezone.now())
        last = ids[-1]


def _current() -> dict[Any, int]:
    """All but the posterior's position, which the learner publishes and which must not go back."""
    return {name: value for name, value in asdict(online.versions_in_postgres()).items() if name != "posterior"}
