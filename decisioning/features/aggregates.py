"""What groups take from transactions, signals, posts and accounts: what counts as spend, income or a payment, and the
measures and functions that their attributes share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from decisioning.features.measures import Aggregate, Floats, Measure, Source, Where

# Money out for goods and services. What moves between a customer's own pockets or pays for credit is no spend; a
# category that a bank adds counts as spend until it is named here.
NOT_SPEND = ("transfer", "savings", "investment", "loan", "mortgage", "card_payment", "cash", "fees", "interest", "tax")
INCOME = ("salary", "income")
PAYMENTS = ("loan", "mortgage", "card_payment")  # towards credit that the bank gave
LARGE_PURCHASE = 500.0  # currency
DAY = 86_400.0


def spend(facts: Any) -> Any:
    return (facts.amount > 0) & facts.category.notin(NOT_SPEND)


def spend_on(kind: str) -> Where:
    return _named(f"spend_on_{kind}", lambda facts: (facts.amount > 0) & (facts.category == kind))


def large(facts: Any) -> Any:
    return spend(facts) & (facts.amount >= LARGE_PURCHASE)


def income(facts: Any) -> Any:
    return (facts.amount < 0) & facts.category.isin(INCOME)


def salary(facts: Any) -> Any:
    return (facts.amount < 0) & (facts.category == "salary")


def money_in(facts: Any) -> Any:
    return facts.amount < 0


def money_out(facts: Any) -> Any:
    return facts.amount > 0


def payment(facts: Any) -> Any:
    return (facts.amount > 0) & facts.category.isin(PAYMENTS)


def of_type(*types: str) -> Where:
    """Signals of these types."""
    return _named("of_" + "_".join(types), lambda facts: facts.type.isin(types))


def spend_signalled(signals: Any) -> Any:
    return (signals.type == "transaction") & (signals.amount > 0)


def large_signalled(signals: Any) -> Any:
    return (signals.type == "transaction") & (signals.amount >= LARGE_PURCHASE)


def life_events(event: str, days: int = 180) -> Measure:
    """How often the bank signalled this event."""
    where = _named(f"life_event_{event}", lambda facts: (facts.type == "life_event") & (facts.event == event))
    return Measure(f"{event}_{days}d", "signals", "count", days=days, where=where)


def mean(source: Source, column: str, *, days: int, units: int) -> Aggregate:
    """The mean of a column over the facts that tell it."""
    told = _named(f"told_{column}", lambda facts: facts[column].notnull())
    total = Measure(f"{column}_total_{days}d", source, "sum", f"{column}_units", days)
    count = Measure(f"{column}_count_{days}d", source, "count", days=days, where=told)
    return Aggregate((total, count), lambda _, a, b: _quotient(a, b * units))


def summed(measure: Measure, units: int = 1) -> Aggregate:
    """The measure itself, in its unit."""
    return Aggregate((measure,), lambda _, column: column / units)


def share(part: Measure, whole: Measure) -> Aggregate:
    """What part of a whole: not known where the whole is not above 0."""
    return Aggregate((part, whole), lambda _, a, b: _quotient(a, b))


def happened(*counts: Measure) -> Aggregate:
    """Whether any of these was counted."""
    return Aggregate(counts, _happened)


def since_days(*newest: Measure) -> Aggregate:
    """Whole days since the newest of these moments."""
    return Aggregate(newest, lambda moment, *times: np.floor((moment - np.fmax.reduce(times)) / DAY))


def _happened(_: Floats, *counts: Floats) -> Floats:
    total = np.nansum(counts, axis=0)
    flags: Floats = np.where(np.all(np.isnan(counts), axis=0), np.nan, (total > 0).astype(np.float64))
    return flags


def months_since(moment: Floats, since: Floats) -> Floats:
    """Whole months of the mean length."""
    months: Floats = np.floor((moment - since) / (30.4375 * DAY))
    return months


def _named(name: str, where: Where) -> Where:
    """A condition is computed once for all measures that share its name."""
    where.__name__ = name
    return where


def _counted(name: str, days: int, until: int = 0, where: Where | None = None) -> Measure:
    return Measure(name, "transactions", "count", days=days, until=until, where=where)


def _mean_salary(name: str, days: int, until: int = 0) -> Aggregate:
    total = Measure(f"{name}_total", "transactions", "sum", "amount_units", days, until, salary)
    return Aggregate((total, _counted(f"{name}_payments", days, until, salary)), _mean_paid)


def _mean_paid(_: Floats, units: Floats, payments: Floats) -> Floats:
    return _quotient(-units, payments * 100)


def _quotient(part: Floats, whole: Floats) -> Floats:
    """NaN where the whole is not above 0."""
    quotient: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return quotient


_NEWEST = Measure("last_transaction", "transactions", "max", "occurred_at")
_OLDEST = Measure("first_transaction", "transactions", "min", "occurred_at")

# What derived attributes need beside attributes of the register.
RAW: Mapping[str, Aggregate] = MappingProxyType(
    {
        "history_days": Aggregate((_OLDEST,), lambda moment, first: (moment - first) / DAY),
        "days_since_last_transaction": Aggregate((_NEWEST,), lambda moment, last: (moment - last) / DAY),
        "transactions_90d": summed(_counted("transactions_90d", 90)),
        # Money in is a negative amount.
        "inflow_90d": summed(Measure("inflow_90d", "transactions", "sum", "amount_units", 90, 0, money_in), -100),
        "outflow_90d": summed(Measure("outflow_90d", "transactions", "sum", "amount_units", 90, 0, money_out), 100),
        "salary_last": _mean_salary("salary_last", 35),
        "salary_before": _mean_salary("salary_before", 180, 90),
        "salary_change_signals_90d": summed(life_events("salary_change", days=90)),
        "utilisation_low_90d": summed(
            Measure("utilisation_low_90d", "signals", "min", "utilisation_units", 90), 10_000
        ),
    }
)
