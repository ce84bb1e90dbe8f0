"""Reads history from a folder of Parquet on one machine, within the memory that it is given."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from decisioning.features.engines import folder
from decisioning.features.measures import Query
from decisioning.features.sources import TABLES


class DuckDB:
    """An engine over `path`; what does not fit in `memory` goes to `spill`."""

    def __init__(self, path: Path, *, threads: int = 2, memory: str = "2GB") -> None:
        self._connection = duckdb.connect(config={"threads": threads, "memory_limit": memory})
        self._connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        for source in TABLES:
            self._show(source, folder.files(path, source))

    def read(self, query: Query, spine: pa.Table) -> pa.Table:
        """The rows that `query` answers for the spine (entry, customer_id, moment)."""
        from decisioning.features import expressions

        self._connection.register("spine", folder.with_windows(spine, query.days))
        try:
            answer = self._connection.sql(expressions.compiled(query, "duckdb")).to_arrow_table()
        finally:
            self._connection.unregister("spine")
        return answer.cast(expressions.columns(query))

    def _show(self, source: str, files: list[Path]) -> None:
        if not files:
            self._connection.register(source, folder.schema(source).empty_table())
            return
        relation = self._connection.read_parquet([str(file) for file in files])
        relation.select(*(duckdb.ColumnExpression(name) for name in TABLES[source])).create_view(source)
