"""Holds a client's own log against the tables: nothing acknowledged is missing, and nothing was learned twice."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from decisioning import decision_log, identity, runtime
from decisioning.models import Decision as DecisionRow
from decisioning.models import Outcome, RewardLog, RewardWork

_CHUNK = 500
_ROUNDING = 1e-9


@dataclass
class Findings:
    """`faults` are sentences, empty if everything agrees; `waiting` outcomes are not learned yet, which is no fault."""

    decisions: int = 0
    outcomes: int = 0
    learned: int = 0
    waiting: int = 0
    faults: list[str] = field(default_factory=list)


def check(
    decisions: Sequence[dict[str, Any]], outcomes: Sequence[dict[str, Any]], *, patience: float = 30.0
) -> Findings:
    """Compare; first waits up to `patience` seconds for the learner to be through."""
    until = time.monotonic() + patience
    while RewardWork.objects.exists() and time.monotonic() < until:
        time.sleep(0.5)
    findings = Findings(len(decisions), len(outcomes), waiting=RewardWork.objects.count())
    events: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in outcomes:
        events[event["decision_id"]].append(event)
    logged = {entry["decision_id"] for entry in decisions}
    findings.faults += [f"outcomes of {key} were logged without its decision" for key in events if key not in logged]
    for start in range(0, len(decisions), _CHUNK):
        _chunk(decisions[start : start + _CHUNK], events, findings)
    return findings


def _chunk(decisions: Sequence[dict[str, Any]], events: dict[str, list[dict[str, Any]]], findings: Findings) -> None:
    rows = decision_log.many([UUID(entry["decision_id"]) for entry in decisions])
    for entry in decisions:
        row = rows.get(UUID(entry["decision_id"]))
        if row is None:
            findings.faults.append(f"acknowledged decision {entry['decision_id']} is missing")
        elif row.session != identity.session_hash(entry["session_id"]):
            findings.faults.append(f"decision {row.id} belongs to another session than it was acknowledged for")
    customers = {row.customer_id for row in rows.values()}
    sessions = Counter(
        DecisionRow.objects.filter(
            customer_id__in=customers, session__in={row.session for row in rows.values()}
        ).values_list("customer_id", "session")
    )
    findings.faults += [f"session {key[1]} has {count} decisions" for key, count in sessions.items() if count > 1]
    kept = Outcome.objects.filter(customer_id__in=customers, decision_id__in=list(rows))
    stored = {(str(decision), event) for decision, event in kept.values_list("decision_id", "event_id")}
    for entry in decisions:
        findings.faults += [
            f"acknowledged outcome {event['event_id']} is missing"
            for event in events[entry["decision_id"]]
            if (entry["decision_id"], event["event_id"]) not in stored
        ]
    findings.faults += _learning(rows, customers, findings)


def _learning(rows: dict[UUID, DecisionRow], customers: set[int], findings: Findings) -> Iterator[str]:
    """At most one trial of an arm by decision, and exactly the reward that the stored outcomes call for."""
    due = _due(rows, customers)
    trials: dict[tuple[UUID, str], int] = defaultdict(int)
    rewards: dict[tuple[UUID, str], float] = defaultdict(float)
    log = RewardLog.objects.filter(customer_id__in=customers, decision_id__in=list(rows))
    for decision, arm, trial, reward in log.values_list("decision_id", "arm", "trial", "reward"):
        trials[decision, arm] += trial
        rewards[decision, arm] += reward
    unlearned = set(RewardWork.objects.filter(decision_id__in=list(rows)).values_list("decision_id", flat=True))
    for key in {*trials, *due}:
        findings.learned += key in trials
        wanted = due.get(key, 0.0)
        if trials[key] > 1 or rewards[key] > min(1.0, wanted) + _ROUNDING:
            yield f"{key[1]} of {key[0]} was learned twice: {trials[key]} trials, {rewards[key]:g} of {wanted:g}"
        elif key[0] not in unlearned and (trials[key] < 1 or rewards[key] < wanted - _ROUNDING):
            yield f"{key[1]} of {key[0]} was not learned: {trials[key]} trials, {rewards[key]:g} of {wanted:g}"


def _due(rows: dict[UUID, DecisionRow], customers: set[int]) -> dict[tuple[UUID, str], float]:
    """The reward of each decision and arm that was seen, from the stored outcomes."""
    types: dict[tuple[UUID, str], set[str]] = defaultdict(set)
    kept = Outcome.objects.filter(customer_id__in=customers, decision_id__in=list(rows))
    for decision, arm, kind, at in kept.values_list("decision_id", "arm", "type", "occurred_at"):
        ranking = runtime.plan(rows[decision].release).release.ranking
        if at <= rows[decision].made_at + timedelta(days=ranking.attribution_days):
            types[decision, arm].add(kind)
    result = {}
    for (decision, arm), met in types.items():
        weights = runtime.plan(rows[decision].release).release.ranking.reward_weights
        if "impression" in met:
            result[decision, arm] = min(1.0, sum(weights.get(kind, 0.0) for kind in met))
    return result
