"""The state of each dependency and of the learner, for probes, Prometheus and the health page; it repairs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from decisioning import rebuild, store
from decisioning.features import online
from decisioning.models import RewardWork

RECENT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Dependency:
    """`state` is "ok", "cold" (Redis answers and is being filled) or "down"."""

    name: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Recent:
    """Decisions of the last minutes; latencies in microseconds are of the decision itself, None without decisions."""

    decisions: int
    with_offer: int
    degraded: int
    p50_us: float | None
    p99_us: float | None


def dependencies() -> list[Dependency]:
    return [_postgres(), _redis(), _release()]


def ready(found: list[Dependency]) -> bool:
    """Redis may be down or cold: the product keeps deciding. Without Postgres or a release it does not."""
    return all(item.state == "ok" for item in found if item.name != "redis")


def waiting_outcomes() -> int:
    """Outcomes that the learner has not folded yet."""
    return RewardWork.objects.count()


def recent(now: datetime) -> Recent:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE reason IS NULL), count(*) FILTER (WHERE degraded <> '{}'), "
            "percentile_cont(0.5) WITHIN GROUP (ORDER BY took_us), "
            "percentile_cont(0.99) WITHIN GROUP (ORDER BY took_us) "
            "FROM decisioning_decision WHERE id >= candor_uuid_bound(%s)",
            [now - RECENT],
        )
        return Recent(*cursor.fetchone())


def _postgres() -> Dependency:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return Dependency("postgres", "down", str(error).splitlines()[0])
    return Dependency("postgres", "ok", "")


def _redis() -> Dependency:
    try:
        if rebuild.is_cold():
            return Dependency("redis", "cold", "decisions read Postgres until it is filled")
        store.client().ping()
    except RedisError as error:
        return Dependency("redis", "down", str(error))
    return Dependency("redis", "ok", "")


def _release() -> Dependency:
    try:
        number = online.versions_in_postgres().release
    except DatabaseError:
        return Dependency("release", "down", "unknown without Postgres")
    return Dependency("release", "ok" if number else "down", f"release {number}" if number else "none is live")
