"""A training set of a million decisions as known at each, from twenty million transactions in Parquet, on two threads.

The bank has 200,000 customers, whose sources tell of credit and accounts every month. Making that history is not
counted; the files stay under var/. The floor is what DuckDB needs to bring each decision together with the transactions
known before it, and to count and add them. bench_feast gives the same history to Feast.

Run: python -m tests.benchmarks.bench_history --customers 200000 --transactions 20000000 --decisions 1000000
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from decisioning.features.engines import folder as folder_of
from offers.register import Attribute, attributes
from tests.benchmarks import history_data
from tests.benchmarks.history_data import Size

FOLDER = Path(__file__).resolve().parents[2] / "var" / "bench-history"
THREADS = 2
FEWEST_COLUMNS = 40  # of features that are known of anybody
_MONTH = 30 * 86_400 * 10**6  # microseconds

_FLOOR = """
SELECT count(*), sum(amount) FROM spine JOIN read_parquet('{}') AS fact USING (customer_id)
WHERE fact.known_at <= moment AND fact.occurred_at <= moment AND fact.occurred_at > moment - INTERVAL 365 DAY
"""


@dataclass(frozen=True, slots=True)
class Result:
    """`memory` is the process's resident memory at its highest, in bytes; `columns` those that are ever known. On a
    busy machine `processor` says more than the seconds: what all threads together computed."""

    seconds: float
    processor: float
    memory: int
    rows: int
    columns: int


def prepare(folder: Path, size: Size) -> None:
    """Write the history and the spine of this size, unless they are there."""
    (folder / "transactions").mkdir(parents=True, exist_ok=True)
    history_data.write_transactions(folder / "transactions" / "part.parquet", size)
    for group in ("credit_risk", "account_state", "lifecycle"):
        path = folder / f"given_{group}" / "part.parquet"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            _write_statements(path, group, size)
    pq.write_table(history_data.decisions(size), folder / "spine.parquet")


def train(folder: Path) -> tuple[int, int]:
    """The training set: its rows and the columns that are known of anybody."""
    from decisioning.features import history
    from decisioning.features.engines.duckdb import DuckDB

    table = history.as_of(DuckDB(folder, threads=THREADS), pq.read_table(folder / "spine.parquet"))
    features = [name for name in table.column_names[1:] if not name.startswith("since__")]
    return table.num_rows, sum(table[name].null_count < table.num_rows for name in features)


def floor(folder: Path) -> tuple[int, int]:
    """Every decision with every transaction known before it: how many pairs."""
    with duckdb.connect(config={"threads": THREADS}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.register("spine", pq.read_table(folder / "spine.parquet"))
        (found,) = connection.sql(_FLOOR.format(folder / "transactions" / "part.parquet")).fetchall()
    return found[0], 1


def measured(work: Callable[[Path], tuple[int, int]], folder: Path) -> Result:
    """Do it in a process of its own, which starts from nothing."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_timed, (work, folder))


def _timed(work: Callable[[Path], tuple[int, int]], folder: Path) -> Result:
    begun, before = time.perf_counter(), time.process_time()
    rows, columns = work(folder)
    seconds, processor = time.perf_counter() - begun, time.process_time() - before
    return Result(seconds, processor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, rows, columns)


def _write_statements(path: Path, group: str, size: Size) -> None:
    """A statement a month of every customer, by customer and then by time."""
    schema, unfinished = folder_of.schema(f"given_{group}"), path.with_suffix(".part")
    with pq.ParquetWriter(unfinished, schema) as writer:
        for first in range(1, size.customers + 1, history_data.CHUNK):
            customers = np.arange(first, min(first + history_data.CHUNK, size.customers + 1))
            writer.write_table(_statements(customers, group, schema))
    unfinished.rename(path)


def _statements(customers: NDArray[np.int64], group: str, schema: pa.Schema) -> pa.Table:
    months = history_data.DAYS // 30
    random = np.random.default_rng((4, int(customers[0])))
    owners = np.repeat(customers, months)
    day = np.tile(np.arange(months), len(customers)) * _MONTH + random.integers(0, _MONTH, len(owners))
    told = pa.array(day + int(history_data.FIRST_DAY.timestamp()) * 10**6).cast(schema.field("known_at").type)
    columns = {"customer_id": pa.array(owners), "source": pa.repeat("core_banking", len(owners)), "occurred_at": told,
               "known_at": told}  # fmt: skip
    columns |= {each.name: _values(random, each, len(owners)) for each in attributes(group=group)}
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _values(random: np.random.Generator, declared: Attribute, rows: int) -> pa.Array:
    """Values that the register allows, one in twenty unknown."""
    unknown = random.random(rows) < 0.05
    if declared.type == "boolean":
        return pa.array(random.random(rows) < 0.5, mask=unknown)
    if declared.bounds:
        return pa.array(np.round(random.uniform(*declared.bounds, rows), 4), mask=unknown)
    words = declared.choices or ("alpha", "bravo", "charlie|delta")
    codes = pa.array(random.integers(0, len(words), rows), pa.int32(), mask=unknown)
    return pa.DictionaryArray.from_arrays(codes, list(words)).cast(pa.string())


def report(name: str, result: Result, size: Size) -> None:
    print(
        f"{name:<34} {result.seconds:7.1f} s ({result.processor:.1f} s of processor) {result.memory / 1e9:6.2f} GB "
        f"{size.decisions / result.seconds:12,.0f} decisions a second"
    )


def main(size: Size) -> None:
    print(f"{size.decisions:,} decisions, {size.transactions:,} transactions, {size.customers:,} customers")
    folder = FOLDER / f"{size.customers}-{size.transactions}-{size.decisions}"
    prepare(folder, size)
    least, found = measured(floor, folder), measured(train, folder)
    report(f"floor: {least.rows:,} pairs", least, size)
    report(f"training set: {found.columns} features", found, size)
    print(f"the training set takes {found.seconds / least.seconds:.1f} times the floor")
    if found.rows != size.decisions or found.columns < FEWEST_COLUMNS:
        raise SystemExit(f"{found.rows} rows of {found.columns} features are not what was asked for")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--transactions", type=int, default=20_000_000)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    asked = parser.parse_args()
    main(Size(asked.customers, asked.transactions, asked.decisions))
