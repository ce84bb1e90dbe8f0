"""Precompute the propensities of the whole population with the live release's model, in chunks, for decisions without a
session and for the degraded path."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime

from django.db import connection
from redis.exceptions import RedisError

from decisioning import jobs, runtime, store
from decisioning.features import population, scores
from decisioning.models import Customer
from decisioning.plan import Plan
from offers.register import attributes
from offers.snapshot import live_row

_NAMES = tuple(declared.name for declared in attributes(use="model"))
_UPSERT = """
INSERT INTO decisioning_precomputedscore (customer_id, layout_id, content, scored_at)
SELECT customer, %s, content, %s FROM unnest(%s::bigint[], %s::bytea[]) AS line (customer, content)
ON CONFLICT (customer_id) DO UPDATE
  SET layout_id = excluded.layout_id, content = excluded.content, scored_at = excluded.scored_at
"""


def score_population(now: datetime, progress: Callable[[int, int], None] | None = None) -> int:
    """Score every customer; returns how many. A chunk is committed by itself, so that a kill loses one chunk.

    Raises NoRelease where there is no release with a model, OtherGroupVersion where decisions refuse it, or
    AlreadyRunning.
    """
    live = live_row()
    plan = runtime.plan(live.number) if live else None
    if plan is None or plan.model is None:
        raise runtime.NoRelease("no model is live: there is nothing to score with")
    plan.model.require_current()
    with jobs.running("score", {"model": plan.model.name}, now) as job:
        job.total = population.size()
        for chunk in population.chunks(_NAMES, now):
            _store(plan, chunk, now)
            job.done += len(chunk.customers)
            job.save(update_fields=["done", "total"])
            if progress:
                progress(job.done, job.total)
    return job.done


def _store(plan: Plan, chunk: population.Chunk, now: datetime) -> None:
    assert plan.model is not None
    assert plan.prepared is not None
    layout = scores.keep(plan.model.name, plan.prepared.keys)
    contents = scores.encode(plan.model.score_many(chunk.attributes, plan.prepared), layout, now)
    ids = chunk.customers.tolist()
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, [layout.number, now, ids, contents])
    with contextlib.suppress(RedisError):  # the rebuild of Redis reads what was just stored
        tokens = dict(Customer.objects.filter(pk__in=ids, token__isnull=False).values_list("pk", "token"))
        store.put((str(tokens[one]), {store.SCORES: content}) for one, content in zip(ids, contents, strict=True)
                  if one in tokens)  # fmt: skip
