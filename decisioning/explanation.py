"""Why a decision came out as it did: the whole trace, recomputed from the record without side effect; never in the hot
path, and never a protected attribute, since none is an input."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from decisioning import decision_log, identity, reward_log, runtime
from decisioning.bandit.posterior import Posterior
from decisioning.cascade import CASCADE, STAGES
from decisioning.case import Case
from decisioning.creative import text_for
from decisioning.models import Decision as DecisionRow
from decisioning.models import Presentation
from decisioning.plan import Plan, complete
from decisioning.propensity import reasons
from decisioning.propensity.reasons import Reason
from decisioning.stops import OVERRIDE, STAGE
from decisioning.types import Decision, Known
from offers.conditions.describe import sentence, would_pass_if
from offers.conditions.evaluate import trace

# Reasons for the whole customer, and the stage that gives each.
_CUSTOMER_STAGES = {
    "NO_CONSENT": "consent", "SUPPRESSED": "consent", "NOT_NOW": "consent", "HOLDOUT": "consent",
    "STOPPED": "stops", "CAPPED": "caps",
}  # fmt: skip
RANKING = "bandit"  # the stage that ends what scored lower
STRONGEST = 8  # contributions listed for one offer


@dataclass(frozen=True)
class Asked:
    """What one decision is explained from: its plan, what was known, and what it came to."""

    plan: Plan
    known: Known
    decision: Decision

    @cached_property
    def failures(self) -> Mapping[int, bool | None]:
        """The rules, by position, that the customer does not meet."""
        return dict(self.plan.failures(self.known.attributes))

    @cached_property
    def rules_of(self) -> Mapping[int, Sequence[int]]:
        """Positions of the rules on each offer: of thousands of both, no offer may ask every rule."""
        held: dict[int, list[int]] = defaultdict(list)
        for position, offers in enumerate(self.plan.rule_offers):
            for offer in offers:
                held[offer].append(position)
        return held

    @cached_property
    def refusals(self) -> Mapping[str, dict[str, str]]:
        return {
            row.offer: {"stage": row.stage, "reason": row.reason, "by": row.by}
            for row in reversed(self.decision.refusals)
        }


def asked(row: DecisionRow) -> Asked:
    """Raises NoRelease."""
    return Asked(runtime.plan(row.release), decision_log.inputs(row)[1], decision_log.result(row))


def explain(row: DecisionRow) -> dict[str, Any]:
    """Everything about one decision as JSON values. Raises NoRelease."""
    request, known = decision_log.inputs(row)
    of = asked(row)
    decision, plan = of.decision, of.plan
    stages = timings(row)
    return {
        "decision_id": str(row.id),
        "made_at": row.made_at.isoformat(),
        "channel": row.channel,
        "placement": row.placement,
        "limit": request.limit,
        "reason": decision.reason,
        "versions": {"release": row.release, "model": row.model, "posterior": row.posterior},
        "degraded": list(row.degraded),
        "withheld": list(known.withheld),
        "funnel": funnel(plan, decision),
        "offers": [offer(key, of) for key in in_order(plan, decision)],
        "groups": {name: {"age_seconds": age} for name, age in sorted(known.ages.items())},
        "known": dict(sorted(known.attributes.items())),
        "consents": sorted(known.consents),
        "caps": {"policy": _policy(plan), "contacts": known.contacts},
        "boosts": _boosts(plan, decision, known),
        "presentations": _presentations(row),
        "timings_us": {"decision": row.took_us, **stages},
    }


def funnel(plan: Plan, decision: Decision) -> list[dict[str, Any]]:
    """How many offers were left after each stage; a reason for the whole customer leaves none from its stage on."""
    ended = dict.fromkeys(STAGES, 0)
    for refusal in decision.refusals:
        ended[refusal.stage] += 1
    left, steps = len(plan.offers), [{"stage": "catalogue", "left": len(plan.offers)}]
    whole = ended_at(plan, decision)
    for stage in STAGES:
        left = 0 if stage == whole else left - ended[stage]
        steps.append({"stage": stage, "left": max(0, left)})
    steps.append({"stage": "chosen", "left": len(decision.choices)})
    return steps


def ended_at(plan: Plan, decision: Decision) -> str | None:
    """The stage that ended the decision for the customer, and with it every offer that was still in."""
    if len(decision.refusals) == len(plan.offers):
        return None
    return _CUSTOMER_STAGES.get(decision.reason or "")


def overridden(of: Asked) -> bool:
    """Whether overrides kept from this customer what was left, so that no offer was shown; not her own wish."""
    ended = of.refusals.values()
    return (
        of.decision.reason == "SUPPRESSED"
        and not ended_at(of.plan, of.decision)
        and any(row["by"] == OVERRIDE for row in ended)
    )


def _ended(key: str, of: Asked) -> dict[str, str] | None:
    """The stage that ended an offer and why; None for what was chosen."""
    decision = of.decision
    if key in of.refusals:
        return of.refusals[key]
    whole = ended_at(of.plan, decision)
    if whole:
        return {"stage": whole, "reason": decision.reason or "", "by": ""}
    if key in {choice.offer for choice in decision.choices}:
        return None
    ranked = key in {row.offer for row in decision.scored}
    return {"stage": RANKING, "reason": "RANKED_LOWER" if ranked else "FALLBACK_NOT_NEEDED", "by": ""}


def unnamed(ended: Mapping[str, str]) -> dict[str, str]:
    """The same for whoever may know the stage, and not which rule decided or that a person did."""
    return {**ended, "reason": "STOPPED" if ended["stage"] == STAGE else "NOT_ELIGIBLE", "by": ""}


def in_order(plan: Plan, decision: Decision) -> list[str]:
    """Chosen offers first, then the ranked by their best score, then the refused in the order of the stages."""
    rank = {choice.offer: choice.rank for choice in decision.choices}
    best: dict[str, float] = {}
    for row in decision.scored:
        best[row.offer] = max(row.score, best.get(row.offer, -np.inf))
    stage = {refusal.offer: STAGES.index(refusal.stage) for refusal in decision.refusals}
    return sorted(
        plan.offers,
        key=lambda key: (rank.get(key, 10**6), -best.get(key, -np.inf), -stage.get(key, -1), key),
    )


def offer(key: str, of: Asked) -> dict[str, Any]:
    """One offer of the catalogue: how far it came, its rules clause by clause, its arms, what moved its score."""
    plan, decision = of.plan, of.decision
    choice = next((choice for choice in decision.choices if choice.offer == key), None)
    # Under a mandate the arm that was chosen need not be the offer's best by score.
    scored = sorted(
        (row for row in decision.scored if row.offer == key),
        key=lambda row: (choice is None or row.arm != choice.arm, -row.score),
    )
    return {
        "offer": key,
        "name": plan.release.offers[key].name,
        "rank": choice.rank if choice else None,
        "action_probability": choice.action_probability if choice else None,
        "ended": _ended(key, of),
        "rules": _rules(key, of),
        "arms": [
            {
                "arm": row.arm, "propensity": row.propensity, "boost": row.boost, "mean": row.mean,
                "width": row.width, "draw": row.draw, "score": row.score,
                **({} if row.share is None else {"chance_by_merit": row.merit, "chance_by_mandate": row.share}),
            }
            for row in scored
        ],
        "contributions": _contributions(scored[0].arm, plan, of.known) if choice and scored else None,
    }  # fmt: skip


def _rules(key: str, of: Asked) -> list[dict[str, Any]]:
    """Every rule on the offer, clause by clause with value and threshold, none left out."""
    return [
        {
            "rule": rule.key,
            "title": rule.title,
            "sentence": sentence(rule.when),
            "reason_code": rule.reason_code,
            "basis": rule.basis,
            "passed": of.failures.get(position, True),
            "clauses": [
                {
                    "attribute": clause.attribute, "operator": clause.op, "threshold": clause.threshold,
                    "value": clause.value, "passed": clause.passed,
                    "would_pass_if": None if clause.passed == clause.wanted else would_pass_if(clause),
                }
                for clause in trace(rule.when, of.known.attributes)
            ],
        }
        for position in of.rules_of.get(of.plan.position[key], ())
        for rule in (of.plan.rules[position],)
    ]  # fmt: skip


def _contributions(arm: str, plan: Plan, known: Known) -> dict[str, Any] | None:
    """LightGBM's own SHAP values in log-odds, strongest first, and the same by reason family; either `rest` is the sum
    of what is not listed, so that each adds up to the raw score."""
    if plan.model is None or plan.prepared is None:
        return None
    row = plan.row_of_arm[[plan.arms.index(arm)]]
    values = plan.model.contributions(known.attributes, plan.prepared, row)[0]
    names = plan.model.encoder.names
    order = np.argsort(-np.abs(values[:-1]), kind="stable")
    listed, rest = order[:STRONGEST], order[STRONGEST:]
    by_name: dict[str, float] = defaultdict(float)  # an offer and its arm may both have a fact of one name
    for name, value in zip(names, values[:-1].tolist(), strict=True):
        by_name[name] += value
    principal = reasons.principal(reasons.grouped(by_name, plan.model.report.get("reason_families")))
    return {
        "base": float(values[-1]),
        "columns": [
            {"column": names[index], "value": _plain(known.attributes.get(names[index])),
             "log_odds": float(values[index])}
            for index in listed
        ],
        "rest": float(values[rest].sum()),
        "raw_score": float(plan.model.raw_scores(known.attributes, plan.prepared, row)[0]),
        "reasons": {
            "raising": [_reason(reason) for reason in principal.raising],
            "lowering": [_reason(reason) for reason in principal.lowering],
            "rest": principal.rest,
            "minimum": reasons.MINIMUM,
            "baseline": plan.model.report.get("reason_baseline", reasons.BASELINE),
        },
    }  # fmt: skip


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "family": reason.family,
        "log_odds": reason.log_odds,
        "inputs": [{"column": name, "log_odds": value} for name, value in reason.inputs],
    }


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else value


def _boosts(plan: Plan, decision: Decision, known: Known) -> list[dict[str, Any]]:
    """Every boost; `applied` where it holds and the decision came as far as the boosts."""
    reached = bool(decision.scored)
    return [
        {
            "boost": boost.key,
            "title": boost.title,
            "factor": boost.factor,
            "applied": reached and holds is True,
            "offers": [plan.offers[index] for index in offers],
        }
        for boost, offers, holds in zip(plan.boosts, plan.boost_offers, plan.boosted(known.attributes), strict=True)
    ]


def _policy(plan: Plan) -> dict[str, float]:
    """The caps in force; days are calendar days in UTC, a week is the seven that end today."""
    return asdict(plan.release.contact_policy)


def _presentations(row: DecisionRow) -> list[dict[str, Any]]:
    """What each channel was given, in the words of the release that it was checked against."""
    arms = {choice.offer: choice.arm for choice in decision_log.result(row).choices}
    shown = []
    for item in Presentation.objects.filter(customer_id=row.customer_id, decision_id=row.id).order_by("at"):
        release = runtime.plan(item.release).release
        copy: dict[str, Mapping[str, str]] = {}
        for offer in item.offers:
            text = text_for(release, arms[offer], item.channel) if arms[offer] in release.arms else None
            if text:
                copy[offer] = asdict(text)
        shown.append(
            {
                "channel": item.channel, "placement": item.placement, "at": item.at.isoformat(),
                "offers": item.offers, "reason": item.reason, "copy": copy,
            }
        )  # fmt: skip
    return shown


def timings(row: DecisionRow) -> dict[str, int]:
    """Microseconds of each stage, measured by running the cascade again now."""
    return {name: took for name, took, _ in _stages(_begun(row, None))}


def case(row: DecisionRow, posterior: Posterior | None = None) -> Case:
    """The working state at the end of the cascade, run again from the record: what the ranking was made of.
    `posterior`, if given, is the one at the row's position. Raises NoRelease."""
    return ended(_begun(row, posterior))


def ended(state: Case) -> Case:
    """The same after every stage that it comes to."""
    *_, (_, _, last) = _stages(state)
    return last


def _begun(row: DecisionRow, posterior: Posterior | None) -> Case:
    request, known = decision_log.inputs(row)
    plan = runtime.plan(row.release)
    beliefs = complete(posterior or reward_log.rebuilt(row.posterior), plan)
    return Case(request, known, plan, beliefs, identity.draw_key(row.id), live=[True] * len(plan.offers))


def _stages(state: Case) -> Iterator[tuple[str, int, Case]]:
    """Each stage that is run, with the microseconds that it takes now, and the case after it."""
    for name, stage in CASCADE:
        started = time.perf_counter_ns()
        stage(state)
        yield name, (time.perf_counter_ns() - started) // 1000, state
        if state.reason or not state.any_live:
            break
