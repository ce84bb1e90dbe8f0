"""How often each arm with a learning budget was learned on today (UTC): counted in Redis beside the decision, and from
the decisions themselves where Redis has lost it; a budget is held to in decisioning.bandit.mandates.

A count is of decisions that are committed, so that those under way at once may pass a budget by as many as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from django.db import connection
from redis.client import Pipeline
from redis.exceptions import RedisError

from decisioning import store
from decisioning.activity import first_id
from offers.snapshot import live_row

# A day without this field has lost counts, or nobody has opened it: that is not a day on which nothing was learned.
_OPEN: Final = b"*"
_KEPT: Final = 3 * 24 * 3600  # seconds
_LOCKED: Final = 60  # seconds

# The record says of itself that it spends.
_SPENT: Final = """
SELECT arm, count(*) FROM decisioning_decision
WHERE id >= %s AND id < %s AND arm = ANY(%s) AND position('"spends":'::bytea in result) > 0 GROUP BY arm
"""


def key(now: datetime) -> str:
    return f"{store.LEARNING}:{now.astimezone(UTC).date().isoformat()}"


def counted(held: Mapping[Any, Any]) -> Mapping[str, int] | None:
    """The counts of a day as Redis holds it; None where they are not all there."""
    if _OPEN not in held:
        return None
    return {arm.decode(): int(count) for arm, count in held.items() if arm != _OPEN}


def today(now: datetime) -> Mapping[str, int] | None:
    """The counts so far; None where nobody knows them."""
    try:
        return counted(store.client().hgetall(key(now)))
    except RedisError:
        return None


def spend(pipe: Pipeline, arm: str, now: datetime) -> None:
    """Count one more, in the write that follows the decision's commit."""
    pipe.hincrby(key(now), arm, 1)
    pipe.expire(key(now), _KEPT)


def open_days(now: datetime) -> None:
    """Begin tomorrow's count, and make today's anew where it is missing. Raises RedisError."""
    client = store.client()
    tomorrow = key(now + timedelta(days=1))
    pipe = client.pipeline(transaction=False)
    pipe.hsetnx(tomorrow, _OPEN.decode(), "1")
    pipe.expire(tomorrow, _KEPT)
    pipe.hexists(key(now), _OPEN.decode())
    lock = f"{key(now)}:counting"
    if pipe.execute()[-1] or not client.set(lock, 1, nx=True, ex=_LOCKED):
        return
    # On top of what was counted meanwhile: a decision may then count twice, which ends the learning sooner.
    whole = client.pipeline(transaction=True)
    for arm, count in spent_on(now).items():
        whole.hincrby(key(now), arm, count)
    whole.hset(key(now), _OPEN.decode(), "1")
    whole.expire(key(now), _KEPT)
    whole.delete(lock)
    whole.execute()


def spent_on(now: datetime) -> dict[str, int]:
    """The counts of this moment's day, from the decisions, of the arms that have a budget now."""
    live = live_row()
    content = live.content["arm"] if live else {}
    arms = [key for key, arm in content.items() if (arm.get("mandate") or {}).get("learning_budget") is not None]
    if not arms:
        return {}
    start = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    with connection.cursor() as cursor:
        cursor.execute(_SPENT, [first_id(start), first_id(start + timedelta(days=1)), arms])
        return {arm: int(count) for arm, count in cursor.fetchall()}
