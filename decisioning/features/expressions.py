"""The Ibis expressions that read history as known at a moment, one for each source; the same on every engine.

Each joins the spine (entry, customer_id, moment and the starts of the windows) with one source. A fact counts only
where it had happened and was known: that condition stands here, once, and nowhere else. Ibis is imported where the
first expression is built, because a process that only serves decisions never builds one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import pyarrow as pa

from decisioning.features.measures import LONGEST_DAYS, Measure, Where
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
_TIMES = frozenset({"occurred_at", "known_at"})


@dataclass(frozen=True, slots=True)
class Query:
    """One read of `source` for a spine that has the starts of the windows `days`; `columns` are what it answers."""

    source: str
    days: tuple[int, ...]
    expression: ibis.Table

    @property
    def columns(self) -> pa.Schema:
        """What it answers: moments in UTC, to the microsecond."""
        fields = self.expression.schema().to_pyarrow()
        moment = pa.timestamp("us", "UTC")
        return pa.schema([(each.name, moment if pa.types.is_timestamp(each.type) else each.type) for each in fields])


def start(days: int) -> str:
    """The spine's column with the start of a window: facts at or before it are outside."""
    return f"from_{days}"


def measured(source: str, measures: Sequence[Measure]) -> Query:
    """A row for each entry with any fact of `source` in the longest window: entry, and a column for each measure."""
    windows = {days for measure in measures for days in (measure.days, measure.until) if days} | {LONGEST_DAYS}
    days = tuple(sorted(windows))
    pairs = _known(_spine(days), _prepared(source, measures), LONGEST_DAYS)
    values = {measure.name: _value(pairs, measure) for measure in measures}
    return Query(source, days, pairs.group_by("entry").agg(**values))


def latest(
    source: str, key: str, order: Sequence[str], columns: Sequence[str], *, where: Where | None = None,
    days: int | None = None,
) -> Query:  # fmt: skip
    """The newest fact for each entry and `key`, by `order`, the later the better: entry, key, order and columns."""
    facts = _source(source)
    pairs = _known(_spine((days,) if days else ()), facts.filter(where(facts)) if where else facts, days)
    window = ibis.window(group_by=["entry", key], order_by=[pairs[name].desc() for name in order])
    ranked = pairs.mutate(place=ibis.row_number().over(window))
    return Query(
        source, (days,) if days else (), ranked.filter(ranked.place == 0).select("entry", key, *order, *columns)
    )


def _spine(days: Sequence[int]) -> ibis.Table:
    windows = {start(each): _DTYPES["timestamp"] for each in days}
    columns = {"entry": "int64", "customer_id": "int64", "moment": _DTYPES["timestamp"], **windows}
    return ibis.table(columns, name="spine")


def _source(name: str) -> ibis.Table:
    return ibis.table({column: _DTYPES[type_] for column, type_ in TABLES[name].items()}, name=name)


def _known(spine: ibis.Table, facts: ibis.Table, days: int | None) -> ibis.Table:
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


def _prepared(source: str, measures: Sequence[Measure]) -> ibis.Table:
    """The source's facts with what depends on the fact alone, computed once and not for each decision that sees it."""
    facts = _source(source)
    integers = {f"{column}_units": _integer(facts[column], times) for column, times in UNITS.get(source, {}).items()}
    flags = {_flag(measure.where): measure.where(facts) for measure in measures if measure.where}
    used = {measure.column for measure in measures} & set(facts.columns)
    return facts.select("customer_id", "occurred_at", "known_at", *sorted(used - _TIMES), **integers, **flags)


def _integer(column: Any, times: int) -> Any:
    """A number as an integer number of its smallest units, halves upwards on every engine."""
    return (column * times + 0.5).floor().cast("int64")


def _flag(where: Where) -> str:
    return f"is_{where.__name__}"


def _value(pairs: ibis.Table, measure: Measure) -> Any:
    conditions = []
    if measure.days != LONGEST_DAYS:
        conditions.append(pairs.occurred_at > pairs[start(measure.days)])
    if measure.until:
        conditions.append(pairs.occurred_at <= pairs[start(measure.until)])
    if measure.where:
        conditions.append(pairs[_flag(measure.where)])
    where = ibis.and_(*conditions) if conditions else None
    if measure.how == "count":
        return pairs.count(where=where)
    return getattr(pairs[measure.column], measure.how)(where=where)
