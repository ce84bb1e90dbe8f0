"""What each process holds in memory: the live release compiled, its model, the posterior and the stop list, refreshed
when the versions that a read returned differ; it decides nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from redis.exceptions import RedisError

from decisioning import reward_log, store
from decisioning.bandit.posterior import Posterior
from decisioning.features.online import Versions
from decisioning.models import ModelVersion
from decisioning.plan import Plan, compile_release, complete
from decisioning.propensity.scoring import PropensityModel
from offers import snapshot
from offers.models import Release, Stop

PLANS_KEPT = 8  # replays and presentations of older releases come in runs


class NoRelease(RuntimeError):
    """Nothing has been approved yet, so nothing can be decided."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What a decision runs on. `posterior_position` is its version in the reward log."""

    plan: Plan
    posterior: Posterior
    posterior_position: int
    stops: frozenset[tuple[str, str]]
    stop_epoch: int


_lock = threading.Lock()
_plans: OrderedDict[int, Plan] = OrderedDict()
_models: dict[str, PropensityModel] = {}
_engine: Engine | None = None


def engine(versions: Versions) -> Engine:
    """The engine for these versions; in the steady state this touches neither Postgres nor Redis.

    Raises NoRelease.
    """
    global _engine
    held = _engine
    if held and (
        held.plan.release.number == versions.release
        and held.stop_epoch == versions.stop_epoch
        and versions.posterior in (None, held.posterior_position)
    ):
        return held
    with _lock:
        _engine = _refreshed(_engine, versions)
        return _engine


def _refreshed(held: Engine | None, versions: Versions) -> Engine:
    current = plan(versions.release)
    if held and held.posterior_position == versions.posterior and held.plan is current:
        posterior = held.posterior
    else:
        posterior = complete(_posterior(versions.posterior), current)
    stops = held.stops if held and held.stop_epoch == versions.stop_epoch else open_stops()
    return Engine(current, posterior, posterior.version, stops, versions.stop_epoch)


def open_stops() -> frozenset[tuple[str, str]]:
    return frozenset(Stop.objects.filter(resumed_at__isnull=True).values_list("scope", "target"))


def plan(number: int) -> Plan:
    """The compiled release of this number, with its model. Raises NoRelease."""
    held = _plans.get(number)
    if held is None:
        row = Release.objects.filter(pk=number).first()
        if row is None:
            raise NoRelease("no release is live: approve a first change")
        release = snapshot.read(row.number, row.content)
        held = compile_release(release, model(release.model[1]) if release.model else None)
        _plans[number] = held
        while len(_plans) > PLANS_KEPT:
            _plans.popitem(last=False)
    return held


def model(sha256: str) -> PropensityModel | None:
    """A stored model by its hash; None if there is none, in which case the propensity stage degrades."""
    if sha256 not in _models:
        content = ModelVersion.objects.filter(sha256=sha256).values_list("content", flat=True).first()
        if content is None:
            return None
        _models[sha256] = PropensityModel.from_bytes(bytes(content))
    return _models[sha256]


def _posterior(position: int | None) -> Posterior | None:
    """The posterior at this position or, as the learner may have moved on meanwhile, the latest published one."""
    try:
        raw = store.client().get(store.POSTERIOR)
    except RedisError:
        raw = None
    if isinstance(raw, bytes):
        published = Posterior.from_bytes(raw)
        if position is None or published.version >= position:
            return published
    return reward_log.rebuilt(position)


def forget() -> None:
    """Drop everything held, as a fresh process would start."""
    global _engine
    with _lock:
        _engine = None
        _plans.clear()
        _models.clear()
