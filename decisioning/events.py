"""Receipts of event ids: the same event twice counts once, another body under a known id is a conflict."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from offers import canonical


@dataclass(frozen=True, slots=True)
class Rejection:
    """`index` counts in the batch as it was sent."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch; `customers` are those whose online profile the caller has to refresh."""

    accepted: int
    duplicates: int
    rejected: Sequence[Rejection]
    customers: frozenset[int] = field(default_factory=frozenset)


Receipt = tuple[int, int, str, dict[str, Any]]  # index, customer, event id, body


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
    first = {(customer, event_id): index for customer, event_id, index, _ in reversed(hashed)}
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO decisioning_eventreceipt (customer_id, event_id, body_hash, at) "
            "SELECT customer, event, body, %s FROM unnest(%s::bigint[], %s::text[], %s::bytea[]) "
            "  WITH ORDINALITY AS row (customer, event, body, place) ORDER BY place "
            "ON CONFLICT DO NOTHING RETURNING customer_id, event_id",
            [now, [row[0] for row in hashed], [row[1] for row in hashed], [row[3] for row in hashed]],
        )
        inserted = set(cursor.fetchall())
        cursor.execute(
            "SELECT customer_id, event_id, body_hash FROM decisioning_eventreceipt "
            "WHERE (customer_id, event_id) IN (SELECT * FROM unnest(%s::bigint[], %s::text[]))",
            [[row[0] for row in hashed], [row[1] for row in hashed]],
        )
        stored = {(customer, event_id): bytes(body) for customer, event_id, body in cursor.fetchall()}
    fresh: set[int] = set()
    duplicates, conflicts = 0, []
    for customer, event_id, index, body in hashed:
        key = (customer, event_id)
        if stored[key] != body:
            conflicts.append(Rejection(index, "CONFLICT", f"event {event_id} came before with another body"))
        elif key in inserted and first[key] == index:
            fresh.add(index)
        else:
            duplicates += 1
    return fresh, duplicates, conflicts
