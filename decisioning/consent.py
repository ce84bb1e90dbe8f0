"""Second stage: may this customer be contacted on this channel at all; closed unless consent was given."""

from decisioning.case import Case
from decisioning.draws import arm_counter, uniforms

_HOLDOUT = arm_counter("holdout")
# Whose account may be in somebody else's hands, or whose life may just have changed, is left alone for a while. Where
# it is not known, nothing is held back.
UNUSUAL = "unusual_activity"


def apply(case: Case) -> None:
    """End the decision without consent, for a suppressed customer, while activity is unusual, and for the holdout."""
    if f"marketing:{case.request.channel}" not in case.known.consents:
        case.reason = "NO_CONSENT"
    elif case.known.suppressed:
        case.reason = "SUPPRESSED"
    elif case.known.attributes.get(UNUSUAL) is True:
        case.reason = "NOT_NOW"
    elif in_holdout(case.request.customer, case.plan.release.contact_policy.holdout_share):
        case.reason = "HOLDOUT"


def in_holdout(customer: int, share: float) -> bool:
    """Whether a customer belongs to the holdout: the same customers for as long as the share stands."""
    if share <= 0:
        return False
    return float(uniforms(arm_counter(str(customer)), _HOLDOUT)) < share
