"""The Ibis expressions that read history as known at a moment; one expression is compiled for every engine.

Each joins the spine (entry, customer_id, moment and the starts of the windows) with one source. A fact counts only
where it had happened and was known: that condition stands here, once, and nowhere else. Ibis takes a second to import,
so engines import this module when they first read: a process that only serves decisions never does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import ibis
import pyarrow as pa

from decisioning.features.measures import Latest, Measure, Measured, Query, Where, start
from decisioning.features.sources import TABLES, ColumnType
from offers.register import CARD_KINDS

# Summed columns as integers of their smallest unit, `<column>_units`: cents, and ten-thousandths of a ratio or score.
UNITS: Mapping[str, Mapping[str, int]] = {
    "transactions": {"amount": 100},
    "signals": {"amount": 100, "utilisation": 10_000},
    "posts": {"sentiment": 10_000, **dict.fromkeys((f"interest_{kind}" for kind in CARD_KINDS), 10_000)},
}
_DTYPES: Mapping[ColumnType, str] = {
    "int64": "int64", "float64": "float64", "bool": "boolean", "string": "string", "timestamp": "timestamp(6)"
}  # fmt: skip


@cache
def expression(query: Query) -> ibis.Table:
    """What `query` reads, over tables `spine` and the source's that an engine provides under their names."""
    return _measured(query) if isinstance(query, Measured) else _latest(query)


@cache
def columns(query: Query) -> pa.Schema:
    """What `query` answers: moments in UTC, to the microsecond."""
    fields = expression(query).schema().to_pyarrow()
    moment = pa.timestamp("us", "UTC")
    return pa.schema([(each.name, moment if pa.types.is_timestamp(each.type) else each.type) for each in fields])


@cache
def compiled(query: Query, dialect: str) -> str:
    return str(ibis.to_sql(expression(query), dialect=dialect))


def _measured(query: Measured) -> ibis.Table:
    pairs = _known(_spine(query.days), _prepared(query), query.within)
    return pairs.group_by("entry").agg(**{measure.name: _value(pairs, measure) for measure in query.measures})


def _latest(query: Latest) -> ibis.Table:
    facts = _source(query.source)
    if query.type:
        facts = facts.filter(facts.type == query.type)
    if query.told:
        facts = facts.filter(facts[query.told].notnull())
    # Found by narrow rows first: a source that speaks every day has said a lot, and only its newest is read whole.
    first, *others = query.order
    pairs = _known(_spine(query.days), facts.select("customer_id", query.key, "occurred_at", "known_at"), query.within)
    newest = pairs.group_by(["entry", "customer_id", "moment", query.key]).agg(newest=pairs[first].max())
    found = _known(newest.rename(newest_of=query.key), facts, 0)
    found = found.filter(found.newest_of == found[query.key], found.newest == found[first])
    window = ibis.window(group_by=["entry", query.key], order_by=[found[name].desc() for name in others])
    ranked = found.mutate(place=ibis.row_number().over(window))
    return ranked.filter(ranked.place == 0).select("entry", query.key, *query.order, *query.columns)


def _spine(days: Sequence[int]) -> ibis.Table:
    windows = {start(each): _DTYPES["timestamp"] for each in days}
    columns = {"entry": "int64", "customer_id": "int64", "moment": _DTYPES["timestamp"], **windows}
    return ibis.table(columns, name="spine")


def _source(name: str) -> ibis.Table:
    return ibis.table({column: _DTYPES[type_] for column, type_ in TABLES[name].items()}, name=name)


def _known(spine: ibis.Table, facts: ibis.Table, days: int) -> ibis.Table:
    """Each entry with each fact of its customer that had happened and was known at its moment."""
    facts = facts.rename(fact_of="customer_id")
    conditions = [
        spine.customer_id == facts.fact_of,
        facts.known_at <= spine.moment,
        facts.occurred_at <= spine.moment,
    ]
    if days:
        conditions.append(facts.occurred_at > spine[start(days)])
    return spine.join(facts, conditions)


def _prepared(query: Measured) -> ibis.Table:
    """The source's facts with what depends on the fact alone, computed once and not for each decision that sees it."""
    facts = _source(query.source)
    used = {measure.column for measure in query.measures}
    units = UNITS.get(query.source, {})
    integers = {
        f"{column}_units": _integer(facts[column], times)
        for column, times in units.items()
        if f"{column}_units" in used
    }
    flags = {_flag(measure.where): measure.where(facts) for measure in query.measures if measure.where}
    plain = sorted(used & set(facts.columns) - {"occurred_at", "known_at"})
    return facts.select("customer_id", "occurred_at", "known_at", *plain, **integers, **flags)


def _integer(column: Any, times: int) -> Any:
    """A number as an integer number of its smallest units, halves upwards on every engine."""
    return (column * times + 0.5).floor().cast("int64")


def _flag(where: Where) -> str:
    return f"is_{where.__name__}"


def _value(pairs: ibis.Table, measure: Measure) -> Any:
    conditions = []
    if measure.days:
        conditions.append(pairs.occurred_at > pairs[start(measure.days)])
    if measure.until:
        conditions.append(pairs.occurred_at <= pairs[start(measure.until)])
    if measure.where:
        conditions.append(pairs[_flag(measure.where)])
    where = ibis.and_(*conditions) if conditions else None
    if measure.how == "count":
        return pairs.count(where=where)
    return getattr(pairs[measure.column], measure.how)(where=where)
