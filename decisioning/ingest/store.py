"""Writes a batch of an export to the tables so that writing it twice changes nothing; protected values never come here.

Values of an export replace what the same export said before and nothing else: a consent withdrawn meanwhile stays
withdrawn, and a customer's features of another day stay as history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, transaction
from pyarrow import csv

from decisioning import identity, partitions
from decisioning.ingest.declared import BankMapping
from decisioning.ingest.records import AccountRecord, Batch, CustomerRecord, DecisionRecord, PostRecord
from decisioning.ingest.references import Surrogates, mapped, surrogates_of
from decisioning.models import Consent
from decisioning.text import posts
from decisioning.text.posts import NewPost
from offers.register import ATTRIBUTES, GROUPS

# What comes in, by COPY: a value that is quoted into a statement costs more than all that Postgres does with it.
_INCOMING: Mapping[str, str] = {
    "customer": "external_id text, token text",
    "statement": "customer bigint, name text, content text",
    "consent": "customer bigint, purpose text, channel text",
    "account": "customer bigint, key text, product text, opened_on date, closed_on date, credit_limit float8, "
    "balance float8",
    "transaction": "customer bigint, key text, account text, at timestamptz, amount float8, category text",
    "decision": "customer bigint, key text, arm text, probability float8, channel text, reward float8, at timestamptz",
}
_CUSTOMERS = """
INSERT INTO decisioning_customer (external_id, token, source, suppressed, known_at)
SELECT external_id, token, %s, false, %s FROM incoming_customer
ON CONFLICT (external_id) DO NOTHING
"""
_STATEMENTS = """
INSERT INTO decisioning_featurerow AS held (customer_id, "group", source, version, occurred_at, known_at, values)
SELECT customer, name, %s, (%s::jsonb->>name)::smallint, %s, %s, content::jsonb FROM incoming_statement
ON CONFLICT (customer_id, "group", source, known_at) DO UPDATE SET values = excluded.values
  WHERE held.values IS DISTINCT FROM excluded.values
"""
_VERSIONS = orjson.dumps({name: group.version for name, group in GROUPS.items()}).decode()
_CONSENTS = """
INSERT INTO decisioning_consent (customer_id, purpose, channel, granted, text_version, occurred_at, known_at)
SELECT customer, purpose, channel, true, %s, %s, %s FROM incoming_consent
ON CONFLICT DO NOTHING
"""
# An account stays known from the day on which it first was: what was computed of that day is computed so again.
_ACCOUNTS = """
INSERT INTO decisioning_account AS held
  (customer_id, account_key, product, opened_on, closed_on, credit_limit, balance, occurred_at, known_at)
SELECT *, %s, %s FROM incoming_account
ON CONFLICT (customer_id, account_key) DO UPDATE SET product = excluded.product, opened_on = excluded.opened_on,
  closed_on = excluded.closed_on, credit_limit = excluded.credit_limit, balance = excluded.balance,
  occurred_at = excluded.occurred_at
  WHERE held.occurred_at <= excluded.occurred_at
    AND (held.product, held.opened_on, held.closed_on, held.credit_limit, held.balance, held.occurred_at)
      IS DISTINCT FROM (excluded.product, excluded.opened_on, excluded.closed_on, excluded.credit_limit,
        excluded.balance, excluded.occurred_at)
"""
# A booking is known when it is made, and where it comes with a later export than the source's first, not before that:
# decisions made meanwhile did not know it. In the order of the primary key, so that its pages are met once.
_TRANSACTIONS = """
INSERT INTO decisioning_transaction
  (customer_id, transaction_key, account_key, occurred_at, known_at, amount, category, source)
SELECT customer, key, account, at, greatest(at, %s::timestamptz), amount, category, %s FROM incoming_transaction
ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
_DECISIONS = """
INSERT INTO decisioning_loggeddecision AS held
  (customer_id, decision_key, source, arm, action_probability, channel, reward, occurred_at, known_at)
SELECT customer, key, %s, arm, probability, channel, reward, at, %s FROM incoming_decision
ON CONFLICT (customer_id, decision_key) DO UPDATE SET arm = excluded.arm, reward = excluded.reward,
  action_probability = excluded.action_probability, channel = excluded.channel, occurred_at = excluded.occurred_at
  WHERE (held.arm, held.reward, held.action_probability, held.channel, held.occurred_at) IS DISTINCT FROM
    (excluded.arm, excluded.reward, excluded.action_probability, excluded.channel, excluded.occurred_at)
"""


