"""The made-up history that the benchmarks of the feature store share, as Parquet: the same bytes for the same size, for
Candor and for its peer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

FIRST_DAY = datetime(2025, 10, 1, tzinfo=UTC)  # fixed: the bytes are the same on every day
DAYS = 400
DECIDED_FROM_DAY = 200  # decisions fall in the second half, so that every window has its history
CATEGORIES = ("groceries", "dining", "travel", "fuel", "online", "household", "other", "income")
_SHARES = (0.28, 0.16, 0.05, 0.10, 0.20, 0.10, 0.08, 0.03)
CHUNK = 2_000  # customers of one row group; no customer's rows are in two

_DAY = 86_400 * 10**6  # microseconds
_TIME = pa.timestamp("us", tz="UTC")
TRANSACTIONS = pa.schema(
    {"customer_id": pa.int64(), "transaction_key": pa.string(), "account_key": pa.string(), "occurred_at": _TIME,
     "known_at": _TIME, "amount": pa.float64(), "category": pa.string(), "source": pa.string()}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """Customers are numbered from 1; `transactions` and `decisions` are totals over all of them."""

    customers: int
    transactions: int
    decisions: int


def write_transactions(path: Path, size: Size) -> None:
    """Write the columns of `decisioning_transaction`, by customer and then by time, unless the file is there."""
    if path.exists():
        return
    unfinished = path.with_suffix(".part")
    with pq.ParquetWriter(unfinished, TRANSACTIONS) as writer:
        for table in transactions(size):
            writer.write_table(table, row_group_size=max(1, table.num_rows))
    unfinished.rename(path)


def transactions(size: Size) -> Iterator[pa.Table]:
    """Transactions of CHUNK customers at a time. Some customers are ten times as active as others; one transaction in
    a hundred is known only days after it happened, the others after minutes."""
    counts = _per_customer(size)
    for first in range(0, size.customers, CHUNK):
        random = np.random.default_rng((1, first))
        yield _transactions(random, first + 1, counts[first : first + CHUNK], int(counts[:first].sum()))


def decisions(size: Size) -> pa.Table:
    """The spine of a training set: entry, customer_id, moment, in the order of the moments."""
    random = np.random.default_rng(2)
    moments = np.sort(random.integers(DECIDED_FROM_DAY * _DAY, DAYS * _DAY, size.decisions))
    return pa.table(
        {
            "entry": pa.array(np.arange(size.decisions)),
            "customer_id": pa.array(random.integers(1, size.customers + 1, size.decisions)),
            "moment": _times(moments),
        }
    )


def _per_customer(size: Size) -> NDArray[np.int64]:
    activity = np.cumsum(np.random.default_rng(0).gamma(2.0, size=size.customers))
    ends = np.rint(activity / activity[-1] * size.transactions).astype(np.int64)
    counts: NDArray[np.int64] = np.diff(ends, prepend=0)
    return counts


def _transactions(random: np.random.Generator, first: int, counts: NDArray[np.int64], before: int) -> pa.Table:
    customers = np.repeat(np.arange(first, first + len(counts)), counts)
    total = len(customers)
    occurred = random.integers(0, DAYS * _DAY, total)
    occurred = occurred[np.lexsort((occurred, customers))]
    delay = np.where(random.random(total) < 0.01, 3 * _DAY, _DAY // 1440) * random.exponential(size=total)
    categories = random.choice(len(CATEGORIES), total, p=_SHARES)
    amounts = np.round(random.lognormal(3.2, 1.0, total), 2)
    amounts = np.where(categories == CATEGORIES.index("income"), -100 * amounts, amounts)  # positive: money out
    names = pa.DictionaryArray.from_arrays(categories, list(CATEGORIES)).cast(pa.string())
    keys = pa.array(np.arange(before, before + total)).cast(pa.string())
    columns = [
        pa.array(customers), keys, pa.array(customers).cast(pa.string()), _times(occurred),
        _times(occurred + delay.astype(np.int64)), pa.array(amounts), names, pa.repeat("bench", total),
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, schema=TRANSACTIONS)


def _times(microseconds: NDArray[np.int64]) -> pa.Array:
    """Microseconds since the first day, as moments in UTC."""
    return pa.array(microseconds + int(FIRST_DAY.timestamp()) * 10**6).cast(_TIME)
