"""Writes history from Postgres to a folder of Parquet, from which DuckDB or Spark computes the same features."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
from django.db import connection
from psycopg import sql

from decisioning.features.engines import folder, postgres
from decisioning.features.sources import TABLES

CUSTOMERS = 20_000  # of one file: with a hundred transactions each some 100 MB while it is read
_ROW_GROUP = 200_000  # rows; sorted by customer, so that a reader skips the groups of others


def export_parquet(path: Path, now: datetime) -> dict[str, int]:
    """Write everything known by `now`, one folder a source and one file for each range of customers; returns the rows
    of each source. A file that is there already is written anew, so that an export may be repeated. The folder says up
    to which moment it reaches only once it is whole."""
    rows = dict.fromkeys(TABLES, 0)
    folder.moment_file(path).unlink(missing_ok=True)
    for first in _ranges():
        for source in TABLES:
            rows[source] += _write(path / source, source, first, now)
    path.mkdir(parents=True, exist_ok=True)
    folder.moment_file(path).write_text(now.isoformat())
    return rows


def _ranges() -> Iterator[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id), max(id) FROM decisioning_customer")
        lowest, highest = cursor.fetchone()
    if lowest is not None:
        yield from range(lowest - lowest % CUSTOMERS, highest + 1, CUSTOMERS)


def _write(path: Path, source: str, first: int, now: datetime) -> int:
    statement = sql.SQL(
        "SELECT * FROM ({}) AS whole WHERE customer_id >= {} AND customer_id < {} AND known_at <= {} "
        "ORDER BY customer_id, occurred_at"
    ).format(postgres.source(source), first, first + CUSTOMERS, now)
    table = postgres.fetch(statement, folder.schema(source))
    path.mkdir(parents=True, exist_ok=True)
    unfinished = path / f"{first:012d}.part"
    pq.write_table(table, unfinished, row_group_size=_ROW_GROUP, compression="zstd")
    unfinished.rename(path / f"{first:012d}.parquet")
    return int(table.num_rows)
