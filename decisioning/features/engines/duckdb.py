"""Reads history from a folder of Parquet on one machine, within the memory that it is given."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from decisioning.features.engines import folder
from decisioning.features.measures import Query
from decisioning.features.sources import TABLES


class DuckDB:
    """An engine over `path`; what does not fit in `memory` goes to `spill`."""

    def __init__(self, path: Path, *, threads: int = 2, memory: str = "2GB") -> None:
        self._connection = duckdb.connect(config={"threads": threads, "memory_limit": memory})
        self._connection.execute(
            "SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET enable_progress_bar = false"
        )
        for source in TABLES:
            self._show(source, folder.files(path, source))

    def read(self, query: Query, spine: pa.Table) -> pa.Table:
        """The rows that `query` answers for the spine (entry, customer_id, moment)."""
        from decisioning.features import expressions

        self._cut(query.source, pc.min_max(spine["customer_id"]))
        self._connection.register("spine", folder.with_windows(spine, query.days))
        try:
            answer = self._connection.sql(expressions.compiled(query, "duckdb")).to_arrow_table()
        finally:
            self._connection.unregister("spine")
        return answer.cast(expressions.columns(query))

    def _cut(self, source: str, customers: pa.StructScalar) -> None:
        """Show the source for these customers only: the files are sorted by them, so that the rest is never read."""
        of_these = duckdb.ColumnExpression("customer_id").between(
            duckdb.ConstantExpression(customers["min"].as_py()), duckdb.ConstantExpression(customers["max"].as_py())
        )
        self._connection.table(_whole(source)).filter(of_these).create_view(source, replace=True)

    def _show(self, source: str, files: list[Path]) -> None:
        if not files:
            self._connection.register(_whole(source), folder.schema(source).empty_table())
            return
        relation = self._connection.read_parquet([str(file) for file in files])
        columns = [duckdb.ColumnExpression(name) for name in TABLES[source]]
        relation.select(*columns).create_view(_whole(source))


def _whole(source: str) -> str:
    return f"whole_{source}"
