"""Nightly: holds what stands in the tables against the same schemas as the loads, source by source."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson
import pyarrow as pa
from django.db import connection
from pyarrow import csv

from decisioning import jobs
from decisioning.models import Customer, Job
from decisioning.quality import results
from decisioning.quality.counting import Count
from decisioning.quality.expectations import KNOWN, UNIQUE, Expectation, Finding, missing
from offers.register import ATTRIBUTES, GROUPS

if TYPE_CHECKING:
    import pandas as pd

    from decisioning.quality.schemas import Schema

JOB: Final = "quality"
CHUNK: Final = 5_000  # customers by their surrogate keys
MAY_BE_STALE: Final = 0.05
"""The share of a source's customers that may be past a group's freshness: those who left stay in the tables."""

# Of each source the newest statement, which is the one that counts.
_STATEMENTS = """
SELECT DISTINCT ON (customer_id, "group", source) source, "group", customer_id, occurred_at, values
FROM decisioning_featurerow WHERE customer_id BETWEEN %s AND %s
ORDER BY customer_id, "group", source, occurred_at DESC, known_at DESC
"""
# What a schema looks at, by kind of record; a source's own accounts are those of the customers that it brought.
_RECORDS = {
    "accounts": "SELECT c.source, a.customer_id, a.product, a.opened_on, a.credit_limit, a.balance "
    "FROM decisioning_account a JOIN decisioning_customer c ON c.id = a.customer_id "
    "WHERE a.customer_id BETWEEN %s AND %s",
    "transactions": "SELECT source, customer_id, occurred_at, amount, category FROM decisioning_transaction "
    "WHERE customer_id BETWEEN %s AND %s",
    "decisions": "SELECT source, customer_id, action_probability AS probability, channel, reward, occurred_at "
    "FROM decisioning_loggeddecision WHERE customer_id BETWEEN %s AND %s",
    "posts": "SELECT source, customer_id, occurred_at, sentiment FROM decisioning_post "
    "WHERE customer_id BETWEEN %s AND %s",
}
# Expectations over more than one row: how many were held, and whose rows break it. Posts are read at the level that the
# register declares for text_interest, which is "advanced".
_TOGETHER = {
    Expectation("transactions", "key", UNIQUE): """
SELECT source, customer_id, count(*), count(*) - count(DISTINCT transaction_key) FROM decisioning_transaction
WHERE customer_id BETWEEN %s AND %s GROUP BY source, customer_id
""",
    Expectation("transactions", "account", KNOWN): """
SELECT t.source, t.customer_id, count(*), count(*) FILTER (WHERE a.customer_id IS NULL)
FROM decisioning_transaction t
LEFT JOIN decisioning_account a ON (a.customer_id, a.account_key) = (t.customer_id, t.account_key)
WHERE t.customer_id BETWEEN %s AND %s AND t.account_key <> '' GROUP BY t.source, t.customer_id
""",
    Expectation("posts", "customer", "agreed to by the customer"): """
SELECT p.source, p.customer_id, count(*), count(*) FILTER (WHERE s.customer_id IS NULL) FROM decisioning_post p
LEFT JOIN decisioning_consent s ON s.customer_id = p.customer_id AND s.purpose = 'personalisation'
  AND s.channel = 'advanced' AND s.granted
