"""What each process holds in memory: the live release compiled, its model, the posterior and the stop list, refreshed
when the versions that a read returned differ; it decides nothing."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass

from redis.exceptions import RedisError

from decisioning import reward_log, store
from decisioning.bandit.posterior import CorruptPosterior, Posterior
from decisioning.features.online import Versions
from decisioning.models import ModelVersion
from decisioning.plan import Plan, compile_release, complete
from decisioning.propensity.scoring import OtherGroupVersion, PropensityModel, UnreadableModel
from offers import snapshot
from offers.models import Release, Stop
from offers.purposes import misuses

logger = logging.getLogger(__name__)

PLANS_KEPT = 8  # replays and presentations of older releases come in runs
MODELS_KEPT = 8
LARGE = 1_000  # arms from which on walking over a release takes a while


class NoRelease(RuntimeError):
    """Nothing has been approved yet, so nothing can be decided."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What a decision runs on. `posterior_position` is its version in the reward log; `stops` are the open ones and a
    live model that is refused."""

    plan: Plan
    posterior: Posterior
    posterior_position: int
    stops: frozenset[tuple[str, str]]
    stop_epoch: int


_lock = threading.Lock()
_plans: OrderedDict[int, Plan] = OrderedDict()
_models: OrderedDict[str, PropensityModel] = OrderedDict()
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


def has_budgets() -> bool:
    """Whether the engine that this process holds has to know what has been learned on today."""
    return _engine is not None and bool(_engine.plan.budgets)


def _refreshed(held: Engine | None, versions: Versions) -> Engine:
    current = plan(versions.release)
    if held and held.posterior_position == versions.posterior and held.plan is current:
        posterior = held.posterior
    else:
        posterior = complete(_posterior(versions.posterior), current)
    same = held and held.plan is current and held.stop_epoch == versions.stop_epoch
    stops = held.stops if held and same else stops_for(current)
    return Engine(current, posterior, posterior.version, stops, versions.stop_epoch)


def stops_for(plan: Plan) -> frozenset[tuple[str, str]]:
    """What is stopped now, for decisions under this release."""
    return open_stops() | _refused(plan)


def learned() -> Posterior | None:
    """The posterior as last published, or rebuilt; None where nothing has been learned."""
    return _posterior(None)


def _refused(plan: Plan) -> frozenset[tuple[str, str]]:
    """A model that was trained on other feature groups than those of today counts as stopped, and so does an offer for
    which a rule reads what it may not. As a stop it is recorded with each decision, and older ones still replay."""
    return _refused_model(plan) | _refused_offers(plan)


def _refused_model(plan: Plan) -> frozenset[tuple[str, str]]:
    if plan.model is None:
        return frozenset()
    try:
        plan.model.require_current()
    except OtherGroupVersion as error:
        logger.error("decisions degrade, because the live model is refused: %s", error)
        return frozenset({("model", plan.model.name)})
    return frozenset()


def _refused_offers(plan: Plan) -> frozenset[tuple[str, str]]:
    """What save and publish refuse can still have come by another door: its offers are not served."""
    found = list(misuses(plan.release))
    for misuse in found:
        logger.error("%s is not offered: %s", misuse.offer, misuse.fault.message)
    return frozenset(("offer", misuse.offer) for misuse in found)


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
        if release.content_hash != row.content_hash:
            raise NoRelease(f"release {number} is not the content that was approved")
        held = compile_release(release, _champion(release.model[1]) if release.model else None)
        _plans[number] = held
        while len(_plans) > PLANS_KEPT:
            _plans.popitem(last=False)
        if len(held.arms) >= LARGE:
            _leave_to_itself()
    return held


def _leave_to_itself() -> None:
    """Take what is held now out of the garbage collector's walks: over 5,000 offers one of them takes 0.2 s, and it
    comes in the middle of a decision or a page. What an earlier release left behind is collected first."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _champion(sha256: str) -> PropensityModel | None:
    try:
        return model(sha256)
    except UnreadableModel as error:
        logger.error("the model %s of the release is not used: %s", sha256, error)
        return None


def model(sha256: str) -> PropensityModel | None:
    """A stored model by its hash; None if there is none, in which case the propensity stage degrades.

    Raises UnreadableModel, also where the bytes are not those that the hash was approved for.
    """
    held = _models.get(sha256)
    if held is None:
        content = ModelVersion.objects.filter(sha256=sha256).values_list("content", flat=True).first()
        if content is None:
            return None
        if hashlib.sha256(bytes(content)).hexdigest() != sha256:
            raise UnreadableModel("not a propensity model: its bytes are not those that were trained")
        held = _models[sha256] = PropensityModel.from_bytes(bytes(content))
        while len(_models) > MODELS_KEPT:
            _models.popitem(last=False)
    return held


def _posterior(position: int | None) -> Posterior | None:
    """The posterior at this position or, as the learner may have moved on meanwhile, the latest published one."""
    try:
        raw = store.client().get(store.POSTERIOR)
    except RedisError:
        raw = None
    if isinstance(raw, bytes):
        with contextlib.suppress(CorruptPosterior):  # the log has the truth
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
