"""Attributes that are a vector function of other columns: what each needs, and all of them at once.

A column is a float64 array with one entry per customer: numbers as they are, booleans 0 or 1, NaN where not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# What the functions need beside attributes of the register, by name; a month is 30 days, amounts are positive.
RAW_INPUTS: Mapping[str, str] = MappingProxyType(
    {
        "history_days": "days since the first known transaction; null without any",
        "days_since_last_transaction": "days since the last transaction of any kind; null without any",
        "transactions_90d": "number of transactions in the last 90 days; null without any transaction ever",
        "inflow_90d": "sum of money in over the last 90 days, in currency; null without any transaction ever",
        "outflow_90d": "sum of money out over the last 90 days, in currency; null without any transaction ever",
        "salary_last": "the newest salary payment (money in of category salary) of the last 45 days; null without",
        "salary_before": "mean salary payment of the days 91 to 180 before the moment; null without",
        "utilisation_low_90d": "lowest credit utilisation seen in the last 90 days; null where none was seen",
    }
)
