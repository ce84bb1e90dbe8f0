"""Attributes that are a vector function of other columns: what each needs, in the order in which they can be computed.

A column is a float64 array with one entry per customer: numbers as they are, rounded to the register's resolution,
booleans 0 or 1, NaN where not known. No function here reads a clock or a database, and whatever comes in, what goes out
is a value that the register allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from decisioning.features.derived import cash_flow, churn, credit, income, lifecycle, risk, unusual
from decisioning.features.derived.column import Derived

# What the functions need beside attributes of the register, by name; a month is 30 days, amounts are positive.
RAW_INPUTS: Mapping[str, str] = MappingProxyType(
    {
        "moment": "the moment for which the attributes are computed, in epoch seconds",
        "history_days": "days since the first known transaction; null without any",
        "days_since_last_transaction": "days since the last transaction of any kind; null without any",
        "transactions_90d": "number of transactions in the last 90 days; null without any transaction ever",
        "inflow_90d": "sum of money in over the last 90 days, in currency; null without any transaction ever",
        "outflow_90d": "sum of money out over the last 90 days, in currency; null without any transaction ever",
        "salary_last": "mean salary payment (money in of category salary) of the last 35 days; null without",
        "salary_before": "mean salary payment of the days 91 to 180 before the moment; null without",
        "salary_change_signals_90d": "number of salary changes signalled in the last 90 days; null without any signal",
        "utilisation_low_90d": "lowest credit utilisation seen in the last 90 days; null where none was seen",
    }
)

# A later one may need an earlier one.
_FUNCTIONS = (
    credit.credit_score_band, credit.credit_rating, credit.revolving,
    income.income_band, income.salary_change, income.salary_changed_90d,
    cash_flow.balance_trend_90d, cash_flow.cash_flow_shortfall_30d,
    churn.churn_risk, lifecycle.lifecycle_stage,
    risk.risk_points, risk.risk_profile,
)  # fmt: skip


def derived(forests: unusual.Forests | None = None) -> Mapping[str, Derived]:
    """Every derived attribute by name, in an order in which each finds its inputs.

    `forests` are those that held at the moments in question (`features.forests.kept`); without them nobody's activity
    is known to be unusual or not.
    """
    found = [*(Derived.of(function) for function in _FUNCTIONS), unusual.declared(forests or unusual.Forests())]
    return MappingProxyType({each.name: each for each in found})
