"""Business boosts: approved factors on the propensity of the offers in their scope."""

import numpy as np

from decisioning.case import Case


def apply(case: Case) -> None:
    """Multiply the factors of the boosts that hold, up to the release's cap; one that cannot be evaluated does not."""
    factor = np.ones(len(case.plan.offers))
    for position, holds in enumerate(case.plan.boosted(case.known.attributes)):
        boost = case.plan.boosts[position]
        if holds is True and boost.in_force(case.request.now):
            factor[case.plan.boost_offers[position]] *= boost.factor
    if case.plan.release.ranking.boost_cap is not None:
        factor = np.minimum(factor, case.plan.release.ranking.boost_cap)
    case.boost = factor[case.plan.offer_of_arm[case.arms]]
