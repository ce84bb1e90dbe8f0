"""THE HOT PATH: which offers a customer sees, as a pure function of frozen values; no clock, no database, no dice."""

from __future__ import annotations

from decisioning.bandit.posterior import Posterior
from decisioning.cascade import CASCADE
from decisioning.case import Case
from decisioning.plan import Plan
from decisioning.types import Decision, DecisionRequest, Known, Scored


def decide(request: DecisionRequest, known: Known, plan: Plan, posterior: Posterior | None, key: int) -> Decision:
    """Run the cascade. `plan` holds the release and the model; `key` (64 bits) seeds the draws; the same arguments
    give the same decision, bit for bit. `posterior` None degrades to the propensity order."""
    case = Case(request, known, plan, posterior, key, live=[True] * len(plan.offers))
    for _, stage in CASCADE:
        stage(case)
        if case.reason or not case.any_live:
            break
    return Decision(
        choices=() if case.reason else case.choices,
        reason=case.reason or (None if case.choices else _why_nothing(case)),
        refusals=tuple(case.refusals),
        scored=_scored(case),
        degraded=(*known.degraded, *case.degraded),
        spends=None if case.reason else case.spends,
    )


def _why_nothing(case: Case) -> str:
    """The reason for the whole answer, when every offer ended by itself: what the offer that came furthest met."""
    ended = {refusal.reason for refusal in case.refusals}
    if "CAPPED" in ended:
        return "CAPPED"
    if ended and ended <= {"STOPPED", "SUPPRESSED"}:
        return "SUPPRESSED" if "SUPPRESSED" in ended else "STOPPED"
    return "NO_ELIGIBLE_OFFER"


def _scored(case: Case) -> tuple[Scored, ...]:
    plan = case.plan
    if case.reason or not len(case.score):
        return ()
    columns = [case.propensity, case.boost, case.mean, case.width, case.draw, case.score]
    if len(case.share):
        columns += [case.merit, case.share]
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(
        Scored(plan.arms[arm], plan.offers[plan.offer_of_arm[arm]], *row)
        for arm, row in zip(case.arms.tolist(), numbers, strict=True)
    )
