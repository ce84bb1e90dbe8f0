"""Run a recorded decision again from its own inputs and compare the bytes; it writes nothing."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from decisioning import decision_log, identity, records, reward_log, runtime
from decisioning.bandit.posterior import Posterior
from decisioning.decide import decide
from decisioning.models import Decision as DecisionRow
from decisioning.plan import Plan, complete
from decisioning.types import Decision

_BROKEN: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, runtime.NoRelease)
"""What reading something that was altered may end in; a database that does not answer is none of it."""


@dataclass(frozen=True, slots=True)
class Replay:
    """`differences` are (path, recorded, replayed) where the results differ; `intact` says that the record's own
    digest still fits. `machine` is this processor's architecture: on another the last bits may differ."""

    decision_id: UUID
    identical: bool
    intact: bool
    differences: tuple[tuple[str, Any, Any], ...]
    machine: str


def replay(row: DecisionRow, posterior: Posterior | None = None) -> Replay:
    """Replay one decision. `posterior`, if given, is the one at the row's position. Raises NoRelease."""
    decision, _ = again(row, posterior)
    recorded, result = bytes(row.result), records.result_to_bytes(decision)
    intact = _intact(row)
    return Replay(
        row.id,
        result == recorded and intact,
        intact,
        () if result == recorded else tuple(_differences("", orjson.loads(recorded), orjson.loads(result))),
        platform.machine(),
    )


def again(row: DecisionRow, posterior: Posterior | None = None) -> tuple[Decision, Plan]:
    """The decision made anew from the recorded inputs, with the release, model and posterior that it names."""
    request, known = decision_log.inputs(row)
    plan = runtime.plan(row.release)
    beliefs = complete(posterior or reward_log.rebuilt(row.posterior), plan)
    return decide(request, known, plan, beliefs, identity.draw_key(row.id)), plan


def replay_all(rows: Iterable[DecisionRow]) -> Iterator[Replay]:
    """Replay many, in order of their posterior, so that the reward log is folded once. One that cannot even be decided
    again, because its record or its release is no longer what it was, does not replay; it ends none of the others."""
    posterior: Posterior | None = None
    for row in sorted(rows, key=lambda row: row.posterior):
        posterior = reward_log.advance(posterior, row.posterior)
        try:
            yield replay(row, posterior)
        except _BROKEN as fault:
            why = f"{type(fault).__name__}: {fault}"
            yield Replay(row.id, False, _intact(row), (("", "decided once", why),), platform.machine())


def _intact(row: DecisionRow) -> bool:
    return records.digest(bytes(row.inputs), bytes(row.result)) == bytes(row.digest)


def _differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(f"{path}/{key}", old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(f"{path}/{index}", before, after)
    elif old != new:
        yield path, old, new
