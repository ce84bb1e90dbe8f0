"""Domain values as the JSON of the contract."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from decisioning.delivery import Shown
from decisioning.events import Accepted
from decisioning.explanation import unnamed
from decisioning.models import Decision as DecisionRow
from decisioning.serve import Answer, Ask
from decisioning.stops import OVERRIDE
from decisioning.types import Decision, Refusal
from offers.conditions.grammar import attributes_of
from offers.register import ATTRIBUTES
from offers.types import Release as CatalogueRelease


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


def record(
    row: DecisionRow, external_id: str | None, result: Decision, release: CatalogueRelease, *, profile: bool
) -> dict[str, Any]:
    """The stored decision: what was chosen, what was refused and why, and what it was made with."""
    closed = frozenset() if profile else closed_rules(release)
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
        "refusals": [{"offer": item.offer, **_ended(item, closed, profile=profile)} for item in result.refusals],
        "degraded": row.degraded,
        "release": row.release,
        "model": row.model,
        "posterior": row.posterior,
        "digest": bytes(row.digest).hex(),
    }


def explained(trace: Mapping[str, Any], release: CatalogueRelease, *, profile: bool) -> dict[str, Any]:
    """What of a trace may leave for a channel's key: the values that its clauses compare, as the contract says; what
    else the bank knew of the customer, which rules on closed inputs she met, and that a person kept an offer from her
    only with the scope `profile`; and no clause or value of a closed input, which is age or close to a protected
    characteristic, to anybody."""
    closed = frozenset() if profile else closed_rules(release)
    known = {name: value for name, value in trace["known"].items() if _open(name)} if profile else {}
    return {
        **trace,
        "known": known,
        "consents": trace["consents"] if profile else [],
        "offers": [_explained_offer(offer, closed, profile=profile) for offer in trace["offers"]],
    }


def closed_rules(release: CatalogueRelease) -> frozenset[str]:
    """The rules that read an input whose value may not be told: whether she met one would tell it."""
    return frozenset(key for key, rule in release.rules.items() if not all(map(_open, attributes_of(rule.when))))


def _explained_offer(offer: Mapping[str, Any], closed: Collection[str], *, profile: bool) -> dict[str, Any]:
    told, moved = dict(offer), offer["contributions"]
    told["ended"] = offer["ended"] and _named(offer["ended"], closed, profile=profile)
    told["rules"] = [
        {**rule, "clauses": [clause for clause in rule["clauses"] if _open(clause["attribute"])]}
        for rule in offer["rules"]
        if rule["rule"] not in closed
    ]
    if moved is not None:
        columns = [
            column if profile and _open(column["column"]) else {**column, "value": None} for column in moved["columns"]
        ]
        told["contributions"] = {**moved, "columns": columns}
    return told


def _ended(refusal: Refusal, closed: Collection[str], *, profile: bool) -> Mapping[str, str]:
    return _named({"stage": refusal.stage, "reason": refusal.reason, "by": refusal.by}, closed, profile=profile)


def _named(ended: Mapping[str, str], closed: Collection[str], *, profile: bool) -> Mapping[str, str]:
    return ended if profile or ended["by"] not in {OVERRIDE, *closed} else unnamed(ended)


def _open(name: str) -> bool:
    """Whether a column's value may be told: facts of the offer are in no register."""
    return name not in ATTRIBUTES or ATTRIBUTES[name].basis_class == "ok"


def batch(taken: Accepted) -> dict[str, Any]:
    return {
        "accepted": taken.accepted,
        "duplicates": taken.duplicates,
        "rejected": [{"index": item.index, "code": item.code, "message": item.message} for item in taken.rejected],
    }
