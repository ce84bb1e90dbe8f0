"""Hard eligibility: dates, channel, placement, then every rule; a missing value never makes anyone eligible."""

from decisioning.case import Case
from offers.types import Offer

STAGE = "eligibility"
DATA_MISSING = "DATA_MISSING"


def apply(case: Case) -> None:
    """Refuse each offer whose terms or rules do not hold; the reason is the first failing rule's, in release order."""
    for index, key in enumerate(case.plan.offers):
        reason = unavailable(case.plan.release.offers[key], case)
        if reason:
            case.refuse(index, STAGE, reason)
    for position, passed in enumerate(case.plan.passes(case.known.attributes)):
        if passed is True:
            continue
        rule = case.plan.rules[position]
        if not rule.in_force(case.request.now):
            continue
        reason = DATA_MISSING if passed is None else rule.reason_code
        for offer in case.plan.rule_offers[position]:
            case.refuse(offer, STAGE, reason, rule.key)


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
