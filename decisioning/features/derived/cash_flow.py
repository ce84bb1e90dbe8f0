"""Where the balance is going: the monthly trend of what comes in and goes out, and whether it falls below zero."""

from __future__ import annotations

from typing import Final

import numpy as np

from decisioning.features.derived.column import Column, flag, within

MONTH_DAYS: Final = 30


def balance_trend_90d(history_days: Column, inflow_90d: Column, outflow_90d: Column) -> Column:
    """Money in less money out over the last 90 days, for a month of 30 days.

    A history of 30 to 90 days is divided by its own length; a shorter one tells no trend.
    """
    months = np.where(history_days >= MONTH_DAYS, np.minimum(history_days, 3 * MONTH_DAYS) / MONTH_DAYS, np.nan)
    return within("balance_trend_90d", (inflow_90d - outflow_90d) / months)


def cash_flow_shortfall_30d(balance: Column, balance_trend_90d: Column) -> Column:
    """Whether the balance and one more month of its 90-day trend add up to less than zero.

    What is due on which day is not known here, so a gap before the next salary is not seen.
    """
    expected = balance + balance_trend_90d
    return flag(expected < 0, np.isfinite(expected))
