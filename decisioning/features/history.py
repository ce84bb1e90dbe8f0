"""The value of every feature as known at a moment, from history: one computation for training, serving and checking.

Only facts that had happened and were known at the moment count. `expressions` hold that condition, an engine reads, and
everything after the reading happens here, in the same arithmetic whichever engine read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from decisioning.features import given
from decisioning.features.aggregates import RAW
from decisioning.features.derived import derived
from decisioning.features.derived.unusual import Forests
from decisioning.features.groups import IMPLEMENTATIONS
from decisioning.features.measures import (
    LONGEST_DAYS,
    Aggregate,
    Floats,
    Latest,
    Measured,
    Members,
    Query,
    Reported,
)
from decisioning.features.sources import EVENTS, STORED_GROUPS
from offers.register import ATTRIBUTES, RESOLUTION, Attribute, attributes

SPINE = pa.schema({"entry": pa.int64(), "customer_id": pa.int64(), "moment": pa.timestamp("us", "UTC")})

PIECE = 200_000  # rows of a spine that are worked on at once: some 500 MB

_SIGNALLED = ("occurred_at", "event_id")  # of two signals of one moment the last in this order is newer


class Engine(Protocol):
    """Where history is kept and read."""

    def read(self, query: Query, spine: pa.Table) -> pa.Table:
        """What `query` answers for the spine, in any order of rows."""


def spine(customers: NDArray[np.int64], moments: NDArray[np.datetime64] | np.datetime64) -> pa.Table:
    """The spine of customers (n,) at one moment or at n moments, in UTC; entries count from 0."""
    at = np.broadcast_to(np.asarray(moments, dtype="datetime64[us]"), customers.shape)
    columns = [np.arange(len(customers)), customers, at.astype(np.int64)]
    return pa.table([pa.array(column) for column in columns], SPINE.names).cast(SPINE)


def as_of(engine: Engine, spine: pa.Table, *, forests: Forests | None = None) -> pa.Table:
    """Every attribute that belongs to a customer, for each row of `spine` (entry, customer_id, moment), as known then.

    One row for each row of the spine, in its order: `entry`, then by register name numbers as float64, integers as
    int64, booleans, categories as text, sets as sorted members joined with "|"; null where nothing is known. A column
    `since__<group>` says in epoch seconds since when the group is true, null where nothing of it is known. Numbers are
    rounded to the register's RESOLUTION. `forests` tell unusual activity.
    """
    if spine.num_rows <= PIECE:
        return _piece(engine, spine, forests)
    order = np.argsort(spine["customer_id"].to_numpy(), kind="stable")
    pieces = [
        _piece(engine, spine.take(pa.array(order[start : start + PIECE])), forests)
        for start in range(0, len(order), PIECE)
    ]
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return pa.concat_tables(pieces).take(pa.array(place))


def _piece(engine: Engine, spine: pa.Table, forests: Forests | None) -> pa.Table:
    """`as_of` of so many rows as fit into memory, best of customers that stand together in history."""
    if not spine.num_rows:
        return COLUMNS.empty_table()
    # Engines answer by position, whatever the entries of the spine are.
    placed = spine.set_column(0, "entry", pa.array(np.arange(spine.num_rows)))
    values = _Values(given.seconds(spine["moment"]))
    for group in STORED_GROUPS:
        values.tell(given.resolve(group, engine.read(_statements(group), placed), values.moments))
    values.aggregate(_measured(engine, placed))
    for name, how in _followed().items():
        values.follow(name, how, engine.read(_newest(how), placed))
    values.derive(forests)
    columns = {"entry": spine["entry"].combine_chunks(), **values.columns()}
    return pa.Table.from_arrays([columns[name] for name in COLUMNS.names], schema=COLUMNS)


def groups(row: Mapping[str, Any]) -> dict[str, tuple[float, dict[str, Any]]]:
    """A row of `as_of` as a decision holds what it knows: group to since when it is true (epoch seconds) and the values
    that are known; members of a set in a list."""
    known: dict[str, tuple[float, dict[str, Any]]] = {}
    for group in STORED_GROUPS:
        since = row[since_column(group)]
        if since is not None:
            told = ((each, row[each.name]) for each in attributes(group=group))
            known[group] = since, {each.name: _held(each, value) for each, value in told if value is not None}
    return known


def _held(declared: Attribute, value: Any) -> Any:
    if declared.type != "set":
        return value
    return value.split("|") if value else []


class _Values:
    """The columns as they come to be: what sources tell first, over it what history says.

    `numbers` and `texts` hold attributes, `numbers` also what only derived ones read; `ages` tell since when each is
    true. Missing is NaN or null. A number stands at the register's resolution from the start, so that what is derived
    from it is the same as from the value served.
    """

    def __init__(self, moments: Floats) -> None:
        self.moments = moments
        self.numbers: dict[str, Floats] = {"moment": moments}
        self.texts: dict[str, pa.Array] = {}
        self.ages: dict[str, Floats] = {"moment": moments}

    def tell(self, told: given.Told) -> None:
        """What sources say of one group."""
        for name, column in told.values.items():
            declared = ATTRIBUTES[name]
            if declared.type in ("category", "set"):
                self.texts[name] = column
            else:
                self.numbers[name] = _rounded(declared, _floats(column))
        self.ages |= told.at

    def aggregate(self, measures: Mapping[str, Floats]) -> None:
        """What events of a window add up to; where the customer has none, what was told stays."""
        for name, how in _aggregates().items():
            computed = how.value(self.moments, *(measures[each.name] for each in how.over))
            if name in ATTRIBUTES:
                self._lay(name, computed, self.moments)
            else:
                self.numbers[name] = computed
                self.ages[name] = np.where(np.isnan(computed), np.nan, self.moments)

    def follow(self, name: str, how: Reported | Members, rows: pa.Table) -> None:
        """What the newest signals say, where it is not older than what was told."""
        if isinstance(how, Members):
            members = given.members(rows, how.key, how.value, len(self.moments))
            self.texts[name] = pc.coalesce(members, self.texts[name])
            self.ages[name] = np.where(members.is_null(), self.ages[name], self.moments)
            return
        value, at = np.full_like(self.moments, np.nan), np.full_like(self.moments, np.nan)
        place = rows["entry"].to_numpy()
        value[place], at[place] = _floats(rows[how.field]), given.seconds(rows["occurred_at"])
        self._lay(name, np.where(at < self.ages[name], np.nan, value), at)

    def derive(self, forests: Forests | None) -> None:
        """What follows from other attributes: as old as the oldest of them."""
        for name, how in derived(forests).items():
            computed = how.compute(self.numbers)
            age = np.fmin.reduce([self.ages[each] for each in how.inputs])
            if name in self.texts:
                column = pa.array(computed, pa.string())
                self.texts[name] = pc.coalesce(column, self.texts[name])
                self.ages[name] = np.where(column.is_null(), self.ages[name], age)
            else:
                self._lay(name, np.asarray(computed, dtype=np.float64), age)

    def columns(self) -> dict[str, pa.Array]:
        """Every column of COLUMNS but the entry."""
        found = {name: self.texts[name] if name in self.texts else self._typed(name) for name in _STORED}
        for group in STORED_GROUPS:
            # As old as the oldest value, so that one fresh value hides no stale one.
            since = np.fmin.reduce([self.ages[each.name] for each in attributes(group=group)])
            found[since_column(group)] = pa.array(since, mask=np.isnan(since))
        return found

    def _lay(self, name: str, computed: Floats, at: Floats) -> None:
        """Computed values over what was told."""
        declared, known = ATTRIBUTES[name], ~np.isnan(computed)
        within = computed if declared.bounds is None else np.clip(computed, *declared.bounds)
        self.numbers[name] = np.where(known, _rounded(declared, within), self.numbers[name])
        self.ages[name] = np.where(known, at, self.ages[name])

    def _typed(self, name: str) -> pa.Array:
        values = self.numbers[name]
        missing, type_ = np.isnan(values), COLUMNS.field(name).type
        return pa.array(
            values if pa.types.is_floating(type_) else np.nan_to_num(values).astype(type_.to_pandas_dtype()),
            type_,
            mask=missing,
        )


def since_column(group: str) -> str:
    return f"since__{group}"


_STORED = tuple(name for name, declared in ATTRIBUTES.items() if declared.group in STORED_GROUPS)
_ARROW = {
    "number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(), "category": pa.string(), "set": pa.string()
}  # fmt: skip
COLUMNS = pa.schema(
    [
        ("entry", pa.int64()),
        *((name, _ARROW[ATTRIBUTES[name].type]) for name in _STORED),
        *((since_column(group), pa.float64()) for group in STORED_GROUPS),
    ]
)


def _measured(engine: Engine, spine: pa.Table) -> dict[str, Floats]:
    """Each measure's column (n,). What was never counted is NaN where the customer has no fact of its source."""
    columns: dict[str, Floats] = {}
    for query in _sums():
        rows = engine.read(query, spine)
        place = rows["entry"].to_numpy()
        for measure in query.measures:
            column = np.full(spine.num_rows, np.nan)
            column[place] = _floats(rows[measure.name], 0.0 if measure.how in ("count", "sum") else np.nan)
            columns[measure.name] = column
    return columns


