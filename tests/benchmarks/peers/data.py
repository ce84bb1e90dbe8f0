"""What the peer is given: the register's attributes as a table of profiles, and the shared history as feature rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from offers.register import ATTRIBUTES, RESOLUTION, Attribute
from tests.benchmarks.history_data import CATEGORIES, DAYS, FIRST_DAY

CHUNK = 10_000  # customers of one row group
MISSING = 0.05  # share of values that nobody knows
WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")  # of open vocabularies and of sets
_TYPES = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(), "category": pa.string(),
          "set": pa.list_(pa.string())}  # fmt: skip
_DAY = 86_400 * 10**6  # microseconds
_TIME = pa.timestamp("us", tz="UTC")
_END = int(FIRST_DAY.timestamp()) * 10**6 + DAYS * _DAY

# Forty features of a transaction: how often and how much, by category, over each of these windows, which are those that
# the register's own attributes of transactions look back.
WINDOW_DAYS = (7, 30, 90, 180)
COUNTED = CATEGORIES[:5]
FEATURES = 2 * len(COUNTED) * len(WINDOW_DAYS)


def write_profiles(path: Path, customers: int) -> None:
    """Write one row a customer, numbered from 1: every attribute of the register in its type, its group in the field's
    metadata, all as known at the end of the history."""
    fields = [
        pa.field(name, _TYPES[declared.type], metadata={"group": declared.group})
        for name, declared in ATTRIBUTES.items()
    ]
    schema = pa.schema([pa.field("customer_id", pa.int64()), pa.field("event_timestamp", _TIME), *fields])
    starts = range(1, customers + 1, CHUNK)
    _write(path, schema, (_profiles(first, min(CHUNK, customers + 1 - first), schema) for first in starts))


def _profiles(first: int, rows: int, schema: pa.Schema) -> pa.Table:
    random = np.random.default_rng((3, first))
    columns = [pa.array(np.arange(first, first + rows)), pa.array(np.full(rows, _END)).cast(_TIME)]
    for name, declared in ATTRIBUTES.items():
        values = _values(random, declared, rows)
        columns.append(pa.array(values, type=schema.field(name).type, mask=random.random(rows) < MISSING))
    return pa.Table.from_arrays(columns, schema=schema)


def _values(random: np.random.Generator, declared: Attribute, rows: int) -> NDArray[np.generic]:
    words = np.array(declared.choices or WORDS, dtype=object)
    if declared.type == "category":
        return random.choice(words, rows)
    if declared.type == "set":
        sets = np.empty(rows, dtype=object)
        sets[:] = [list(words[:size]) for size in random.integers(0, 4, rows)]
        return sets
    if declared.type == "boolean":
        return random.random(rows) < 0.2
    # Small integers and thousands at most: what a bank's look like, and cheap for a peer of variable width.
    low, high = declared.bounds or (0.0, 1.0)
    low, width = max(low, -1_000.0), 60.0 if declared.type == "integer" else 10_000.0
    steps = np.rint((low + (min(high, low + width) - low) * random.random(rows)) / RESOLUTION[declared.unit])
    return steps.astype(np.int64) if declared.type == "integer" else np.round(steps * RESOLUTION[declared.unit], 4)


def write_feature_rows(path: Path, transactions: Path) -> None:
    """Write one row a transaction: customer_id, event_timestamp (when it was known) and 40 features of the windows that
    end there."""
    names = [f"{what}_{category}_{days}d" for category in COUNTED for days in WINDOW_DAYS for what in ("count", "sum")]
    types = [pa.int32() if name.startswith("count") else pa.float64() for name in names]
    fields = [pa.field(name, type_, metadata={"group": "spend"}) for name, type_ in zip(names, types, strict=True)]
    schema = pa.schema([pa.field("customer_id", pa.int64()), pa.field("event_timestamp", _TIME), *fields])
    with pq.ParquetFile(transactions) as file:
        groups = range(file.num_row_groups)
        _write(path, schema, (_feature_rows(file.read_row_group(group), schema) for group in groups))


def _feature_rows(transactions: pa.Table, schema: pa.Schema) -> pa.Table:
    """Sums over windows are differences of running sums: the rows of a customer stand together, by rising time."""
    table = transactions.sort_by([("customer_id", "ascending"), ("known_at", "ascending")])
    customers = table["customer_id"].to_numpy()
    known = table["known_at"].cast(pa.int64()).to_numpy()
    # One rising key over all customers, so that one search finds where each window begins.
    far = (customers - customers.min()) * (2 * (DAYS + 200) * _DAY)
    starts = [np.searchsorted(far + known, far + known - days * _DAY, side="right") for days in WINDOW_DAYS]
    spent, categories = table["amount"].to_numpy(), np.asarray(table["category"])
    columns = [table["customer_id"], table["known_at"]]
    ends = np.arange(1, len(customers) + 1)
    for category in COUNTED:
        here = categories == category
        running = [np.concatenate([[0], np.cumsum(values)]) for values in (here, np.where(here, spent, 0.0))]
        for start in starts:
            count, total = (totals[ends] - totals[start] for totals in running)
            columns += [pa.array(count.astype(np.int32)), pa.array(np.round(total, 2))]
    return pa.Table.from_arrays(columns, schema=schema)


def _write(path: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> None:
    unfinished = path.with_suffix(".part")
    with pq.ParquetWriter(unfinished, schema) as writer:
        for table in tables:
            writer.write_table(table)
    unfinished.rename(path)
