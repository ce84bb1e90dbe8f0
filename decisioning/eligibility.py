"""Hard eligibility: dates, channel, placement, then every rule; a missing value never makes anyone eligible."""

from decisioning.case import Case
from offers.types import Offer

STAGE = "eligibility"
DATA_MISSING = "DATA_MISSING"


def apply(case: Case) -> None:
    """Refuse each offer whose terms or rules do not hold; the reason is the first failing rule's, in release order."""
    plan, request, live, refuse = case.plan, case.request, case.live, case.refuse
    for index in plan.bounded(request.channel, request.placement):
        reason = unavailable(plan.release.offers[plan.offers[index]], case)
        if reason:
            refuse(index, STAGE, reason)
    for position, passed in plan.failures(case.known.attributes):
        rule = plan.rules[position]
        # Hundreds of rules fail a decision, and few have dates: a call for each would cost as much as the conditions.
        if rule.starts_at is rule.ends_at is None or rule.in_force(request.now):
            reason = DATA_MISSING if passed is None else rule.reason_code
            for offer in plan.rule_offers[position]:
                if live[offer]:
                    refuse(offer, STAGE, reason, rule.key)


def unavailable(offer: Offer, case: Case) -> str | None:
    """Why an offer's own terms keep it from this request, None if they do not."""
    request = case.request
    if request.channel not in offer.channels:
        return "NOT_ON_CHANNEL"
    if request.placement not in offer.placements:
        return "NOT_ON_PLACEMENT"
    if (offer.starts_at and request.now < offer.starts_at) or (offer.ends_at and request.now >= offer.ends_at):
        return "NOT_IN_SEASON"
    return None
