"""One declared schema for each kind of record, in pandera: types, bounds and choices, of customers from the register.

Loads and the nightly run hold their rows against the same schemas. Importing this costs pandas and pandera.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
import pandera.pandas as pandera
from pandera.errors import SchemaErrors

from decisioning.quality.expectations import EARLIEST, Expectation
from offers.register import ATTRIBUTES, Attribute, AttributeType
from offers.types import CHANNELS

_LONGEST_EXPECTATION: Final = 110

_TYPES: Mapping[AttributeType, tuple[str, tuple[type, ...]]] = {
    "number": ("a number", (int, float)),
    "integer": ("a whole number", (int,)),
    "boolean": ("yes or no", (bool,)),
    "category": ("text", (str,)),
    "set": ("a set of texts", (list, frozenset)),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A value that breaks an expectation: its place in the frame, and both in words."""

    place: int
    expectation: Expectation
    value: Any


class Schema:
    """A pandera schema, and its expectations as they are named on the page."""

    def __init__(self, columns: Mapping[str, pandera.Column], subjects: Mapping[str, str]) -> None:
        self._pandera = pandera.DataFrameSchema(dict(columns))
        self.expectations = {
            (name, str(check.error)): Expectation(subjects[name], name, str(check.error))
            for name, column in columns.items()
            for check in column.checks
        }

    def faults(self, frame: pd.DataFrame) -> list[Fault]:
        """Every value of the frame (rows 0 to N-1) that is not as declared, by place."""
        try:
            self._pandera.validate(frame.reset_index(drop=True), lazy=True)
        except SchemaErrors as errors:
            cases = errors.failure_cases
            found = [
                Fault(int(place), self.expectations[str(column), str(check)], value)
                for place, column, check, value in zip(
                    cases["index"], cases["column"], cases["check"], cases["failure_case"], strict=True
                )
            ]
            return sorted(found, key=lambda fault: fault.place)
        return []


@cache
def attributes(names: tuple[str, ...]) -> Schema:
    """Of customers: one column for each attribute, None where it is not known."""
    declared = [ATTRIBUTES[name] for name in names]
    return Schema(
        {one.name: pandera.Column(checks=list(_of_attribute(one)), nullable=True, required=False) for one in declared},
        {one.name: one.group for one in declared},
    )


@lru_cache(maxsize=8)
def records(kind: str, now: datetime) -> Schema:
    """Of accounts, transactions, decisions or posts; nothing of them happened after `now`."""
    checks = {name: [make(now) for make in makes] for name, makes in _RECORDS[kind].items()}
    return Schema(
        {name: pandera.Column(checks=made, nullable=True, required=False) for name, made in checks.items()},
        dict.fromkeys(checks, kind),
    )


def frame(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Python values as they are, so that a type that is wrong stays visible."""
    return pd.DataFrame({name: pd.Series(list(values), dtype=object) for name, values in columns.items()})


def _of_attribute(declared: Attribute) -> Iterable[pandera.Check]:
    words, types = _TYPES[declared.type]
    yield _each(words, lambda value: isinstance(value, types) and (isinstance(value, bool) == (bool in types)))
    if declared.bounds:
        yield _between(*declared.bounds)
    if declared.choices:
        yield _choice(declared.choices)


def _each(words: str, holds: Callable[[Any], bool]) -> pandera.Check:
    return pandera.Check(lambda series: series.map(holds).astype(bool), error=words)


def _between(low: float, high: float) -> pandera.Check:
    def holds(series: pd.Series) -> pd.Series:
        return pd.to_numeric(series, errors="coerce").between(low, high)

    return pandera.Check(holds, error=f"between {low:g} and {high:g}")


def _choice(choices: Sequence[str]) -> pandera.Check:
    words = f"one of {', '.join(choices)}"
    short = words if len(words) <= _LONGEST_EXPECTATION else f"one of the {len(choices)} declared values"
    return pandera.Check(lambda series: series.isin(choices), error=short)


def _time(now: datetime) -> pandera.Check:
    def holds(series: pd.Series) -> pd.Series:
        return pd.to_datetime(series, utc=True, errors="coerce").between(EARLIEST, now)

    return pandera.Check(holds, error="a time from 1900 until now")


def _day(now: datetime) -> pandera.Check:
    def holds(series: pd.Series) -> pd.Series:
        return pd.to_datetime(series, utc=True, errors="coerce").between(EARLIEST, now)

    return pandera.Check(holds, error="a day from 1900 until now")


def _money(_now: datetime) -> pandera.Check:
    return _between(-1e9, 1e9)


def _finite(series: pd.Series) -> pd.Series:
    return pd.Series(np.isfinite(pd.to_numeric(series, errors="coerce")), index=series.index)


def _filled(_now: datetime) -> pandera.Check:
    return pandera.Check(lambda series: series.astype(str).str.len() > 0, error="not empty")


def _probability(_now: datetime) -> pandera.Check:
    def holds(series: pd.Series) -> pd.Series:
        numbers = pd.to_numeric(series, errors="coerce")
        return (numbers > 0) & (numbers <= 1)

    return pandera.Check(holds, error="a probability above 0")


_RECORDS: Mapping[str, Mapping[str, Sequence[Callable[[datetime], pandera.Check]]]] = {
    "accounts": {
        "product": (_filled,),
        "opened_on": (_day,),
        "credit_limit": (lambda _: _between(0, 1e9),),
        "balance": (_money,),
    },
    "transactions": {"occurred_at": (_time,), "amount": (_money,), "category": (_filled,)},
    "decisions": {
        "probability": (_probability,),
        "channel": (lambda _: _choice(CHANNELS),),
        "reward": (lambda _: pandera.Check(_finite, error="a finite number"),),
        "occurred_at": (_time,),
    },
    # Of a post only how long its text is, on loading, and what was made of it, afterwards.
    "posts": {
        "occurred_at": (_time,),
        "length": (lambda _: _between(1, 100_000),),
        "sentiment": (lambda _: _between(-1, 1),),
    },
}
