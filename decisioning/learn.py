"""The one learner: turns outcomes into rows of the ordered reward log, folds them into the posterior, publishes it."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import Count, Q, Sum
from redis.exceptions import RedisError

from decisioning import decision_log, reward_log, runtime, store
from decisioning.bandit.posterior import Posterior
from decisioning.models import Decision as DecisionRow
from decisioning.models import Outcome, PosteriorHead, RewardLog, RewardWork
from decisioning.models import Posterior as Checkpoint
from decisioning.plan import Plan
from offers import canonical
from offers.snapshot import live_row

logger = logging.getLogger(__name__)

BATCH = 1000
CHECKPOINT_EVERY = 1000  # log rows

Target = tuple[UUID, str]  # a decision and one of its offers


@dataclass(frozen=True, slots=True)
class Credit:
    """Trials and reward of one target: those that its outcomes call for, or those that the log already holds."""

    trials: int = 0
    reward: float = 0.0


_held: Posterior | None = None  # the learner's own copy, valid while its version is the head's


def run(now: datetime) -> int:
    """Fold all waiting work; returns how many work rows that were. Safe to call twice at once."""
    done = 0
    while True:
        count = fold_once(now)
        done += count
        if count < BATCH:
            return done


def fold_once(now: datetime) -> int:
    """Fold one batch in one transaction: log rows, head, now and then a checkpoint, and the work rows' end."""
    global _held
    with transaction.atomic():
        head = PosteriorHead.objects.select_for_update().get(pk=1)
        work = list(RewardWork.objects.order_by("id")[:BATCH])
        live = live_row()
        if live is None:
            return 0
        plan = runtime.plan(live.number)
        before = _held if _held and _held.version == head.position else reward_log.rebuilt(head.position)
        rows = _introductions(before, plan, head.position, now)
        rows += _rewards(work, plan, head.position + len(rows), now)
        after = reward_log.fold(before, rows)
        if rows and after:
            RewardLog.objects.bulk_create(rows, batch_size=500)
            _checkpoint(head.position, after, now)
            head.position = after.version
            head.save(update_fields=["position"])
        RewardWork.objects.filter(pk__in=[row.pk for row in work]).delete()
    _held = after
    publish(after)
    return len(work)


def _introductions(before: Posterior | None, plan: Plan, position: int, now: datetime) -> list[RewardLog]:
    """A new context starts the posterior anew; an arm that it has not met brings its prior. Both are log rows."""
    rows: list[RewardLog] = []
    ranking = plan.release.ranking
    spec = canonical.dumps(
        {
            "dimension": plan.dimension,
            "noise_variance": ranking.noise_variance,
            "terms": [[term.attribute, term.equals, term.centre, term.scale] for term in ranking.context],
        }
    )
    last = RewardLog.objects.filter(type=reward_log.RESET).order_by("-position").first()
    if last is None or bytes(last.context) != spec:
        rows.append(_row(position + 1, "", spec, reward_log.RESET, now))
        before = None
    for arm, prior in sorted(plan.priors.items()):
        if before is None or arm not in before.index:
            strength = np.array([prior.strength], dtype="<f8").tobytes()
            row = _row(position + len(rows) + 1, arm, strength, reward_log.ARM, now)
            row.reward = prior.mean
            rows.append(row)
    return rows


def _row(position: int, arm: str, context: bytes, kind: str, now: datetime) -> RewardLog:
    return RewardLog(
        position=position, customer_id=0, decision_id=UUID(int=0), arm=arm, context=context, type=kind, trial=False,
        reward=0.0, occurred_at=now, folded_at=now,
    )  # fmt: skip


