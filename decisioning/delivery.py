"""What one channel is given of a decision: pure; it may remove offers and pick the channel's text, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from decisioning.cascade import CASCADE
from decisioning.case import Case
from decisioning.creative import text_for
from decisioning.plan import Plan
from decisioning.types import Choice, DecisionRequest, Known
from offers.types import Text

# The stages that can forbid an offer, checked again whenever a decision is shown on a further channel.
RECHECKED = frozenset({"stops", "consent", "eligibility", "caps"})


@dataclass(frozen=True, slots=True)
class Shown:
    choice: Choice
    text: Text


@dataclass(frozen=True, slots=True)
class Presented:
    """`reason` is None exactly when something is shown."""

    shown: tuple[Shown, ...]
    reason: str | None


def present(choices: tuple[Choice, ...], request: DecisionRequest, known: Known, plan: Plan) -> Presented:
    """The choices of an earlier decision that may still be shown for this request, in their order."""
    case = Case(request, known, plan, None, 0, live=[True] * len(plan.offers))
    for name, stage in CASCADE:
        if name in RECHECKED and case.reason is None:
            stage(case)
    if case.reason:
        return Presented((), case.reason)
    live = {offer for offer, is_live in zip(plan.offers, case.live, strict=True) if is_live}
    out = {target for scope, target in known.stops if scope == "arm"}
    out |= {choice.arm for choice in choices if _paused(choice.arm, plan)}
    allowed = tuple(choice for choice in choices if choice.offer in live and choice.arm not in out)
    presented = worded(allowed, request, plan)
    if presented.shown:
        return presented
    met = {refusal.reason for refusal in case.refusals if refusal.offer in {choice.offer for choice in choices}}
    reason = next((code for code in ("STOPPED", "CAPPED", "SUPPRESSED") if code in met), "NO_ELIGIBLE_OFFER")
    return Presented((), reason)


def _paused(arm: str, plan: Plan) -> bool:
    """Whether the release in force has paused it since it was chosen."""
    return arm in plan.release.arms and plan.release.arms[arm].paused


def worded(choices: tuple[Choice, ...], request: DecisionRequest, plan: Plan) -> Presented:
    """The choices with their approved texts for the channel, at most `limit` of them."""
    shown = []
    for choice in choices:
        text = text_for(plan.release, choice.arm, request.channel) if choice.arm in plan.release.arms else None
        if text:
            shown.append(Shown(choice, text))
    return Presented(tuple(shown[: request.limit]), None if shown else "NO_ELIGIBLE_OFFER")
