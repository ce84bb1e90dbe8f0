"""First stage: what somebody has stopped is out, whatever else holds."""

from decisioning.case import Case
from decisioning.plan import Plan

STAGE = "stops"
KEPT = "customer"  # the scope of an offer, or ("") of every one, that an override keeps from this one customer
OVERRIDE = "override"


def apply(case: Case) -> None:
    """Refuse stopped offers, offers of stopped products and what is kept from this customer; a stop on everything ends
    the decision."""
    stops = case.known.stops
    if not stops:
        return
    if ("all", "") in stops:
        case.reason = "STOPPED"
        return
    every = (KEPT, "") in stops
    for index, offer in enumerate(case.plan.offers):
        if every or (KEPT, offer) in stops:
            case.refuse(index, STAGE, "SUPPRESSED", OVERRIDE)
            continue
        product = case.plan.release.offers[offer].product
        if ("offer", offer) in stops or ("product", product) in stops or _all_arms_stopped(case.plan, index, stops):
            case.refuse(index, STAGE, "STOPPED")


def _all_arms_stopped(plan: Plan, offer: int, stops: frozenset[tuple[str, str]]) -> bool:
    arms = [arm for arm, owner in zip(plan.arms, plan.offer_of_arm, strict=True) if owner == offer]
    return all(("arm", arm) in stops for arm in arms)