def store(
    batch: Batch, mapping: BankMapping, surrogates: Surrogates, as_of: datetime, known_from: datetime | None = None
) -> Surrogates:
    """Write a batch whose references are resolved in one transaction; returns the surrogate keys with those of new
    customers.

    No transaction of it counts as known before `known_from`: the load of an export that is not the source's first.

    Months of transactions that have no partition yet get one. Posts must be those of customers who agreed to it.
    """
    for month in pc.unique(pc.floor_temporal(batch.transactions["occurred_at"], unit="month")).to_pylist():
        partitions.ensure(month.date(), month.date(), ("transaction",))
    with transaction.atomic():
        keys = [record.key for record in batch.customers]
        if mapping.creates_customers:
            names = [mapping.customer_prefix + key for key in keys]
            _bring("customer", [names, [identity.token(name) for name in names]], _CUSTOMERS, mapping.name, as_of)
            surrogates = {**surrogates, **surrogates_of(mapping, keys)}
        _statements(batch.customers, surrogates, mapping.name, as_of)
        _consents([surrogates[key] for key in keys], mapping, as_of)
        _accounts(batch.accounts, surrogates, as_of)
        _transactions(batch.transactions, surrogates, mapping.name, known_from)
        _decisions(batch.decisions, surrogates, mapping.name, as_of)
        _posts(batch.posts, surrogates, mapping.name, as_of)
    return surrogates


def _bring(kind: str, columns: Sequence[Any], statement: str, *values: Any) -> None:
    """Copy columns (N,) into the table of what comes in, and let `statement` take them from there."""
    table = pa.table({str(place): column for place, column in enumerate(columns)})
    if not len(table):
        return
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink, csv.WriteOptions(include_header=False))
    incoming = f"incoming_{kind}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE IF NOT EXISTS {incoming} ({_INCOMING[kind]}) ON COMMIT DROP")
        with cursor.copy(f"COPY {incoming} FROM STDIN (FORMAT csv)") as copy:
            copy.write(sink.getvalue().to_pybytes())
        cursor.execute(statement, values)
        cursor.execute(f"TRUNCATE {incoming}")


def _statements(customers: Sequence[CustomerRecord], surrogates: Surrogates, source: str, as_of: datetime) -> None:
    """One row for each feature group that the export says something of."""
    owners: list[int] = []
    names: list[str] = []
    contents: list[str] = []
    for record in customers:
        groups: dict[str, dict[str, Any]] = {}
        for name, value in record.attributes.items():
            held = sorted(value) if isinstance(value, frozenset) else value
            groups.setdefault(ATTRIBUTES[name].group, {})[name] = held
        for group, values in groups.items():
            owners.append(surrogates[record.key])
            names.append(group)
            contents.append(orjson.dumps(values).decode())
    _bring("statement", [owners, names, contents], _STATEMENTS, source, _VERSIONS, as_of, as_of)


def _consents(customers: list[int], mapping: BankMapping, as_of: datetime) -> None:
    """Each once: a consent that was withdrawn since stays withdrawn."""
    agreed = [("marketing", channel) for channel in mapping.consents]
    if mapping.personalisation:
        agreed.append(("personalisation", mapping.personalisation))
    rows = [(customer, *one) for customer in customers for one in agreed]
    columns = [[row[at] for row in rows] for at in range(3)]
    _bring("consent", columns, _CONSENTS, f"mapping {mapping.name}", as_of, as_of)


def _accounts(records: Sequence[AccountRecord], surrogates: Surrogates, as_of: datetime) -> None:
    columns = _columns(records, "key", "product", "opened_on", "closed_on", "credit_limit", "balance")
    _bring("account", [[surrogates[r.customer] for r in records], *columns], _ACCOUNTS, as_of, as_of)


def _transactions(table: pa.Table, surrogates: Surrogates, source: str, known_from: datetime | None) -> None:
    columns = [table[name] for name in ("key", "account", "occurred_at", "amount", "category")]
    _bring("transaction", [mapped(table["customer"], surrogates), *columns], _TRANSACTIONS, known_from, source)


def _decisions(records: Sequence[DecisionRecord], surrogates: Surrogates, source: str, as_of: datetime) -> None:
    columns = _columns(records, "key", "arm", "probability", "channel", "reward", "occurred_at")
    _bring("decision", [[surrogates[r.customer] for r in records], *columns], _DECISIONS, source, as_of)


def withhold(batch: Batch, surrogates: Surrogates) -> int:
    """Take the posts out of the batch whose customers have not agreed to their being read; returns how many."""
    owners = {surrogates[record.customer] for record in batch.posts}
    agreed = set(
        Consent.objects.filter(
            customer_id__in=owners, purpose="personalisation", channel=posts.LEVEL, granted=True
        ).values_list("customer_id", flat=True)
    )
    kept = [record for record in batch.posts if surrogates[record.customer] in agreed]
    withheld = len(batch.posts) - len(kept)
    batch.posts = kept
    return withheld


def _posts(records: Sequence[PostRecord], surrogates: Surrogates, source: str, as_of: datetime) -> None:
    if records:
        posts.keep([NewPost(surrogates[r.customer], source, r.key, r.occurred_at, r.text) for r in records], as_of)


def _columns(records: Sequence[object], *names: str) -> list[list[Any]]:
    return [[getattr(record, name) for record in records] for name in names]
