"""Writes a batch of an export to the tables so that writing it twice changes nothing; protected values never come here.

Values of an export replace what the same export said before and nothing else: a consent withdrawn meanwhile stays
withdrawn, and a customer's features of another day stay as history.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction

from decisioning import identity, partitions
from decisioning.ingest.mapping import BankMapping
from decisioning.ingest.reading import AccountRecord, Batch, CustomerRecord, DecisionRecord, TransactionRecord
from offers.register import ATTRIBUTES

Surrogates = Mapping[str, int]

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
SELECT customer, 'marketing', channel, true, %s, %s, %s
FROM unnest(%s::bigint[]) AS customer, unnest(%s::text[]) AS channel
ON CONFLICT DO NOTHING
"""
_ACCOUNTS = """
INSERT INTO decisioning_account AS held
  (customer_id, account_key, product, opened_on, closed_on, credit_limit, balance, occurred_at, known_at)
SELECT row.*, %s, %s FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::date[], %s::date[], %s::float8[],
  %s::float8[]) AS row (customer_id, account_key, product, opened_on, closed_on, credit_limit, balance)
ON CONFLICT (customer_id, account_key) DO UPDATE SET product = excluded.product, opened_on = excluded.opened_on,
  closed_on = excluded.closed_on, credit_limit = excluded.credit_limit, balance = excluded.balance,
  occurred_at = excluded.occurred_at, known_at = excluded.known_at
  WHERE held.occurred_at <= excluded.occurred_at
    AND (held.product, held.opened_on, held.closed_on, held.credit_limit, held.balance, held.occurred_at)
      IS DISTINCT FROM (excluded.product, excluded.opened_on, excluded.closed_on, excluded.credit_limit,
        excluded.balance, excluded.occurred_at)
"""
# A booking is known to the bank when it is made.
_TRANSACTIONS = """
INSERT INTO decisioning_transaction
  (customer_id, transaction_key, account_key, occurred_at, known_at, amount, category, source)
SELECT customer, key, account, at, at, amount, category, %s
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::float8[], %s::text[])
  AS row (customer, key, account, at, amount, category)
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


def store(batch: Batch, mapping: BankMapping, as_of: datetime) -> Surrogates:
    """Write the batch in one transaction; returns the surrogate key of every customer that it names, by the bank's key.

    Months of transactions that have no partition yet get one.
    """
    months = [record.occurred_at.date() for record in batch.transactions]
    if months:
        partitions.ensure(min(months), max(months), ("transaction",))
    with transaction.atomic():
        _execute(_CUSTOMERS, mapping.name, as_of, *_named(mapping, [record.key for record in batch.customers]))
        surrogates = _surrogates(mapping, _referenced(batch))
        _features(batch.customers, surrogates, mapping.name, as_of)
        if mapping.consents:
            new = [surrogates[record.key] for record in batch.customers]
            _execute(_CONSENTS, f"mapping {mapping.name}", as_of, as_of, new, list(mapping.consents))
        _accounts(batch.accounts, surrogates, as_of)
        _transactions(batch.transactions, surrogates, mapping.name)
        _decisions(batch.decisions, surrogates, mapping.name, as_of)
    return surrogates


def _execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))


def _named(mapping: BankMapping, keys: Iterable[str]) -> tuple[list[str], list[str]]:
    external = [mapping.customer_prefix + key for key in keys]
    return external, [identity.token(name) for name in external]


def _referenced(batch: Batch) -> set[str]:
    keys = {record.key for record in batch.customers}
    keys |= {record.customer for record in batch.accounts}
    keys |= {record.customer for record in batch.transactions}
    return keys | {record.customer for record in batch.decisions}


def _surrogates(mapping: BankMapping, keys: Collection[str]) -> Surrogates:
    prefix = mapping.customer_prefix
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT external_id, id FROM decisioning_customer WHERE external_id = ANY(%s)",
            [[prefix + key for key in keys]],
        )
        return {external.removeprefix(prefix): surrogate for external, surrogate in cursor.fetchall()}


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


def _transactions(records: Sequence[TransactionRecord], surrogates: Surrogates, source: str) -> None:
    if records:
        _execute(
            _TRANSACTIONS, source, [surrogates[record.customer] for record in records],
            *_columns(records, "key", "account", "occurred_at", "amount", "category"),
        )  # fmt: skip


def _decisions(records: Sequence[DecisionRecord], surrogates: Surrogates, source: str, as_of: datetime) -> None:
    if records:
        _execute(
            _DECISIONS, source, as_of, [surrogates[record.customer] for record in records],
            *_columns(records, "key", "arm", "probability", "channel", "reward", "occurred_at"),
        )  # fmt: skip


def _columns(records: Sequence[object], *names: str) -> list[list[Any]]:
    return [[getattr(record, name) for record in records] for name in names]
