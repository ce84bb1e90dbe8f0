"""Bands of the credit score, and whether a balance is carried from month to month."""

from __future__ import annotations

from typing import Final

import numpy as np

from decisioning.features.derived.column import Categories, Column, band, flag
from offers.register import ATTRIBUTES

SCORE_FLOORS: Final = (580, 670, 740, 800)  # of FICO's bands fair, good, very good and exceptional
RATING_FLOORS: Final = (670, 740)
PAID_OFF: Final = 0.01  # a utilisation up to this counts as paid in full


def credit_score_band(credit_score: Column) -> Categories:
    """The band that the credit score lies in: below 580, 580 to 669, 670 to 739, 740 to 799, or 800 and above."""
    return band(credit_score, SCORE_FLOORS, ATTRIBUTES["credit_score_band"].choices)


def credit_rating(credit_score: Column) -> Categories:
    """High from a credit score of 740 on, medium from 670 on, low below that."""
    return band(credit_score, RATING_FLOORS, ATTRIBUTES["credit_rating"].choices)


def revolving(utilisation_low_90d: Column) -> Column:
    """Whether even the lowest credit utilisation that was seen in 90 days was above 1 %: no statement was paid in full.

    It errs towards true for somebody who pays in full and is only ever seen shortly before that.
    """
    return flag(utilisation_low_90d > PAID_OFF, np.isfinite(utilisation_low_90d))
