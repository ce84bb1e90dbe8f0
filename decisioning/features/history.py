"""The value of every feature as known at a moment, from history: one computation for training, serving and checking.

Only facts that had happened and were known at the moment count. `expressions` hold that condition, an engine reads, and
everything after the reading happens here, in the same arithmetic whichever engine read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from decisioning.features import expressions, given
from decisioning.features.expressions import Query
from decisioning.features.groups import IMPLEMENTATIONS
from decisioning.features.groups.implementation import Implementation
from decisioning.features.measures import LONGEST_DAYS, Aggregate, Floats, Measure, Reported
from decisioning.features.sources import EVENTS, STORED_GROUPS, TABLES
from offers.register import ATTRIBUTES, RESOLUTION, Attribute

SPINE = pa.schema({"entry": pa.int64(), "customer_id": pa.int64(), "moment": pa.timestamp("us", "UTC")})
COMPUTED = tuple(name for name, declared in ATTRIBUTES.items() if declared.group in STORED_GROUPS)

_SIGNALLED = ("occurred_at", "known_at", "event_id")  # of two signals of one moment the last in this order is newer


class Engine(Protocol):
    """Where history is kept and read."""

    def read(self, query: Query, spine: pa.Table) -> pa.Table: ...


def spine(customers: NDArray[np.int64], moments: NDArray[np.datetime64] | np.datetime64) -> pa.Table:
    """The spine of customers (n,) at one moment or at n moments, in UTC; entries count from 0."""
    at = np.broadcast_to(np.asarray(moments, dtype="datetime64[us]"), customers.shape)
    columns = [np.arange(len(customers)), customers, at.astype(np.int64)]
    return pa.table([pa.array(column) for column in columns], SPINE.names).cast(SPINE)


def as_of(engine: Engine, spine: pa.Table) -> pa.Table:
    """Every computed attribute for each row of `spine` (entry, customer_id, moment), as known at its moment.

    One row for each row of the spine, in its order: `entry`, then by register name numbers as float64, integers as
    int64, booleans, categories as text, sets as sorted members joined with "|"; null where nothing is known. A column
    `since__<group>` says in epoch seconds since when the group is true, null where it is unknown. Numbers are rounded
    to the register's RESOLUTION.
    """
    moments = given.seconds(spine["moment"])
    # Engines answer by position, whatever the entries of the spine are.
    placed = spine.set_column(0, "entry", pa.array(np.arange(spine.num_rows)))
    facts = _Facts(moments, _measured(engine, placed, spine.num_rows), _reported(engine, placed, spine.num_rows))
    told = {group: given.resolve(group, engine.read(_given_query(group), placed), moments) for group in STORED_GROUPS}
    columns: dict[str, pa.Array] = {"entry": spine["entry"].combine_chunks()}
    for group in STORED_GROUPS:
        columns |= _group(IMPLEMENTATIONS[group], told[group], facts)
    return pa.table(columns)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What was computed from events: measures by name, and by attribute what signals last said and when."""

    moments: Floats
    measures: Mapping[str, Floats]
    reported: Mapping[str, tuple[Floats, Floats]]


def _measured(engine: Engine, spine: pa.Table, size: int) -> dict[str, Floats]:
    """Each measure's column (n,). What was never counted is NaN where the customer has no fact of its source."""
    columns: dict[str, Floats] = {}
    for source, measures in _measures().items():
        rows = engine.read(_measured_query(source), spine)
        place = rows["entry"].to_numpy()
        for measure in measures:
            column = np.full(size, np.nan)
            column[place] = _floats(rows[measure.name], 0.0 if measure.how in ("count", "sum") else np.nan)
            columns[measure.name] = column
    return columns


def _reported(engine: Engine, spine: pa.Table, size: int) -> dict[str, tuple[Floats, Floats]]:
    """What the newest signal says of an attribute, and when it did."""
    columns = {}
    for name, reported in _reports().items():
        rows = engine.read(_reported_query(reported), spine)
        place = rows["entry"].to_numpy()
        value, at = np.full(size, np.nan), np.full(size, np.nan)
        value[place], at[place] = _floats(rows[reported.field]), given.seconds(rows["occurred_at"])
        columns[name] = value, at
    return columns


