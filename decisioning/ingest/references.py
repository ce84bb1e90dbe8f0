"""Finds the customers and accounts that a batch refers to, whichever export brought them; rejects what is nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection

from decisioning.ingest.cells import BadCell
from decisioning.ingest.declared import BankMapping
from decisioning.ingest.records import Batch

Surrogates = Mapping[str, int]

_CUSTOMERS = "SELECT external_id, id FROM decisioning_customer WHERE external_id = ANY(%s)"
_ACCOUNTS = """
SELECT customer_id, account_key FROM decisioning_account
WHERE (customer_id, account_key) IN (SELECT * FROM unnest(%s::bigint[], %s::text[]))
"""


def resolve(batch: Batch, mapping: BankMapping) -> Surrogates:
    """The surrogate key of every customer that the batch names, by the bank's key.

    Rows whose customer nobody loaded are taken out of the batch, and so are transactions of an account that is not the
    customer's. Customers whom the batch itself brings need not be there yet.
    """
    surrogates = surrogates_of(mapping, _customers(batch))
    own = {record.key for record in batch.customers} if mapping.creates_customers else set()
    for kind, keys, rows in batch.named():
        cells = mapping.section(kind, batch.source).cells
        column = cells["key" if kind == "customers" else "customer"].column
        if kind == "customers" and mapping.creates_customers:
            continue
        batch.drop(
            {
                row: BadCell(column, f"{key!r} refers to no customer that was loaded", "known")
                for key, row in zip(keys, rows, strict=True)
                if key not in surrogates and key not in own
            }
        )
    if len(batch.transactions):
        _check_accounts(batch, mapping, surrogates)
    return surrogates


def surrogates_of(mapping: BankMapping, keys: Iterable[str]) -> dict[str, int]:
    prefix = mapping.customer_prefix
    with connection.cursor() as cursor:
        cursor.execute(_CUSTOMERS, [[prefix + key for key in keys]])
        return {external.removeprefix(prefix): surrogate for external, surrogate in cursor.fetchall()}


def mapped(keys: pa.ChunkedArray, surrogates: Surrogates) -> pa.Array:
    """The surrogate key (int64) of each customer key (N,), all of which are known."""
    encoded = keys.combine_chunks().dictionary_encode()
    ids = pa.array([surrogates[key] for key in encoded.dictionary.to_pylist()], pa.int64())
    return ids.take(encoded.indices)


def _customers(batch: Batch) -> set[str]:
    return {key for _, keys, _ in batch.named() for key in keys}


def _check_accounts(batch: Batch, mapping: BankMapping, surrogates: Surrogates) -> None:
    table = batch.transactions
    if not pc.any(pc.not_equal(table["account"], "")).as_py():
        return
    owners = mapped(table["customer"], surrogates).to_pylist()
    pairs = list(zip(owners, table["account"].to_pylist(), strict=True))
    known = _known_accounts(sorted(set(pairs)))
    column = mapping.section("transactions", batch.source).cells["account"].column
    batch.drop(
        {
            row: BadCell(column, f"{pair[1]!r} refers to no account that was loaded", "known")
            for pair, row in zip(pairs, table["row"].to_pylist(), strict=True)
            if pair[1] and pair not in known
        }
    )


def _known_accounts(pairs: Sequence[tuple[int, str]]) -> set[Any]:
    with connection.cursor() as cursor:
        cursor.execute(_ACCOUNTS, [[owner for owner, _ in pairs], [account for _, account in pairs]])
        return set(cursor.fetchall())
