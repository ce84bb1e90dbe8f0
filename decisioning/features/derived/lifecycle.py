"""The lifecycle stage: by time with the bank, unless activity says that the customer is leaving."""

from __future__ import annotations

from typing import Final

import numpy as np

from decisioning.features.derived.column import Categories, Column, chosen, finite
from offers.register import ATTRIBUTES

NEW_MONTHS, DEVELOPING_MONTHS = 6, 24
SILENT_DAYS: Final = 60  # without any transaction
# Of a usual month. One large purchase less is no sign of leaving: both spend and the number of transactions must fall.
GONE, FALLEN, FALLING = 0.1, 0.5, 0.8
HIGH_RISK: Final = 0.5  # of churn

_STAGES = ATTRIBUTES["lifecycle_stage"].choices


def lifecycle_stage(
    tenure_months: Column,
    days_since_last_transaction: Column,
    spend_30d: Column,
    spend_90d: Column,
    transactions_30d: Column,
    transactions_90d: Column,
    complaint_30d: Column,
    declined_transaction_30d: Column,
    churn_risk: Column,
) -> Categories:
    """New in the first 6 months; else churning (no transaction for 60 days, or fewer than half as many as in a usual
    month with less than a tenth of its spend), at risk (fewer than half as many with less than half of its spend, a
    complaint, a churn risk of 0.5 or more, or a declined transaction with spend below 80 %), developing in the first 24
    months, mature after them.

    A usual month is the mean of the two before the last 30 days. What is not known speaks for no stage; without a known
    time with the bank only churning and at risk can be told.
    """
    spend = _of_usual(finite(spend_30d), finite(spend_90d))
    fewer = _of_usual(finite(transactions_30d), finite(transactions_90d)) < FALLEN
    churning = (days_since_last_transaction >= SILENT_DAYS) | (fewer & (spend < GONE))
    at_risk = (
        (fewer & (spend < FALLEN))
        | (complaint_30d == 1)
        | (churn_risk >= HIGH_RISK)
        | ((declined_transaction_30d == 1) & (spend < FALLING))
    )
    tenure = finite(tenure_months)
    conditions = [tenure < NEW_MONTHS, churning, at_risk, tenure < DEVELOPING_MONTHS, tenure >= DEVELOPING_MONTHS]
    order = [_STAGES.index(name) for name in ("new", "churning", "at_risk", "developing", "mature")]
    index = np.select(conditions, order, default=-1)
    return chosen(index, index >= 0, _STAGES)


def _of_usual(last: Column, quarter: Column) -> Column:
    """The last 30 days over a month of the 60 days before; NaN where there was nothing in those."""
    usual = (quarter - last) / 2.0
    return np.divide(last, usual, out=np.full_like(usual, np.nan), where=usual > 0)
