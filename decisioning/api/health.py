"""Probes at the root: liveness, readiness with each dependency's state, and Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from decisioning import health
from decisioning.features import footprint, momentary, online


def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    found = health.dependencies()
    ready = health.ready(found)
    body = {"status": "ready" if ready else "not ready", "dependencies": [asdict(item) for item in found]}
    return JsonResponse(body, status=200 if ready else 503)


class _FromPostgres(Collector):
    """Figures of the whole product, whichever process is asked: they are read, not counted here."""

    def collect(self) -> Iterator[Metric]:
        states = GaugeMetricFamily("candor_dependency_up", "1 where the dependency is ok", labels=["dependency"])
        for item in health.dependencies():
            states.add_metric([item.name], float(item.state == "ok"))
        yield states
        yield from _of_redis()
        try:
            versions, recent = online.versions_in_postgres(), health.recent(timezone.now())
            waiting = health.waiting_outcomes()
        except DatabaseError:
            return
        figures = {
            "candor_release": ("number of the live release", versions.release),
            "candor_posterior_position": ("position of the bandit in the reward log", versions.posterior),
            "candor_stop_epoch": ("raised by every stop and resume", versions.stop_epoch),
            "candor_outcomes_waiting": ("outcomes that the learner has not folded", waiting),
            "candor_decisions_5m": ("decisions of the last five minutes", recent.decisions),
            "candor_decisions_with_offer_5m": ("those that chose an offer", recent.with_offer),
            "candor_decisions_degraded_5m": ("those that took a degraded step", recent.degraded),
            "candor_decision_p50_seconds": ("median time of a decision", _seconds(recent.p50_us)),
            "candor_decision_p99_seconds": ("99th percentile of a decision", _seconds(recent.p99_us)),
        }
        for name, (meaning, value) in figures.items():
            if value is not None:
                yield GaugeMetricFamily(name, meaning, value=float(value))


def _of_redis() -> Iterator[Metric]:
    """Nothing where Redis does not answer, which its own gauge says."""
    try:
        cost, behind = footprint.measure(), momentary.owed()
    except RedisError:
        return
    yield GaugeMetricFamily("candor_vectors_owed", "customers whose signals call for a new vector", value=behind)
    if cost:
        yield GaugeMetricFamily(
            "candor_redis_bytes_per_million_customers", "memory of Redis, by a sample of its keys",
            value=cost.bytes_per_million,
        )  # fmt: skip
        yield GaugeMetricFamily(
            "candor_redis_keys_without_end", "sampled keys without a time to live", value=cost.immortal
        )


def _seconds(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1e6


def metrics(request: HttpRequest) -> HttpResponse:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FromPostgres())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
