"""A row for each long task: its progress, how it ended, and no second one of the same kind at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection
from django.utils import timezone

from decisioning.models import Job

EVERY = 0.5  # seconds between two writes of a progress


class AlreadyRunning(RuntimeError):
    """Another process is at this kind of job."""


@contextmanager
def running(kind: str, argument: dict[str, object], now: datetime) -> Iterator[Job]:
    """A job row around the work; a session lock keeps a second one out and ends with the process that held it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [_lock(kind)])
        if not cursor.fetchone()[0]:
            raise AlreadyRunning(kind)
    # Whoever ran before us and never ended was killed, since the lock was free.
    Job.objects.filter(kind=kind, status=Job.Status.RUNNING).update(
        status=Job.Status.FAILED, message="its process ended before the job did", ended_at=now
    )
    job = Job.objects.create(kind=kind, argument=argument, started_at=now)
    try:
        yield job
        job.status = Job.Status.DONE
    except BaseException as error:
        job.status, job.message = Job.Status.FAILED, f"{type(error).__name__}: {error}"
        raise
    finally:
        job.ended_at = timezone.now()
        job.save()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [_lock(kind)])


def at_work(kind: str) -> bool:
    """Whether a process holds the lock of this kind: a row may say so long after its process was killed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND (classid::bigint << 32 | objid::bigint) = hashtext(%s))",
            [_lock(kind)],
        )
        return bool(cursor.fetchone()[0])


def _lock(kind: str) -> str:
    return f"candor job {kind}"


def reporter(job: Job) -> Callable[[int, int], None]:
    """A progress that is kept in the job's row, twice a second at most."""
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        job.done, job.total = done, total
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            job.save(update_fields=["done", "total"])

    return report
