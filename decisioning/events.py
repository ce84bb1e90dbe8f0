"""Receipts of event ids: the same event twice counts once, another body under a known id is a conflict."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import orjson
from django.db import connection

from decisioning.signal_shapes import Arrival
from offers import canonical


@dataclass(frozen=True, slots=True)
class Rejection:
    """`index` counts in the batch as it was sent."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch: `fresh` are the indices of events that are new, and what is neither fresh nor rejected
    was a duplicate. `arrived` are the new signals, and `customers` those whose online profile has to be read again."""

    fresh: frozenset[int] = frozenset()
    duplicates: int = 0
    rejected: Sequence[Rejection] = ()
    customers: frozenset[int] = frozenset()
    arrived: Sequence[Arrival] = ()

    @property
    def accepted(self) -> int:
        return len(self.fresh)

    def joined(self, other: Self) -> Self:
        """What became of both: two parts of one batch, counted with the same indices."""
        return type(self)(
            self.fresh | other.fresh,
            self.duplicates + other.duplicates,
            sorted([*self.rejected, *other.rejected], key=lambda rejection: rejection.index),
            self.customers | other.customers,
            [*self.arrived, *other.arrived],
        )


_RECORD = """
INSERT INTO decisioning_eventreceipt (customer_id, event_id, body_hash, at)
SELECT customer, event, decode(hash, 'hex'), %s
FROM ROWS FROM (jsonb_to_recordset(%s::jsonb) AS (customer bigint, event text, hash text))
  WITH ORDINALITY AS row (customer, event, hash, place) ORDER BY place
ON CONFLICT DO NOTHING RETURNING customer_id, event_id
"""
_EARLIER = """
SELECT customer_id, event_id, body_hash FROM decisioning_eventreceipt
WHERE (customer_id, event_id) IN
  (SELECT customer, event FROM jsonb_to_recordset(%s::jsonb) AS row (customer bigint, event text))
"""

Receipt = tuple[int, int, str, dict[str, Any]]  # index, customer, event id, body
_Key = tuple[int, str]


def receive(receipts: Sequence[Receipt], now: datetime) -> tuple[set[int], int, list[Rejection]]:
    """Record receipts inside the caller's transaction.

    Returns the indices of the events that are new, how many were repeats, and the conflicts.
    """
    if not receipts:
        return set(), 0, []
    # In key order, so that two batches that share customers lock rows in one order.
    hashed = sorted(
        (customer, event_id, index, hashlib.sha256(canonical.dumps(body)).digest())
        for index, customer, event_id, body in receipts
    )
    first: dict[_Key, tuple[int, bytes]] = {}
    for customer, event_id, index, body_hash in hashed:
        first.setdefault((customer, event_id), (index, body_hash))
    stored, inserted = _record(first, now)
    fresh: set[int] = set()
    duplicates, conflicts = 0, []
    for customer, event_id, index, body_hash in hashed:
        key = (customer, event_id)
        if stored[key] != body_hash:
            conflicts.append(Rejection(index, "CONFLICT", f"event_id {event_id} came before with another body"))
        elif key in inserted and first[key][0] == index:
            fresh.add(index)
        else:
            duplicates += 1
    return fresh, duplicates, conflicts


def _record(first: Mapping[_Key, tuple[int, bytes]], now: datetime) -> tuple[dict[_Key, bytes], set[_Key]]:
    """Insert a receipt for each key; the hash that now stands under each, and which keys are new.

    As one JSON value: Postgres takes it apart faster than psycopg quotes arrays.
    """
    rows = [
        {"customer": customer, "event": event_id, "hash": body_hash.hex()}
        for (customer, event_id), (_, body_hash) in first.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, [now, orjson.dumps(rows).decode()])
        inserted = set(cursor.fetchall())
        stored = {key: first[key][1] for key in inserted}
        missing = [row for row in rows if (row["customer"], row["event"]) not in inserted]
        if missing:
            cursor.execute(_EARLIER, [orjson.dumps(missing).decode()])
            stored |= {(customer, event_id): bytes(held) for customer, event_id, held in cursor.fetchall()}
    return stored, inserted
