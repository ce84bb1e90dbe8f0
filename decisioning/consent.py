"""Second stage: may this customer be contacted on this channel at all; closed unless consent was given."""

from decisioning.case import Case
from decisioning.draws import arm_counter, uniforms

_HOLDOUT = arm_counter("holdout")


def apply(case: Case) -> None:
    """End the decision without consent, for a suppressed customer, and for the holdout."""
    if f"marketing:{case.request.channel}" not in case.known.consents:
        case.reason = "NO_CONSENT"
    elif case.known.suppressed:
        case.reason = "SUPPRESSED"
    elif in_holdout(case.request.customer, case.plan.release.contact_policy.holdout_share):
        case.reason = "HOLDOUT"


def in_holdout(customer: int, share: float) -> bool:
    """Whether a customer belongs to the holdout: the same customers for as long as the share stands."""
    if share <= 0:
        return False
    return float(uniforms(arm_counter(str(customer)), _HOLDOUT)) < share
