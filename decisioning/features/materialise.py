"""Computes vectors from history and brings them to Postgres and Redis: of some customers, or of all in chunks."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from django.utils import timezone
from redis.exceptions import RedisError

from decisioning import jobs, store
from decisioning.features import layout, stored, vector
from decisioning.models import Customer, Job

if TYPE_CHECKING:
    from decisioning.features.history import Engine

logger = logging.getLogger(__name__)

JOB = "materialise"
CHUNK = 10_000  # customers, by their surrogate keys; the memory of one read of history
UNFINISHED = timedelta(hours=12)  # a run that died is taken up again for so long, then begun anew

_UPSERT = """
INSERT INTO decisioning_featurevector AS held (customer_id, as_of, made_at, content)
SELECT customer, %s, %s, content FROM unnest(%s::bigint[], %s::bytea[]) AS line (customer, content)
ON CONFLICT (customer_id) DO UPDATE
  SET as_of = excluded.as_of, made_at = excluded.made_at, content = excluded.content
  WHERE held.as_of <= excluded.as_of
"""
# Bytes 9 to 12 of a vector name its schema.
_PENDING = """
SELECT c.id FROM decisioning_customer c LEFT JOIN decisioning_featurevector v ON v.customer_id = c.id
WHERE {} AND c.erased_at IS NULL AND (v.as_of IS NULL OR v.as_of < %s OR substring(v.content FROM 9 FOR 4) <> %s)
ORDER BY c.id
"""
_ANY_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)

Progress = Callable[[int, int], None]


def customers(ids: Collection[int], now: datetime, *, to_redis: bool = True) -> int:
    """Compute the vectors of these customers as known at `now`; returns how many customers there are.

    A vector that was computed for a later moment stays. Without Redis they are in Postgres, which decisions then read;
    a transaction that will be rolled back asks for that.
    """
    chosen = sorted(ids)
    for start in range(0, len(chosen), CHUNK):
        _compute(chosen[start : start + CHUNK], now, _postgres(), to_redis=to_redis)
    return len(chosen)


def missing(ids: Collection[int], now: datetime) -> int:
    """The same for those among them who have no vector, or one of another schema."""
    return customers(_without("c.id = ANY(%s)", [list(ids)], _ANY_MOMENT), now)


def population(now: datetime, progress: Progress | None = None) -> int:
    """Compute everybody's vector; returns how many this call has made.

    A chunk is committed by itself. A run that died is continued, for its own moment; while one is under way, a further
    call shares its work: each takes the chunks that nobody else is at.
    """
    try:
        return _run(_begun(now), now, _postgres(), progress)
    except jobs.AlreadyRunning:
        return sum(_chunks(_begun(now), _postgres()))


def population_from(engine: Engine, as_of: datetime, now: datetime, progress: Progress | None = None) -> int:
    """The same from another engine, whose history reaches to `as_of`. Raises AlreadyRunning."""
    return _run(as_of, now, engine, progress)


def _run(as_of: datetime, now: datetime, engine: Engine, progress: Progress | None) -> int:
    from decisioning.features import forests

    argument: dict[str, object] = {"as_of": as_of.isoformat(), "engine": type(engine).__name__}
    with jobs.running(JOB, argument, now) as job:
        job.total = Customer.objects.filter(erased_at__isnull=True).count()
        forests.renew_if_due(engine, as_of)
        for made in _chunks(as_of, engine):
            job.done += made
            job.save(update_fields=["done", "total"])
            if progress:
                progress(job.done, job.total)
    return job.done


def _postgres() -> Engine:
    """What builds expressions is imported by those who compute vectors, not by every process that serves them."""
    from decisioning.features.engines.postgres import Postgres

    return Postgres()


def _begun(now: datetime) -> datetime:
    """The moment of the run that is under way or died, else `now`."""
    last = Job.objects.filter(kind=JOB, started_at__gt=now - UNFINISHED).first()
    if last is None or last.status == Job.Status.DONE or last.argument.get("engine") != type(_postgres()).__name__:
        return now
    return datetime.fromisoformat(last.argument["as_of"])


def _chunks(as_of: datetime, engine: Engine) -> Iterator[int]:
    """Make what is missing, chunk by chunk; yields how many each took. What others are at is looked at again once they
    are done with it, or dead."""
    ends = Customer.objects.order_by("id").values_list("id", flat=True)
    first, last = ends.first(), ends.last()
    if first is None or last is None:
        return
    others = []
    for start in range(first // CHUNK * CHUNK, last + 1, CHUNK):
        with _claimed(start, wait=False) as mine:
            if mine:
                yield from _make_pending(start, as_of, engine)
            else:
                others.append(start)
    for start in others:
        with _claimed(start, wait=True):
            yield from _make_pending(start, as_of, engine)


def _make_pending(start: int, as_of: datetime, engine: Engine) -> Iterator[int]:
    pending = _pending(start, as_of)
    if pending:
        _compute(pending, as_of, engine)
        yield len(pending)


@contextmanager
def _claimed(start: int, *, wait: bool) -> Iterator[bool]:
    """Whether nobody else is at this chunk. The lock ends with the process that holds it."""
    name = f"candor materialise {start}"
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT true FROM pg_advisory_lock(hashtextextended(%s, 0))", [name])
        else:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])


def _pending(start: int, as_of: datetime) -> list[int]:
    """Customers of a chunk without a vector of this moment or a later one, or with one of another schema."""
    return _without("c.id BETWEEN %s AND %s", [start, start + CHUNK - 1], as_of)


def _without(condition: str, parameters: list[Any], as_of: datetime) -> list[int]:
    with connection.cursor() as cursor:
        fingerprint = layout.SCHEMA.fingerprint.to_bytes(4, "big")
        cursor.execute(_PENDING.format(condition), [*parameters, as_of, fingerprint])
        return [customer for (customer,) in cursor.fetchall()]


def _compute(ids: list[int], as_of: datetime, engine: Engine, *, to_redis: bool = True) -> None:
    """One read of history, one statement, one stream to Redis."""
    from decisioning.features import forests, history

    moment = np.datetime64(as_of.astimezone(UTC).replace(tzinfo=None), "us")
    spine = history.spine(np.array(ids, dtype=np.int64), moment)
    table = history.as_of(engine, spine, forests=forests.kept(as_of, as_of))
    contents = vector.encode(table, as_of)
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, [as_of, timezone.now(), ids, contents])
    if to_redis:
        with contextlib.suppress(RedisError):
            publish(ids, as_of)


def publish(ids: Collection[int], now: datetime) -> int:
    """Copy what Postgres holds of these customers to Redis, never over what is newer there; returns how many.

    Raises RedisError.
    """
    return store.put((each.token, each.fields()) for each in stored.many(ids, now) if each.token)
