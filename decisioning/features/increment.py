"""Lays signals that were just committed over what Redis holds of their customers, so that one more event costs no read
of a customer's history; those of whom that would not tell the whole are named, for `momentary` to read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import orjson
from django.db import connection

from decisioning import store
from decisioning.features import fold, stored
from decisioning.features.vector import stamp
from decisioning.signal_shapes import Arrival

_RANK_BYTES = 8
# Of a snapshot that sees the commit; with the moments of vectors, in one trip.
_SEEN = """
SELECT pg_snapshot_xmax(taken)::text::bigint * 65536 - (SELECT count(*) FROM pg_snapshot_xip(taken)),
  ARRAY(SELECT json_build_array(customer_id, (extract(epoch FROM as_of) * 1000000)::bigint)::text
        FROM decisioning_featurevector WHERE customer_id = ANY(%s))
FROM pg_current_snapshot() AS taken
"""


def lay(arrivals: Sequence[Arrival], now: datetime) -> set[int]:
    """Bring these signals to Redis; the customers whose history has to be read instead, because Redis holds nothing of
    them, because a signal needs a new vector, or because another process wrote meanwhile.

    Call after the commit. What Redis then holds is what a read of history would give: each signal is laid on once, in
    the order of when it happened. Two of one customer at the same microsecond have an order only in history.

    Raises RedisError.
    """
    reread = {each.customer for each in arrivals if each.event.type in stored.MATERIAL}
    fresh: dict[int, list[Arrival]] = defaultdict(list)
    for each in arrivals:
        if each.event.type in fold.TYPES and each.customer not in reread and each.token is not None:
            fresh[each.customer].append(each)
    if not fresh:
        return reread
    rank, vectors = _seen([customer for customer, signals in fresh.items() if _dated(signals)])
    reread |= {customer for customer, signals in fresh.items() if _late(signals, vectors.get(customer))}
    laid = _laid({customer: signals for customer, signals in fresh.items() if customer not in reread}, rank, stamp(now))
    return reread | laid


def _laid(fresh: Mapping[int, list[Arrival]], rank: int, now: int) -> set[int]:
    """Exchange what Redis holds of each customer for the same with these signals; those where that failed."""
    failed: set[int] = set()
    tokens = {customer: str(signals[0].token) for customer, signals in fresh.items()}
    exchanged: list[int] = []
    rows: list[tuple[str, bytes, bytes]] = []
    for (customer, signals), old in zip(fresh.items(), store.held(tokens.values(), store.MOMENT), strict=True):
        new = None if old is None else _with(old, signals, rank, now)
        if old is None or new is None:
            failed.add(customer)
        else:
            exchanged.append(customer)
            rows.append((tokens[customer], old, new))
    done = store.exchange(rows, store.MOMENT)
    return failed | {customer for customer, written in zip(exchanged, done, strict=True) if not written}


def _with(old: bytes, signals: Sequence[Arrival], rank: int, now: int) -> bytes | None:
    """A moment with these signals in it; None where their order is not plain or the bytes cannot be read."""
    rows = [fold.row(stamp(each.event.occurred_at), each.event.type, each.event.payload) for each in signals]
    try:
        content = fold.added(old[_RANK_BYTES:], rows, now)
    except (ValueError, TypeError):
        return None
    # The newer of the two ranks: whoever read history after both has seen all of this, and may write over it.
    newest = max(rank, int.from_bytes(old[:_RANK_BYTES], "big"))
    return None if content is None else newest.to_bytes(_RANK_BYTES, "big") + content


def _seen(customers: Collection[int]) -> tuple[int, dict[int, int]]:
    """The rank of a snapshot that sees what is committed, and for which moments these customers' vectors were made."""
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, [list(customers)])
        rank, vectors = cursor.fetchone()
    return int(rank), {customer: int(as_of) for customer, as_of in map(orjson.loads, vectors)}


def _dated(signals: Sequence[Arrival]) -> bool:
    return any(each.event.type in stored.DATED for each in signals)


def _late(signals: Sequence[Arrival], as_of: int | None) -> bool:
    """Whether one of them belongs into the vector, which was made without it."""
    return as_of is not None and any(
        each.event.type in stored.DATED and stamp(each.event.occurred_at) <= as_of for each in signals
    )
