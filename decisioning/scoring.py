"""Precompute the propensities of the whole population with the live release's model, in chunks, for decisions without a
session and for the degraded path."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import orjson
from django.db import connection

from decisioning import jobs, runtime
from decisioning.features import stored
from decisioning.models import Customer
from decisioning.plan import Plan
from offers.snapshot import live_row

CHUNK = 5000
_UPSERT = """
INSERT INTO decisioning_precomputedscore (customer_id, model, scores, scored_at)
SELECT customer, %s, scores::jsonb, %s FROM unnest(%s::bigint[], %s::text[]) AS row (customer, scores)
ON CONFLICT (customer_id) DO UPDATE SET model = excluded.model, scores = excluded.scores, scored_at = excluded.scored_at
"""
# A customer's attributes: the latest values of every slow group, session apart.
_ATTRIBUTES = """
SELECT c.id, coalesce((
  SELECT jsonb_object_agg(f."group", f.values) FROM (
    SELECT DISTINCT ON ("group") "group", values FROM decisioning_featurerow
    WHERE customer_id = c.id ORDER BY "group", known_at DESC) f), '{}')
FROM decisioning_customer c WHERE c.id > %s AND c.external_id IS NOT NULL ORDER BY c.id LIMIT %s
"""


def score_population(now: datetime, progress: Callable[[int, int], None] | None = None) -> int:
    """Score every customer; returns how many. A chunk is committed by itself, so that a kill loses one chunk.

    Raises NoRelease where there is no release with a model, or AlreadyRunning.
    """
    live = live_row()
    plan = runtime.plan(live.number) if live else None
    if plan is None or plan.model is None:
        raise runtime.NoRelease("no model is live: there is nothing to score with")
    with jobs.running("score", {"model": plan.model.name}, now) as job:
        job.total = Customer.objects.filter(external_id__isnull=False).count()
        last = 0
        while rows := _chunk(last):
            _store(plan, rows, now)
            last, job.done = rows[-1][0], job.done + len(rows)
            job.save(update_fields=["done", "total"])
            if progress:
                progress(job.done, job.total)
    return job.done


def _chunk(after: int) -> list[tuple[int, dict[str, object]]]:
    with connection.cursor() as cursor:
        cursor.execute(_ATTRIBUTES, [after, CHUNK])
        rows = cursor.fetchall()
    result = []
    for customer, groups in rows:
        values: dict[str, object] = {}
        for group in orjson.loads(groups).values() if isinstance(groups, str) else groups.values():
            values.update(group)
        result.append((customer, values))
    return result


def _store(plan: Plan, rows: list[tuple[int, dict[str, object]]], now: datetime) -> None:
    assert plan.model is not None
    assert plan.prepared is not None
    scores = plan.model.score_many([values for _, values in rows], plan.prepared)
    keys = plan.prepared.keys
    texts = [orjson.dumps(dict(zip(keys, line, strict=True))).decode() for line in scores.tolist()]
    ids = [customer for customer, _ in rows]
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, [plan.model.name, now, ids, texts])
    stored.refresh(ids)
