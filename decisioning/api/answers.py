"""Domain values as the JSON of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from decisioning.delivery import Shown
from decisioning.events import Accepted
from decisioning.models import Decision as DecisionRow
from decisioning.serve import Answer, Ask
from decisioning.types import Decision
from offers.register import ATTRIBUTES


def decision(asked: Ask, answer: Answer) -> dict[str, Any]:
    return {
        "decision_id": str(answer.decision_id) if answer.decision_id else None,
        "customer_id": asked.customer_id,
        "session_id": asked.session_id,
        "made_at": answer.made_at.isoformat(),
        "expires_at": answer.expires_at.isoformat(),
        "reused": answer.reused,
        "offers": [_offer(rank, shown, answer) for rank, shown in enumerate(answer.presented.shown, start=1)],
        "reason": answer.presented.reason,
        "degraded": list(answer.degraded),
        "withheld": list(answer.withheld),
        "release": answer.release,
        "model": answer.model,
        "posterior": answer.posterior,
    }


def _offer(rank: int, shown: Shown, answer: Answer) -> dict[str, Any]:
    text, choice = shown.text, shown.choice
    return {
        "rank": rank,
        "offer": choice.offer,
        "arm": choice.arm,
        "format": text.format,
        "headline": text.headline,
        "body": text.body,
        "call_to_action": text.call_to_action,
        "disclosure": text.disclosure,
        "action_probability": choice.action_probability,
        "why": answer.engine.plan.why(choice.arm),
    }


def record(row: DecisionRow, external_id: str | None, result: Decision) -> dict[str, Any]:
    """The stored decision: what was chosen, what was refused and why, and what it was made with."""
    return {
        "decision_id": str(row.id),
        "customer_id": external_id,
        "channel": row.channel,
        "placement": row.placement,
        "made_at": row.made_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
        "reason": row.reason,
        "choices": [
            {"rank": item.rank, "offer": item.offer, "arm": item.arm, "action_probability": item.action_probability}
            for item in result.choices
        ],
        "refusals": [
            {"offer": item.offer, "stage": item.stage, "reason": item.reason, "by": item.by} for item in result.refusals
        ],
        "degraded": row.degraded,
        "release": row.release,
        "model": row.model,
        "posterior": row.posterior,
        "digest": bytes(row.digest).hex(),
    }


def explained(trace: Mapping[str, Any], *, profile: bool) -> dict[str, Any]:
    """What of a trace may leave for a channel's key: the values that its clauses compare, as the contract says; what
    else the bank knew of the customer only with the scope `profile`; and of inputs that are age, or close to a
    protected characteristic, no value to anybody."""
    known = {name: value for name, value in trace["known"].items() if _open(name)} if profile else {}
    return {
        **trace,
        "known": known,
        "consents": trace["consents"] if profile else [],
        "offers": [_explained_offer(offer, profile=profile) for offer in trace["offers"]],
    }


def _explained_offer(offer: Mapping[str, Any], *, profile: bool) -> dict[str, Any]:
    told, moved = dict(offer), offer["contributions"]
    told["rules"] = [
        {**rule, "clauses": [_clause(clause) for clause in rule["clauses"]]} for rule in offer["rules"]
    ]  # fmt: skip
    if moved is not None:
        columns = [
            column if profile and _open(column["column"]) else {**column, "value": None} for column in moved["columns"]
        ]
        told["contributions"] = {**moved, "columns": columns}
    return told


def _clause(clause: Mapping[str, Any]) -> Mapping[str, Any]:
    return clause if _open(clause["attribute"]) else {**clause, "value": None, "would_pass_if": None}


def _open(name: str) -> bool:
    """Whether a column's value may be told: facts of the offer are in no register."""
    return name not in ATTRIBUTES or ATTRIBUTES[name].basis_class == "ok"


def batch(taken: Accepted) -> dict[str, Any]:
    return {
        "accepted": taken.accepted,
        "duplicates": taken.duplicates,
        "rejected": [{"index": item.index, "code": item.code, "message": item.message} for item in taken.rejected],
    }