def _rounded(declared: Attribute, values: Floats) -> Floats:
    """Numbers at the register's resolution; a boolean as it is."""
    if declared.type == "boolean":
        return values
    steps = round(1 / RESOLUTION[declared.unit]) if declared.unit in RESOLUTION else 1
    # A quotient of integers is the float nearest to the decimal: a value reads the same wherever it was computed.
    rounded: Floats = np.rint(values * steps) / steps
    return rounded


def _floats(column: pa.ChunkedArray | pa.Array, missing: float = np.nan) -> Floats:
    """A column of numbers, booleans or moments (epoch seconds) as float64."""
    if pa.types.is_timestamp(column.type):
        return given.seconds(column)
    return np.asarray(pc.fill_null(pc.cast(column, pa.float64()), missing).to_numpy(zero_copy_only=False))


@cache
def _aggregates() -> Mapping[str, Aggregate]:
    """Everything that is computed from measures: attributes by their names, and what derived ones need beside them."""
    declared = [each.aggregated for each in IMPLEMENTATIONS.values()]
    found = {name: how for each in declared for name, how in each.items() if isinstance(how, Aggregate)}
    return {**found, **RAW}


@cache
def _followed() -> Mapping[str, Reported | Members]:
    declared = [each.aggregated for each in IMPLEMENTATIONS.values()]
    return {name: how for each in declared for name, how in each.items() if not isinstance(how, Aggregate)}


@cache
def _sums() -> tuple[Measured, ...]:
    """One read of each source, for every measure that anything uses."""
    used = {each.name: each for how in _aggregates().values() for each in how.over}
    return tuple(
        Measured(source, of) for source in EVENTS if (of := tuple(m for m in used.values() if m.source == source))
    )


def _newest(how: Reported | Members) -> Latest:
    if isinstance(how, Members):
        return Latest("signals", how.key, _SIGNALLED, (how.value,), how.type, how.value, LONGEST_DAYS)
    return Latest("signals", "type", _SIGNALLED, (how.field,), how.type, how.field, LONGEST_DAYS)


def _statements(group: str) -> Latest:
    return Latest(
        f"given_{group}", "source", ("occurred_at", "known_at"), tuple(each.name for each in attributes(group=group))
    )
