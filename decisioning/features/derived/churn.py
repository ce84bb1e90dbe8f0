"""Churn risk: a transparent score of three inputs, whose coefficients were fitted on public data and stand here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import expit

from decisioning.features.derived.column import Column, finite, within

# A logistic regression of attrition on 10,127 card holders (BankChurners): the number of transactions of the fourth
# quarter over that of the first stands for `activity`, the yearly number over 12 for `log_transactions`. Those are not
# our windows, and 16 % of those customers left: so this orders customers, and is no probability at another bank.
# tests/decisioning/test_derived_churn.py fits it again and prints how well it orders.
COEFFICIENTS: Mapping[str, float] = MappingProxyType(
    {"constant": 5.90, "activity": -3.30, "log_transactions": -2.89, "utilisation": -2.15}
)
TYPICAL_UTILISATION: Final = 0.27  # the mean of those customers, for whom it is not known of
MOST_ACTIVITY: Final = 2.0  # doubling or more is all the same


def churn_risk(transactions_30d: Column, transactions_90d: Column, utilisation_90d: Column) -> Column:
    """1 / (1 + e^-z) with z = 5.90 - 3.30 a - 2.89 ln(1 + m) - 2.15 u, where m is the number of transactions in a month
    of the last 90 days, a that of the last 30 days over m (2 at most), and u the average utilisation (0.27 if not
    known).

    Not known for a customer whose transactions are not.
    """
    last, monthly = _count(transactions_30d), _count(transactions_90d) / 3.0
    # Without a transaction in 90 days there is nothing to compare: all activity has ended.
    activity = np.minimum(np.divide(last, monthly, out=monthly * 0.0, where=monthly > 0), MOST_ACTIVITY)
    return score(activity, monthly, utilisation_90d)


def score(activity: Column, monthly: Column, utilisation: Column) -> Column:
    """The score of these inputs, each (n,), between 0 and 1; utilisation may be missing."""
    used = np.where(np.isfinite(utilisation), np.clip(utilisation, 0.0, 1.0), TYPICAL_UTILISATION)
    z = (
        COEFFICIENTS["constant"]
        + COEFFICIENTS["activity"] * activity
        + COEFFICIENTS["log_transactions"] * np.log1p(monthly)
        + COEFFICIENTS["utilisation"] * used
    )
    return within("churn_risk", expit(z))


def _count(values: Column) -> Column:
    counts = finite(values)
    return np.where(counts >= 0, counts, np.nan)