WHERE p.customer_id BETWEEN %s AND %s GROUP BY p.source, p.customer_id
""",
}


@dataclass(slots=True)
class _Source:
    """What was counted of one source."""

    count: Count = field(default_factory=Count)
    known: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)  # customers by group
    stale: Counter[str] = field(default_factory=Counter)


def check(now: datetime) -> int:
    """Record the findings of every source; returns how many expectations fail."""
    with jobs.running(JOB, {}, now) as job:
        sources: defaultdict[str, _Source] = defaultdict(_Source)
        for first, last in _chunks():
            _statements(sources, first, last, now)
            for kind in _RECORDS:
                _records(sources, kind, first, last, now)
            for expectation, query in _TOGETHER.items():
                for source, customer, rows, failed in _rows(query, first, last):
                    sources[source].count.hold(expectation, rows)
                    if failed:
                        sources[source].count.fail(expectation, {"customer": customer}, failed)
            job.done = last
            job.save(update_fields=["done"])
        failing = 0
        for name, source in sources.items():
            findings = list(_findings(name, source, now))
            results.record(name, findings, now)
            failing += sum(not finding.passed for finding in findings)
        job.message = f"{failing} expectations fail, of {len(sources)} sources"
    return failing


def _chunks() -> Iterator[tuple[int, int]]:
    """Ranges of surrogate keys with some CHUNK customers in each."""
    after = 0
    while True:
        ids = list(Customer.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:CHUNK])
        if not ids:
            return
        yield after + 1, ids[-1]
        after = ids[-1]


def _rows(query: str, first: int, last: int) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, [first, last])
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _statements(sources: Mapping[str, _Source], first: int, last: int, now: datetime) -> None:
    from decisioning.quality import schemas  # pandera, which only this run pays for

    held: defaultdict[tuple[str, str], list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
    for source, group, customer, occurred_at, values in _rows(_STATEMENTS, first, last):
        told = orjson.loads(values) if isinstance(values, str) else values
        held[source, group].append((customer, told))
        sources[source].told[group] += 1
        sources[source].known.update(told.keys())
        if group in GROUPS and now - occurred_at > timedelta(seconds=GROUPS[group].freshness_seconds):
            sources[source].stale[group] += 1
    for (source, _), rows in held.items():
        names = tuple(name for name in ATTRIBUTES if any(name in values for _, values in rows))
        frame = schemas.frame({name: [values.get(name) for _, values in rows] for name in names})
        _hold(sources[source].count, schemas.attributes(names), frame, [customer for customer, _ in rows])


def _records(sources: Mapping[str, _Source], kind: str, first: int, last: int, now: datetime) -> None:
    from decisioning.quality import schemas

    frame = _copied(_RECORDS[kind], first, last).to_pandas()
    for source, rows in frame.groupby("source", dropna=False) if len(frame) else ():
        customers = rows["customer_id"].tolist()
        _hold(sources[str(source)].count, schemas.records(kind, now), rows.reset_index(drop=True), customers)


def _hold(count: Count, schema: Schema, frame: pd.DataFrame, customers: Sequence[int]) -> None:
    for (column, _), expectation in schema.expectations.items():
        if column in frame:
            count.hold(expectation, int(frame[column].notna().sum()))
    for fault in schema.faults(frame):
        count.fail(fault.expectation, {"customer": customers[fault.place]})


def _copied(query: str, first: int, last: int) -> pa.Table:
    """By COPY, since there are many."""
    sink = pa.BufferOutputStream()
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)", [first, last]) as copy,
    ):
        for block in copy:
            sink.write(block)
    types = {name: pa.string() for name in ("source", "category", "product", "channel")}
    types["occurred_at"] = pa.timestamp("us", "UTC")
    converting = csv.ConvertOptions(
        column_types=types, null_values=[""], quoted_strings_can_be_null=False, strings_can_be_null=True
    )
    return csv.read_csv(pa.BufferReader(sink.getvalue()), convert_options=converting)


def _findings(name: str, source: _Source, now: datetime) -> Iterator[Finding]:
    yield from source.count.findings()
    for group, people in source.told.items():
        if group in GROUPS:
            days = GROUPS[group].freshness_seconds / 86_400
            expectation = Expectation(group, "", f"true within {days:g} days for {1 - MAY_BE_STALE:.0%} of customers")
            yield Finding(expectation, people, source.stale[group], MAY_BE_STALE)
    load = Job.objects.filter(kind="load", argument__mapping=name, status=Job.Status.DONE).order_by("-id").first()
    people = max(
        [*source.told.values(), load.argument.get("records", {}).get("customers", 0) if load else 0], default=0
    )
    limits = load.argument.get("limits", {}) if load else {}
    for attribute, allowed in limits.get("missing", {}).items():
        if attribute in ATTRIBUTES and people:
            yield missing(ATTRIBUTES[attribute].group, attribute, people, people - source.known[attribute], allowed)
