"""Business boosts: approved factors on the propensity of the offers in their scope."""

import numpy as np

from decisioning.case import Case


def apply(case: Case) -> None:
    """Multiply the factors of the boosts that hold; one that cannot be evaluated does not hold."""
    factor = np.ones(len(case.plan.offers))
    for position, holds in enumerate(case.plan.boosted(case.known.attributes)):
        if holds is True:
            factor[case.plan.boost_offers[position]] *= case.plan.boosts[position].factor
    case.boost = factor[case.plan.offer_of_arm[case.arms]]