def _group(implementation: Implementation, told: given.Told, facts: _Facts) -> dict[str, pa.Array]:
    """The columns of one group, and since when it is true."""
    columns: dict[str, pa.Array] = {}
    computed_any = np.zeros(len(facts.moments), dtype=np.bool_)
    ages = dict(told.at)
    for name, column in told.values.items():
        declared, how = ATTRIBUTES[name], implementation.aggregated.get(name)
        if declared.type in ("category", "set"):
            columns[name] = column
            continue
        value = _floats(column)
        if isinstance(how, Reported):
            value, ages[name] = _newer(value, ages[name], *facts.reported[name])
        elif how is not None:
            computed = _within(declared, how.value(facts.moments, *(facts.measures[each.name] for each in how.over)))
            known = ~np.isnan(computed)
            computed_any |= known
            value = np.where(known, computed, value)
            ages[name] = np.where(known, np.nan, ages[name])
        columns[name] = typed(declared, value)
    columns[f"since__{implementation.group}"] = _since(implementation, ages, computed_any, facts.moments)
    return columns


def _newer(value: Floats, at: Floats, other: Floats, other_at: Floats) -> tuple[Floats, Floats]:
    """The newer of two values and its moment; of two at the same moment the second."""
    takes = ~np.isnan(other) & (np.isnan(at) | (other_at >= at))
    return np.where(takes, other, value), np.where(takes, other_at, at)


def _since(
    implementation: Implementation, ages: Mapping[str, Floats], computed: NDArray[np.bool_], moments: Floats
) -> pa.Array:
    """As old as the oldest value that was told, so that a fresh one hides no stale one; what was computed is of now."""
    oldest = np.fmin.reduce(list(ages.values()))
    told = ~np.isnan(oldest)
    now = computed if implementation.dated_by == "computation" else computed & ~told
    since = np.where(now, moments, oldest)
    return pa.array(since, mask=np.isnan(since))


def typed(declared: Attribute, values: Floats) -> pa.Array:
    """A column as its attribute's type, numbers at the register's resolution; NaN becomes null."""
    missing = np.isnan(values)
    if declared.type == "boolean":
        return pa.array(values > 0.5, mask=missing)
    steps = round(1 / RESOLUTION[declared.unit]) if declared.unit in RESOLUTION else 1
    # A quotient of integers is the nearest float to the decimal: a value reads the same wherever it is computed.
    rounded = np.rint(np.where(missing, 0, values) * steps)
    return pa.array(rounded.astype(np.int64) if declared.type == "integer" else rounded / steps, mask=missing)


def _within(declared: Attribute, values: Floats) -> Floats:
    """A computed value inside the bounds that the register declares."""
    return values if declared.bounds is None else np.clip(values, *declared.bounds)


def _floats(column: pa.ChunkedArray | pa.Array, missing: float = np.nan) -> Floats:
    """A column of numbers, booleans or moments (epoch seconds) as float64."""
    if pa.types.is_timestamp(column.type):
        return given.seconds(column)
    floats = pc.fill_null(pc.cast(column, pa.float64()), missing)
    return np.asarray(
        floats.to_numpy() if isinstance(floats, pa.ChunkedArray) else floats.to_numpy(zero_copy_only=False)
    )


@cache
def _aggregates() -> Mapping[str, Aggregate | Reported]:
    return {name: how for each in IMPLEMENTATIONS.values() for name, how in each.aggregated.items()}


@cache
def _measures() -> Mapping[str, tuple[Measure, ...]]:
    """Every measure that a group uses, once, by its source."""
    used = {each.name: each for how in _aggregates().values() if isinstance(how, Aggregate) for each in how.over}
    return {source: found for source in EVENTS if (found := tuple(m for m in used.values() if m.source == source))}


@cache
def _reports() -> Mapping[str, Reported]:
    return {name: how for name, how in _aggregates().items() if isinstance(how, Reported)}


@cache
def _measured_query(source: str) -> Query:
    return expressions.measured(source, _measures()[source])


@cache
def _reported_query(reported: Reported) -> Query:
    return expressions.latest(
        "signals", "type", _SIGNALLED, [reported.field], days=LONGEST_DAYS,
        where=lambda signals: (signals.type == reported.type) & signals[reported.field].notnull(),
    )  # fmt: skip


@cache
def _given_query(group: str) -> Query:
    columns = [name for name in TABLES[f"given_{group}"] if name not in given.KEYS]
    return expressions.latest(f"given_{group}", "source", ("occurred_at", "known_at"), columns)
