"""Income band and changes of the salary, from what arrives on the customer's own accounts."""

from __future__ import annotations

from typing import Final

import numpy as np

from decisioning.features.derived.column import Categories, Column, band, finite, flag, within
from offers.register import ATTRIBUTES

INCOME_FLOORS: Final = (2_000, 4_000, 7_000)  # currency a month
LAPSE_DAYS: Final = 35  # of a month, with a weekend and a holiday: after these a monthly salary is missing
CHANGE: Final = 0.1  # a smaller change is a yearly raise or an odd payment, and no event of a life


def income_band(income_estimate_monthly: Column) -> Categories:
    """The band of the monthly income estimated from transactions: below 2,000, below 4,000, below 7,000, or more."""
    return band(income_estimate_monthly, INCOME_FLOORS, ATTRIBUTES["income_band"].choices)


def salary_change(salary_last: Column, salary_before: Column, days_since_last_transaction: Column) -> Column:
    """The mean salary payment of the last 35 days over that of three to six months ago, minus 1.

    -1 where none came in 35 days although other transactions did: the salary ended, or goes to another bank.
    """
    before = np.where(finite(salary_before) > 0, salary_before, np.nan)
    lapsed = np.isnan(salary_last) & (days_since_last_transaction < LAPSE_DAYS)
    last = np.where(lapsed, 0.0, finite(salary_last))
    return within("salary_change", last / before - 1.0)


def salary_changed_90d(salary_change: Column, salary_change_signals_90d: Column) -> Column:
    """Whether the salary is at least 10 % above or below the mean payment of three to six months ago, or the bank
    signalled in the last 90 days that it changed."""
    signalled = salary_change_signals_90d > 0
    known = np.isfinite(salary_change) | np.isfinite(salary_change_signals_90d)
    return flag((np.abs(salary_change) >= CHANGE) | signalled, known)
