"""Reads history from a folder of Parquet with Spark, for a bank whose history outgrows one machine."""

from __future__ import annotations

from pathlib import Path

import ibis
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from decisioning.features import expressions
from decisioning.features.engines import folder
from decisioning.features.measures import Query
from decisioning.features.sources import TABLES


class Spark:
    """An engine over `path` in this session, which is set to UTC."""

    def __init__(self, session: SparkSession, path: Path) -> None:
        self._session = session
        ibis.pyspark.connect(session)  # only then can Ibis compile for it
        session.conf.set("spark.sql.session.timeZone", "UTC")
        for source in TABLES:
            self._show(source, folder.files(path, source))

    def read(self, query: Query, spine: pa.Table) -> pa.Table:
        """The rows that `query` answers for the spine (entry, customer_id, moment)."""
        self._arrow(folder.with_windows(spine, query.days)).createOrReplaceTempView("spine")
        answer = self._session.sql(expressions.compiled(query, "pyspark")).toArrow()
        return answer.cast(expressions.columns(query))

    def _show(self, source: str, files: list[Path]) -> None:
        if files:
            frame = self._session.read.parquet(*(str(file) for file in files)).select(*TABLES[source])
        else:
            frame = self._arrow(folder.schema(source).empty_table())
        frame.createOrReplaceTempView(source)

    def _arrow(self, table: pa.Table) -> DataFrame:
        return self._session.createDataFrame(table)
