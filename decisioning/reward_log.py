"""The ordered log that the posterior is folded from: any version is a checkpoint plus a position; nothing is appended
here, the learner does that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

import numpy as np
import orjson

from decisioning.bandit.posterior import ArmPrior, Posterior, RewardRow
from decisioning.models import Posterior as Checkpoint
from decisioning.models import PosteriorHead, RewardLog

# Types of log rows beside the outcomes' own ("reward"): a new context starts a new posterior, a new arm brings a prior.
RESET, ARM, REWARD = "reset", "arm", "reward"


def rebuilt(position: int | None = None) -> Posterior | None:
    """The posterior at `position` (None: at the head), byte for byte as it was; None before the log's first row."""
    if position is None:
        position = PosteriorHead.objects.get(pk=1).position
    checkpoint = Checkpoint.objects.filter(position__lte=position).order_by("-position").first()
    posterior = Posterior.from_bytes(bytes(checkpoint.content)) if checkpoint else None
    start = posterior.version if posterior else 0
    rows = RewardLog.objects.filter(position__gt=start, position__lte=position).order_by("position")
    return fold(posterior, rows.iterator(chunk_size=2000))


def advance(posterior: Posterior | None, position: int) -> Posterior | None:
    """From an earlier version forward to `position`: what a run of replays in order of position uses."""
    if posterior is None or posterior.version > position:
        return rebuilt(position)
    rows = RewardLog.objects.filter(position__gt=posterior.version, position__lte=position).order_by("position")
    return fold(posterior, rows.iterator(chunk_size=2000))


def fold(posterior: Posterior | None, rows: Iterable[RewardLog]) -> Posterior | None:
    """Fold log rows in order. The split into batches changes no bit."""
    for kind, group in groupby(rows, key=lambda row: row.type):
        if kind == RESET:
            posterior = _reset(list(group)[-1])
        elif posterior is None:
            raise ValueError("the reward log does not start with a reset")
        elif kind == ARM:
            posterior = _with_arms(posterior, list(group))
        else:
            posterior = posterior.fold(_reward_rows(group, posterior.dimension))
    return posterior


def _reset(row: RewardLog) -> Posterior:
    spec = orjson.loads(bytes(row.context))
    return _at(Posterior.empty({}, spec["dimension"], spec["noise_variance"]), row.position)


def _with_arms(posterior: Posterior, rows: list[RewardLog]) -> Posterior:
    priors = {row.arm: ArmPrior(row.reward, float(np.frombuffer(bytes(row.context), "<f8")[0])) for row in rows}
    return _at(posterior.with_arms(priors), rows[-1].position)


def _at(posterior: Posterior, position: int) -> Posterior:
    """The same beliefs, at this position of the log."""
    return replace(posterior, version=position)


def _reward_rows(rows: Iterable[RewardLog], dimension: int) -> Iterator[RewardRow]:
    """A row that was recorded under an older context has another length and counts nothing."""
    for row in rows:
        context = np.frombuffer(bytes(row.context), "<f8")
        if len(context) == dimension:
            yield RewardRow(row.position, row.arm, context, row.trial, row.reward)
        else:
            yield RewardRow(row.position, row.arm, np.zeros(dimension), False, 0.0)
