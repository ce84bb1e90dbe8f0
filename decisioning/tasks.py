"""Celery entry points of decisioning: they wake the domain and nothing else."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from decisioning import (
    drill,
    idempotency,
    impact,
    jobs,
    learn,
    partitions,
    rebuild,
    retraining,
    runtime,
    scoring,
    store,
    suppression,
)
from decisioning.features import materialise, momentary, skew, statistics, stored
from decisioning.models import UnservedReport
from decisioning.quality import tables
from offers import snapshot

UNSERVED = "unserved"  # the kind of job
KEPT = timedelta(days=2)  # how long an Idempotency-Key is remembered
_WOKEN_MILLISECONDS = 2000  # after which a wake-up that got lost may be sent again


def wake_learner() -> None:
    """Queue the learner unless it is queued already; called after the commit of outcomes. What is committed waits for
    beat where the queue cannot be reached."""
    with contextlib.suppress(RedisError, OperationalError):
        if store.client().set(store.LEARNER_WOKEN, 1, nx=True, px=_WOKEN_MILLISECONDS):
            learn_outcomes.delay()


@shared_task(queue="learn")
def learn_outcomes() -> int:
    """Fold waiting outcomes into the posterior."""
    with contextlib.suppress(RedisError):
        store.client().delete(store.LEARNER_WOKEN)
    return learn.run(timezone.now())


def wake_materialiser() -> None:
    """Queue the making of vectors that signals called for, unless it is queued already; `heal` does it in any case."""
    with contextlib.suppress(RedisError, OperationalError):
        if store.client().exists(store.BEHIND) and store.client().set(
            store.MATERIALISER_WOKEN, 1, nx=True, px=_WOKEN_MILLISECONDS
        ):
            catch_up.delay()


@shared_task(queue="default")
def catch_up() -> int:
    """Make the vectors that signals called for."""
    with contextlib.suppress(RedisError):
        store.client().delete(store.MATERIALISER_WOKEN)
    return momentary.catch_up(timezone.now())


@shared_task(queue="default")
def heal() -> int:
    """Fill Redis again after it was lost; tell it again of what it may have missed."""
    if rebuild.is_cold():
        return rebuild.rebuild()
    rebuild.announce()
    return momentary.catch_up(timezone.now())


@shared_task(queue="long")
def materialise_population() -> int:
    """Compute everybody's vector. It may be queued as often as there are workers: they share the work."""
    return materialise.population(timezone.now())


@shared_task(queue="default")
def keep_partitions() -> int:
    """Make next months' partitions, seal closed ones, retire those past retention; and forget old answers."""
    idempotency.forget(timezone.now() - KEPT)
    return partitions.keep(timezone.now())


@shared_task(queue="default")
def end_suppressions() -> int:
    """End the overrides that have come to their day; how many."""
    now = timezone.now()
    ended = suppression.end_due(now)
    with contextlib.suppress(RedisError):
        stored.refresh_ledgers(set(ended), now)
    return len(ended)


@shared_task(queue="default")
def drill_stops() -> None:
    """Every month: prove that each scope of the stop board takes effect."""
    with contextlib.suppress(drill.NothingToDrill):
        drill.run(timezone.now())


@shared_task(queue="long")
def retrain() -> str:
    """Train a challenger; it never becomes champion by itself."""
    return retraining.retrain(timezone.now())


@shared_task(queue="long")
def score() -> int:
    """Precompute the propensities of the whole population with the live release's model."""
    return scoring.score_population(timezone.now())


@shared_task(queue="long")
def find_unserved() -> None:
    """Who is shown no offer under the live release; one computation at a time, and none before the first release."""
    now = timezone.now()
    with contextlib.suppress(jobs.AlreadyRunning, runtime.NoRelease), jobs.running(UNSERVED, {}, now):
        live = snapshot.live_row()
        plan = runtime.plan(live.number if live else 0)
        found = impact.unserved(plan, impact.drawn(now, impact.UNSERVED_SAMPLE), now)
        UnservedReport.objects.create(release=plan.release.number, computed_at=now, content=found.to_json())


@shared_task(queue="long")
def measure_features() -> int:
    """Measure the distribution of every attribute over the population."""
    return statistics.measure(timezone.now()).rows


@shared_task(queue="long")
def check_skew() -> int:
    """Compute again what a sample of decisions was served; the number of values that differ."""
    return sum(skew.check(timezone.now()).mismatches.values())


@shared_task(queue="long")
def check_quality() -> int:
    """Hold what stands in the tables against what is expected of it; the number of expectations that fail."""
    return tables.check(timezone.now())
