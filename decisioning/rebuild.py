"""Fill an empty Redis from Postgres: posterior, every customer's profile and ledger, and last the versions, which end
the cold state; and tell every process of a new release, stop or credential."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from redis.exceptions import RedisError

from decisioning import learn, reward_log, store
from decisioning.features import online, stored

logger = logging.getLogger(__name__)

_MINUTES_10 = 600


def announce() -> None:
    """Publish what is in force. Call after the commit of a release, a stop or a revoked key."""
    try:
        if not is_cold():
            store.client().hset(store.VERSIONS, mapping=_current())
    except RedisError as error:
        # Decisions then read Postgres, where the change already stands.
        logger.warning("redis was not told of a change: %s", error)


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
        for count in stored.materialise(only_missing=True):
            customers += count
            store.client().expire(store.REBUILDING, _MINUTES_10)
        # Last the versions, which end the cold state; the learner may have published a later position meanwhile.
        store.client().hsetnx(store.VERSIONS, "posterior", online.versions_in_postgres().posterior or 0)
        store.client().hset(store.VERSIONS, mapping=_current())
        return customers
    finally:
        store.client().delete(store.REBUILDING)


def _current() -> dict[Any, int]:
    """All but the posterior's position, which the learner publishes and which must not go back."""
    return {name: value for name, value in asdict(online.versions_in_postgres()).items() if name != "posterior"}