def _rewards(work: Sequence[RewardWork], plan: Plan, position: int, now: datetime) -> list[RewardLog]:
    """One row for each target whose outcomes call for more than the log holds; so nothing is ever learned twice."""
    asked = dict.fromkeys((row.decision_id, row.offer) for row in work)
    decisions = decision_log.many([decision for decision, _ in asked])
    targets = [target for target in asked if target[0] in decisions]
    if len(targets) < len(asked):  # their month was retired meanwhile; nothing else may wait for them
        logger.error("%s outcomes are of decisions that are gone, and are not learned", len(asked) - len(targets))
    due = _due(targets, decisions)
    logged = _logged(decisions)
    rows: list[RewardLog] = []
    for decision_id, offer in targets:
        row = decisions[decision_id]
        wanted, held = due[decision_id, offer], logged.get((decision_id, _arm(row, offer)), Credit())
        trial, reward = wanted.trials > held.trials, wanted.reward - held.reward
        if trial or reward > 0:
            rows.append(
                RewardLog(
                    position=position + len(rows) + 1, customer_id=row.customer_id, decision_id=decision_id,
                    arm=_arm(row, offer), context=_context(row, plan), type=reward_log.REWARD, trial=trial,
                    reward=reward, occurred_at=now, folded_at=now,
                )
            )  # fmt: skip
    return rows


def _due(targets: Sequence[Target], decisions: Mapping[UUID, DecisionRow]) -> dict[Target, Credit]:
    """No impression, no trial; each type of outcome counts once, within the attribution window."""
    types: dict[Target, set[str]] = defaultdict(set)
    outcomes = Outcome.objects.filter(
        customer_id__in={row.customer_id for row in decisions.values()}, decision_id__in=list(decisions)
    ).values_list("decision_id", "offer", "type", "occurred_at")
    for decision_id, offer, kind, at in outcomes:
        ranking = runtime.plan(decisions[decision_id].release).release.ranking
        if at <= decisions[decision_id].made_at + timedelta(days=ranking.attribution_days):
            types[decision_id, offer].add(kind)
    result = {}
    for target in targets:
        weights = runtime.plan(decisions[target[0]].release).release.ranking.reward_weights
        met = types[target]
        if "impression" in met:
            result[target] = Credit(1, min(1.0, sum(weights.get(kind, 0.0) for kind in sorted(met))))
        else:
            result[target] = Credit()
    return result


def _logged(decisions: Mapping[UUID, DecisionRow]) -> dict[tuple[UUID, str], Credit]:
    customers = {row.customer_id for row in decisions.values()}
    rows = (
        RewardLog.objects.filter(customer_id__in=customers, decision_id__in=list(decisions))
        .values("decision_id", "arm")
        .annotate(trials=Count("position", filter=Q(trial=True)), total=Sum("reward"))
    )
    return {(row["decision_id"], row["arm"]): Credit(row["trials"], row["total"]) for row in rows}


def _arm(row: DecisionRow, offer: str) -> str:
    return next(choice.arm for choice in decision_log.result(row).choices if choice.offer == offer)


def _context(row: DecisionRow, plan: Plan) -> bytes:
    """The bandit's context at the decision, under the terms that the posterior is learned over now: under others, of
    an older release, the same numbers would stand for something else."""
    _, known = decision_log.inputs(row)
    return plan.context(known.attributes).astype("<f8").tobytes()


def _checkpoint(previous: int, after: Posterior, now: datetime) -> None:
    if previous == 0 or previous // CHECKPOINT_EVERY != after.version // CHECKPOINT_EVERY:
        Checkpoint.objects.create(
            position=after.version, content=after.to_bytes(), sha256=after.sha256, made_at=now
        )  # fmt: skip


def publish(posterior: Posterior | None) -> None:
    """Hand the posterior to every process. Redis down is no loss: the rebuild publishes it again."""
    if posterior is None:
        return
    try:
        pipe = store.client().pipeline(transaction=True)
        pipe.set(store.POSTERIOR, posterior.to_bytes(), ex=store.SHARED_SECONDS)
        pipe.hset(store.VERSIONS, "posterior", posterior.version)
        pipe.expire(store.VERSIONS, store.SHARED_SECONDS)
        pipe.execute()
    except RedisError as error:
        logger.warning("posterior %s is saved, redis is behind: %s", posterior.version, error)


def forget() -> None:
    """Drop the learner's own copy, as a fresh process would start."""
    global _held
    _held = None
