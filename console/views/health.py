"""What runs, what waits and what is degraded, for the person who operates it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from redis.exceptions import RedisError

from console.access import SignedInRequest, allowed
from console.engine import engine
from console.templatetags.console import listed
from decisioning import activity, dead_letters, store
from decisioning.features import footprint, freshness, skew
from decisioning.features.footprint import Footprint
from decisioning.features.freshness import GroupFreshness
from decisioning.models import ApiKey, Job, ModelVersion, Outcome, RewardWork
from decisioning.models import Posterior as Checkpoint
from decisioning.streams import configured
from offers import roles

SLOW_LEARNER = 10.0  # seconds that an outcome may wait before the page says so


@allowed("see:health")
def index(request: SignedInRequest) -> HttpResponse:
    return _page(request, {})


@allowed("see:health")
def streams(request: SignedInRequest) -> HttpResponse:
    """How far the consumers of signals are behind: what the page asks for once it stands, because a broker may take
    some seconds to say that it does not answer; or the whole page with it."""
    found = {"streams": configured.backlogs(timezone.now())}
    if request.htmx:
        return render(request, "operations/streams.html", found)
    return _page(request, found)


def _page(request: SignedInRequest, more: dict[str, Any]) -> HttpResponse:
    now = timezone.now()
    hour = activity.newest(now - timedelta(hours=1))
    learning = _learning()
    groups, checked = freshness.now(now), skew.state(now)
    dependencies = [_postgres(), _redis(), _learner(learning), _features(groups, checked)]
    return render(
        request,
        "operations/health.html",
        {
            "dependencies": dependencies,
            "summary": next((row["state"] for row in dependencies if row["state"] != "up"), "up"),
            "learning": learning,
            "features": {
                "groups": len(groups),
                "within": sum(row.state in ("fresh", "not known") for row in groups),
                "skew": checked,
                "wrong": sum(checked.check.mismatches.values()) if checked.check else 0,
                "letters": sum(dead_letters.counts().values()),
                "footprint": _footprint(),
                "sees_letters": roles.may(request.user, "see:dead_letters"),
            },
            "model": ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION)
            .values("name", "trained_at", "sha256")
            .first(),
            "last_hour": {
                "decisions": activity.count_since(now - timedelta(hours=1)),
                "sample": hour.decisions,
                "degraded": hour.degraded,
                "steps": sorted(hour.steps.items()),
                "p50_us": hour.p50_us,
                "p99_us": hour.p99_us,
            },
            "jobs": [_job(job) for job in Job.objects.all()[:10]],
            "keys": ApiKey.objects.order_by("channel", "prefix"),
            **more,
        },
    )


def _postgres() -> dict[str, str]:
    """Up, or this page would not be answered."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT split_part(version(), ' ', 2), count(*) FROM pg_stat_activity WHERE datname = current_database()"
        )
        version, sessions = cursor.fetchone()
    return {"name": "Postgres", "state": "up", "detail": f"{version}, {sessions} sessions"}


def _redis() -> dict[str, str]:
    try:
        cold = not store.client().exists(store.VERSIONS)
    except RedisError as fault:
        return {"name": "Redis", "state": "down", "detail": f"decisions read Postgres: {fault}"}
    if cold:
        return {"name": "Redis", "state": "cold", "detail": "decisions read Postgres until it is rebuilt"}
    return {"name": "Redis", "state": "up", "detail": "warm"}


def _learner(learning: dict[str, Any]) -> dict[str, str]:
    waits = learning["oldest_seconds"]
    if waits is not None and waits > SLOW_LEARNER:
        return {"name": "Learner", "state": "degraded", "detail": f"the oldest outcome has waited {waits:.0f} s"}
    return {"name": "Learner", "state": "up", "detail": f"{learning['waiting']} outcomes wait"}


def _features(groups: list[GroupFreshness], checked: skew.State) -> dict[str, str]:
    """Degraded where values are served that are old, or that are not what history says."""
    behind = [row.group.meaning for row in groups if row.state in ("stale", "late")]
    if checked.state in ("red", "late"):
        return {"name": "Features", "state": "degraded", "detail": checked.detail}
    if behind:
        return {"name": "Features", "state": "degraded", "detail": f"stale or late: {listed(behind)}"}
    return {"name": "Features", "state": "up", "detail": "every group within its limit"}


def _footprint() -> Footprint | None:
    try:
        return footprint.measure()
    except RedisError:
        return None


def _learning() -> dict[str, Any]:
    live = engine()
    oldest = RewardWork.objects.order_by("id").first()
    known_at = (
        Outcome.objects.filter(customer_id=oldest.customer_id, decision_id=oldest.decision_id)
        .order_by("known_at")
        .values_list("known_at", flat=True)
        .first()
        if oldest
        else None
    )
    checkpoint = Checkpoint.objects.values("position", "made_at").order_by("-position").first()
    return {
        "position": live.posterior_position if live else 0,
        "waiting": RewardWork.objects.count(),
        "oldest_seconds": (timezone.now() - known_at).total_seconds() if known_at else None,
        "checkpoint_position": checkpoint["position"] if checkpoint else None,
        "checkpoint_at": checkpoint["made_at"] if checkpoint else None,
    }


def _job(job: Job) -> dict[str, Any]:
    return {
        "kind": job.kind,
        "status": job.status,
        "done": job.done,
        "total": job.total,
        "share": job.done / job.total if job.total else float(job.status == Job.Status.DONE),
        "message": job.message,
        "started_at": job.started_at,
    }
