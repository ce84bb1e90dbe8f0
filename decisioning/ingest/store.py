"""Writes a batch of an export to the tables so that writing it twice changes nothing; protected values never come here.

Values of an export replace what the same export said before and nothing else: a consent withdrawn meanwhile stays
withdrawn, and a customer's features of another day stay as history.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from offers.register import ATTRIBUTES

_CUSTOMERS = """
INSERT INTO decisioning_customer (external_id, token, source, suppressed, known_at)
SELECT external_id, token, %s, false, %s FROM unnest(%s::text[], %s::text[]) AS row (external_id, token)
ON CONFLICT (external_id) DO NOTHING
"""
_FEATURES = """
INSERT INTO decisioning_featurerow AS held (customer_id, "group", source, version, occurred_at, known_at, values)
SELECT customer, name, %s, 1, %s, %s, content::jsonb FROM unnest(%s::bigint[], %s::text[], %s::text[])
  AS row (customer, name, content)
ON CONFLICT (customer_id, "group", source, known_at) DO UPDATE SET values = excluded.values
  WHERE held.values IS DISTINCT FROM excluded.values
"""
_CONSENTS = """
INSERT INTO decisioning_consent (customer_id, purpose, channel, granted, text_version, occurred_at, known_at)
SELECT customer, purpose, channel, true, %s, %s, %s
FROM unnest(%s::bigint[]) AS customer, unnest(%s::text[], %s::text[]) AS agreed (purpose, channel)
ON CONFLICT DO NOTHING
"""
# An account stays known from the day on which it first was: what was computed of that day is computed so again.
_ACCOUNTS = """
INSERT INTO decisioning_account AS held
  (customer_id, account_key, product, opened_on, closed_on, credit_limit, balance, occurred_at, known_at)
SELECT row.*, %s, %s FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::date[], %s::date[], %s::float8[],
  %s::float8[]) AS row (customer_id, account_key, product, opened_on, closed_on, credit_limit, balance)
ON CONFLICT (customer_id, account_key) DO UPDATE SET product = excluded.product, opened_on = excluded.opened_on,
  closed_on = excluded.closed_on, credit_limit = excluded.credit_limit, balance = excluded.balance,
  occurred_at = excluded.occurred_at
  WHERE held.occurred_at <= excluded.occurred_at
    AND (held.product, held.opened_on, held.closed_on, held.credit_limit, held.balance, held.occurred_at)
      IS DISTINCT FROM (excluded.product, excluded.opened_on, excluded.closed_on, excluded.credit_limit,
        excluded.balance, excluded.occurred_at)
"""
_INCOMING = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_transaction
  (customer_id bigint, key text, account text, at timestamptz, amount float8, category text) ON COMMIT DROP
"""
# A booking is known to the bank when it is made. In the order of the primary key, so that its pages are met once.
_TRANSACTIONS = """
INSERT INTO decisioning_transaction
  (customer_id, transaction_key, account_key, occurred_at, known_at, amount, category, source)
SELECT customer_id, key, account, at, at, amount, category, %s FROM incoming_transaction ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
_DECISIONS = """
INSERT INTO decisioning_loggeddecision AS held
  (customer_id, decision_key, source, arm, action_probability, channel, reward, occurred_at, known_at)
SELECT customer, key, %s, arm, probability, channel, reward, at, %s
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::float8[], %s::text[], %s::float8[], %s::timestamptz[])
  AS row (customer, key, arm, probability, channel, reward, at)
ON CONFLICT (customer_id, decision_key) DO UPDATE SET arm = excluded.arm, reward = excluded.reward,
  action_probability = excluded.action_probability, channel = excluded.channel, occurred_at = excluded.occurred_at
  WHERE (held.arm, held.reward, held.action_probability, held.channel, held.occurred_at) IS DISTINCT FROM
    (excluded.arm, excluded.reward, excluded.action_probability, excluded.channel, excluded.occurred_at)
"""


def store(batch: Batch, mapping: BankMapping, surrogates: Surrogates, as_of: datetime) -> Surrogates:
    """Write a batch whose references are resolved in one transaction; returns the surrogate keys with those of new
    customers.

    Months of transactions that have no partition yet get one. Posts must be those of customers who agreed to it.
    """
    for month in pc.unique(pc.floor_temporal(batch.transactions["occurred_at"], unit="month")).to_pylist():
        partitions.ensure(month.date(), month.date(), ("transaction",))
    with transaction.atomic():
        keys = [record.key for record in batch.customers]
        if keys and mapping.creates_customers:
            names = [mapping.customer_prefix + key for key in keys]
            _execute(_CUSTOMERS, mapping.name, as_of, names, [identity.token(name) for name in names])
            surrogates = {**surrogates, **surrogates_of(mapping, keys)}
        _features(batch.customers, surrogates, mapping.name, as_of)
        _consents([surrogates[key] for key in keys], mapping, as_of)
        _accounts(batch.accounts, surrogates, as_of)
        _transactions(batch.transactions, surrogates, mapping.name)
        _decisions(batch.decisions, surrogates, mapping.name, as_of)
        _posts(batch.posts, surrogates, mapping.name, as_of)
    return surrogates


def _execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))


def _consents(customers: list[int], mapping: BankMapping, as_of: datetime) -> None:
    """Each once: a consent that was withdrawn since stays withdrawn."""
    agreed = [("marketing", channel) for channel in mapping.consents]
    if mapping.personalisation:
        agreed.append(("personalisation", mapping.personalisation))
    if customers and agreed:
        purposes, channels = map(list, zip(*agreed, strict=True))
        _execute(_CONSENTS, f"mapping {mapping.name}", as_of, as_of, customers, purposes, channels)


def _features(customers: Sequence[CustomerRecord], surrogates: Surrogates, source: str, as_of: datetime) -> None:
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
    _execute(_FEATURES, source, as_of, as_of, owners, names, contents)


def _accounts(records: Sequence[AccountRecord], surrogates: Surrogates, as_of: datetime) -> None:
    if records:
        _execute(
            _ACCOUNTS, as_of, as_of, [surrogates[record.customer] for record in records],
            *_columns(records, "key", "product", "opened_on", "closed_on", "credit_limit", "balance"),
        )  # fmt: skip


def _transactions(table: pa.Table, surrogates: Surrogates, source: str) -> None:
    """By COPY: a Python value for each cell would cost more than Postgres does."""
    if not len(table):
        return
    columns = [mapped(table["customer"], surrogates), *(table[name] for name in table.schema.names[3:])]
    sink = pa.BufferOutputStream()
    csv.write_csv(
        pa.table([columns[0], table["key"], *columns[1:]], ["customer_id", "key", *table.schema.names[3:]]),
        sink,
        csv.WriteOptions(include_header=False),
    )
    with connection.cursor() as cursor:
        cursor.execute(_INCOMING)
        with cursor.copy("COPY incoming_transaction FROM STDIN (FORMAT csv)") as copy:
            copy.write(sink.getvalue().to_pybytes())
        cursor.execute(_TRANSACTIONS, [source])
        cursor.execute("TRUNCATE incoming_transaction")


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


def _decisions(records: Sequence[DecisionRecord], surrogates: Surrogates, source: str, as_of: datetime) -> None:
    if records:
        _execute(
            _DECISIONS, source, as_of, [surrogates[record.customer] for record in records],
            *_columns(records, "key", "arm", "probability", "channel", "reward", "occurred_at"),
        )  # fmt: skip


def _columns(records: Sequence[object], *names: str) -> list[list[Any]]:
    return [[getattr(record, name) for record in records] for name in names]
