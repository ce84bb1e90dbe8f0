"""Why a customer is not offered a card now: decided as for a channel that asks, and nothing of it is kept; with what
would change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np

from decisioning import explanation, identity, runtime
from decisioning.bandit.action_probability import first_probabilities
from decisioning.case import Case
from decisioning.decide import decide
from decisioning.explanation import Asked
from decisioning.features import online
from decisioning.known import known as known_of
from decisioning.serve import UnknownPlacement
from decisioning.stops import OVERRIDE
from decisioning.types import DecisionRequest
from fairness.explanations.outcome import failed, nothing
from fairness.individual import counterfactual
from fairness.individual.counterfactual import Counterfactual, Inputs
from offers.conditions.describe import asked_and_held, would_pass_if
from offers.register import ATTRIBUTES

_SESSION: Final = "why-not"
_STAGES: Final[Mapping[str, str]] = {
    "stops": "would not be shown now, because it is stopped, or not for this channel, placement or season",
    "consent": "would not be shown now, because there is no consent for it",
    "eligibility": "would not be shown now, because a rule is not met",
    "caps": "would not be shown now, because it has been shown as often as the contact policy allows",
    "bandit": "is eligible, but others rank higher",
    "creative": "would not be shown now, because it has no text for this channel",
}


class UnknownOffer(LookupError):
    """The live release has no such offer."""


def why_not(external_id: str, offer: str, *, channel: str, now: datetime, placement: str = "") -> dict[str, Any]:
    """As JSON values; without a placement, the first on which the offer may stand. The same question has the same
    answer: its draws hang on the customer alone.

    Raises UnknownCustomer, UnknownOffer, UnknownPlacement and NoRelease.
    """
    token, session = identity.token(external_id), identity.session_hash(_SESSION)
    read = online.read(external_id, token, session, now, budgeted=runtime.has_budgets())
    engine = runtime.engine(read.versions)
    plan = engine.plan
    if offer not in plan.position:
        raise UnknownOffer(offer)
    place = placement or next(iter(sorted(plan.release.offers[offer].placements)), "")
    if place not in plan.release.placements:
        raise UnknownPlacement(place)
    request = DecisionRequest(read.profile.customer, session, channel, place, 1, now, {})
    inputs = Inputs(request, known_of(read, engine, {}, now), plan, engine.posterior, int(token[:16], 16))
    return _answer(external_id, offer, inputs, now)


def _answer(external_id: str, offer: str, inputs: Inputs, now: datetime) -> dict[str, Any]:
    request, known, plan = inputs.request, inputs.known, inputs.plan
    of = Asked(plan, known, decide(request, known, plan, inputs.posterior, inputs.key))
    traced = explanation.offer(offer, of)
    first = next(iter(of.decision.choices), None)
    shown = first is not None and first.offer == offer
    stage = None if shown else traced["ended"]["stage"] if traced["ended"] else explanation.RANKING
    return {
        "customer_id": external_id,
        "offer": offer,
        "name": traced["name"],
        "asked_at": now.isoformat(),
        "channel": request.channel,
        "placement": request.placement,
        "release": plan.release.number,
        "model": plan.release.model[0] if plan.release.model else "",
        "shown": shown,
        "stage": stage,
        "reason": traced["ended"]["reason"] if traced["ended"] else None if shown else "RANKED_LOWER",
        "by": traced["ended"]["by"] if traced["ended"] else "",
        "why": _sentence(traced["name"], stage, of, plan.release.offers[first.offer].name if first else ""),
        "rules": list(_rules(offer, of)),
        "chance": _chance(offer, inputs),
        "would_change": _change(counterfactual.nearest(inputs, offer, now)),
        "degraded": list(of.decision.degraded),
        "withheld": list(known.withheld),
    }


def for_channel(answer: Mapping[str, Any], *, profile: bool) -> dict[str, Any]:
    """What of an answer may leave for a channel's key: what the bank holds of the customer, which rules she fails by a
    closed input alone, and that a person kept the offer from her only with the scope `profile`; and of closed inputs,
    which are close to a protected characteristic, or are age, nothing to anybody."""
    rules = [
        {**rule, "clauses": [
            clause if profile else {**clause, "value": None, "has": None}
            for clause in rule["clauses"] if _may_leave(clause)
        ]}
        for rule in answer["rules"]
    ]  # fmt: skip
    ended = {}
    if not profile:
        closed = {rule["rule"] for rule in rules if not rule["clauses"]}
        rules = [rule for rule in rules if rule["rule"] not in closed]
        if answer["by"] in {OVERRIDE, *closed}:
            ended = explanation.unnamed({name: answer[name] for name in ("stage", "reason", "by")})
    found = answer["would_change"]
    if found is not None:
        open_ones = [one if profile else {**one, "before": None} for one in found["changes"] if _may_leave(one)]
        found = {**found, "changes": open_ones} if len(open_ones) == len(found["changes"]) else None
    return {**answer, **ended, "rules": rules, "would_change": found}


def _may_leave(input_of: Mapping[str, Any]) -> bool:
    return ATTRIBUTES[input_of["attribute"]].basis_class == "ok"


def _sentence(name: str, stage: str | None, of: Asked, first: str) -> str:
    if stage is None:
        return f"{name} is what this customer would be shown now."
    whole = explanation.ended_at(of.plan, of.decision)
    if whole:
        return f"No card would be shown: {nothing(of)[1]}"
    beside = f": {first} comes first" if stage == explanation.RANKING and first else ""
    return f"{name} {_STAGES[stage]}{beside}."


def _rules(offer: str, of: Asked) -> Iterator[dict[str, Any]]:
    """Every rule on the offer that is not met, whichever stage ended it, with each clause that does not hold."""
    for position in of.rules_of.get(of.plan.position[offer], ()):
        if position not in of.failures:
            continue
        rule = of.plan.rules[position]
        clauses = []
        for clause in failed(rule, of.known.attributes):
            needs, has = asked_and_held(clause)
            clauses.append(
                {
                    "attribute": clause.attribute, "meaning": ATTRIBUTES[clause.attribute].meaning,
                    "operator": clause.op, "threshold": clause.threshold, "value": clause.value, "needs": needs,
                    "has": has, "would_pass_if": would_pass_if(clause),
                }
            )  # fmt: skip
        yield {
            "rule": rule.key,
            "title": rule.title,
            "basis": rule.basis,
            "reason": rule.reason_code,
            "clauses": clauses,
        }


def _chance(offer: str, inputs: Inputs) -> float | None:
    """How likely the offer is to come first, over the draws; None where it does not compete."""
    plan = inputs.plan
    state = Case(inputs.request, inputs.known, plan, inputs.posterior, inputs.key, live=[True] * len(plan.offers))
    case = explanation.ended(state)
    if not len(case.location):
        return None
    own = plan.offer_of_arm[case.arms] == plan.position[offer]
    chances = case.share if len(case.share) else first_probabilities(case.location, case.scale)
    return float(np.sum(chances[own])) if own.any() else None


def _change(found: Counterfactual | None) -> dict[str, Any] | None:
    """The nearest change of what a customer can act on, proved by deciding again; None where there is none."""
    if found is None:
        return None
    return {
        "chosen": found.chosen,
        "changes": [
            {"attribute": one.attribute, "meaning": one.meaning, "before": _plain(one.before),
             "after": _plain(one.after), "text": one.text, "why": one.why}
            for one in found.changes
        ],
    }  # fmt: skip


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else value
