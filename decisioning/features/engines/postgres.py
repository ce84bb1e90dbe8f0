"""Reads history from the product's own tables, on Django's connection, so that its transaction and its role hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import LiteralString

import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, transaction
from psycopg import sql
from pyarrow import csv

from decisioning.features.measures import Query, start
from decisioning.features.sources import EVENTS, TABLES, ColumnType
from offers.register import ATTRIBUTES, GROUPS

_JSON_CASTS: Mapping[ColumnType, LiteralString] = {"float64": "::float8", "bool": "::boolean", "string": ""}
_MEMBERS = """CASE WHEN jsonb_typeof(values->{0}) = 'array' THEN coalesce((
  SELECT string_agg(member, '|' ORDER BY member COLLATE "C") FROM jsonb_array_elements_text(values->{0}) AS member
), '') END"""
# The table of a source, and what makes its rows the source's.
_TABLES: Mapping[str, tuple[str, sql.SQL]] = {
    name: (f"decisioning_{name.rstrip('s')}", sql.SQL("true")) for name in EVENTS
}
# Columns of the sources that are not columns of the tables.
_MADE: Mapping[tuple[str, str], LiteralString] = {
    ("accounts", "occurred_at"): "opened_on::timestamp AT TIME ZONE 'UTC'",
}
_OWN = frozenset({"customer_id", "event_id", "type", "source", "occurred_at", "known_at", "sentiment"})
# Chunks are read one after the other: no other query pays for this memory, and compiling to machine code does not pay.
_SETTINGS = "SET LOCAL work_mem = '128MB'; SET LOCAL jit = off"


class Postgres:
    """The default engine."""

    def read(self, query: Query, spine: pa.Table) -> pa.Table:
        """The rows that `query` answers for the spine (entry, customer_id, moment)."""
        from decisioning.features import expressions

        statement = _statement(query, spine, expressions.compiled(query, "postgres"))
        return fetch(statement, expressions.columns(query))


def fetch(statement: sql.Composable, columns: pa.Schema) -> pa.Table:
    """The rows of a SELECT with these columns. COPY and Arrow's reader: a tenth of the time of Python's own rows."""
    sink = pa.BufferOutputStream()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SETTINGS)
        with cursor.copy(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(statement)) as copy:
            for block in copy:
                sink.write(block)
    return _table(sink.getvalue(), columns)


def source(name: str) -> sql.Composable:
    """A source of history as the product's own tables hold it."""
    group = name.removeprefix("given_")
    columns = [
        sql.SQL("{} AS {}").format(_column(name, column, type_), sql.Identifier(column))
        for column, type_ in TABLES[name].items()
    ]
    table, made = _TABLES[name] if group == name else ("decisioning_featurerow", _told(group))
    return sql.SQL("SELECT {} FROM {} WHERE {}").format(sql.SQL(", ").join(columns), sql.Identifier(table), made)


def _told(group: str) -> sql.Composed:
    """What was told of the group under another version meant something else."""
    return sql.SQL('"group" = {} AND version = {}').format(group, GROUPS[group].version)


def _column(source: str, name: str, type_: ColumnType) -> sql.Composable:
    """A column of a source: one of the table, or a member of its JSON."""
    if (source, name) in _MADE:
        return sql.SQL(_MADE[source, name])
    if name in _OWN or source in ("transactions", "accounts"):
        return sql.Identifier(name)
    if source == "posts":
        return sql.SQL("(interests->>{})::float8").format(name.removeprefix("interest_"))
    if source == "signals":
        return sql.SQL("(payload->>{})" + _JSON_CASTS[type_]).format(name)
    if ATTRIBUTES[name].type == "set":
        return sql.SQL(_MEMBERS).format(name)
    return sql.SQL("(values->>{})" + _JSON_CASTS[type_]).format(name)


def _statement(query: Query, spine: pa.Table, compiled: str) -> sql.Composable:
    """The query over the spine and over its source, cut to the customers and the time that the spine spans."""
    first, last = (bound.as_py() for bound in pc.min_max(spine["moment"]).values())
    customers = pc.min_max(spine["customer_id"])
    cut = sql.SQL("customer_id BETWEEN {} AND {} AND occurred_at <= {} AND known_at <= {}").format(
        customers["min"].as_py(), customers["max"].as_py(), last, last
    )
    if query.days:
        oldest = first - timedelta(days=max(query.days))
        cut = sql.SQL("{} AND occurred_at > {}").format(cut, oldest)
    windows = [
        sql.SQL(", moment - {} AS {}").format(timedelta(days=days), sql.Identifier(start(days))) for days in query.days
    ]
    return sql.SQL(
        "WITH spine AS (SELECT *{} FROM {}), {} AS (SELECT * FROM ({}) AS whole WHERE {}) {}"
    ).format(
        sql.SQL("").join(windows), _rows(spine, one_moment=first == last), sql.Identifier(query.source),
        source(query.source), cut, sql.SQL(compiled),
    )  # fmt: skip


def _rows(spine: pa.Table, *, one_moment: bool) -> sql.Composable:
    """The spine as a relation, from arrays, so that the planner knows how many rows there are."""
    if one_moment:
        return sql.SQL(
            "(SELECT entry, customer_id, {}::timestamptz AS moment "
            "FROM unnest({}::bigint[], {}::bigint[]) AS line (entry, customer_id)) AS lines"
        ).format(spine["moment"][0].as_py(), _array(spine["entry"]), _array(spine["customer_id"]))
    moments = pc.strftime(spine["moment"], "%Y-%m-%dT%H:%M:%SZ")
    return sql.SQL("unnest({}::bigint[], {}::bigint[], {}::timestamptz[]) AS line (entry, customer_id, moment)").format(
        _array(spine["entry"]), _array(spine["customer_id"]), _array(moments)
    )


def _array(column: pa.ChunkedArray) -> str:
    """An array literal; psycopg's own conversion of a list takes ten times as long."""
    return "{" + ",".join(map(str, column.to_pylist())) + "}"


def _table(content: pa.Buffer, columns: pa.Schema) -> pa.Table:
    """What COPY wrote; an empty field is null and a quoted one empty text."""
    if not content.size:
        return columns.empty_table()
    return csv.read_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(column_names=columns.names),
        convert_options=csv.ConvertOptions(
            column_types=columns, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
            true_values=["t"], false_values=["f"],
        ),
    )  # fmt: skip
