"""What Postgres holds of customers, in the form that Redis serves: one statement reads all of it, of one or of many."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Self
from uuid import UUID

import orjson
from django.db import connection
from psycopg import sql

from decisioning import store
from decisioning.features import fold, vector
from decisioning.features.fold import Row
from decisioning.features.ledger import KEPT_FROM, Ledger
from decisioning.features.vector import stamp

# What a signal of these types says is in the vector, which is therefore made anew at once, between two nights.
MATERIAL = ("bureau_refresh", "competitor_inquiry", "life_event")
# These are laid over the vector as they happen. One that happened before the vector's moment and came after it is late.
DATED = ("balance", "payment", "transaction")

# A signal is known from when its batch came in and seen from its commit on: a vector of in between lacks it.
UNDER_WAY = timedelta(seconds=5)

_SEPARATOR = "\x1f"
_AGE = struct.Struct(">Q")
# The rank says how new the snapshot is that a statement reads: a later one has a higher xmax or, where nothing began in
# between, fewer transactions under way. So of two processes that read one customer's signals, Redis keeps the newer.
_SIGNALLED = """
WITH snapshot AS MATERIALIZED (
  SELECT pg_snapshot_xmax(taken)::text::bigint * 65536 - (SELECT count(*) FROM pg_snapshot_xip(taken)) AS rank
  FROM pg_current_snapshot() AS taken
), signalled AS (
  SELECT s.customer_id,
    json_agg(json_build_array((extract(epoch FROM s.occurred_at) * 1000000)::bigint, s.type, s.payload)
      ORDER BY s.occurred_at, s.event_id) FILTER (WHERE s.type = ANY(%(types)s)) ::text AS events,
    bool_or(s.known_at > v.as_of - %(under_way)s AND (s.type = ANY(%(material)s)
      OR (s.type = ANY(%(dated)s) AND s.occurred_at <= v.as_of))) AS behind
  FROM decisioning_signal s LEFT JOIN decisioning_featurevector v USING (customer_id)
  WHERE s.customer_id = ANY(%(customers)s) AND s.occurred_at > %(oldest)s
    AND (s.occurred_at > %(session)s OR s.type <> ALL(%(session_types)s))
  GROUP BY s.customer_id
)
"""
_MOMENTS = sql.SQL(_SIGNALLED) + sql.SQL("""
SELECT c.id, c.token, snapshot.rank, signalled.events, coalesce(signalled.behind, false)
FROM decisioning_customer c CROSS JOIN snapshot LEFT JOIN signalled ON signalled.customer_id = c.id
WHERE c.id = ANY(%(customers)s) AND c.token IS NOT NULL
""")
_SIGNALS = sql.SQL(_SIGNALLED) + sql.SQL("SELECT customer_id, events FROM signalled WHERE events IS NOT NULL")
_ALL = sql.SQL(_SIGNALLED) + sql.SQL("""
SELECT c.id, coalesce(c.token, ''), snapshot.rank, signalled.events, v.content, p.content, coalesce(l.sequence, 0),
  coalesce(l.contacts, '{}')::text, c.suppressed,
  concat_ws(%(separator)s,
    (SELECT string_agg(s.purpose || ':' || s.channel, %(separator)s ORDER BY s.purpose, s.channel)
     FROM decisioning_consent s WHERE s.customer_id = c.id AND s.granted),
    (SELECT string_agg(%(kept_from)s || offer, %(separator)s) FROM unnest(held.offers) AS offer))
FROM decisioning_customer c CROSS JOIN snapshot LEFT JOIN signalled ON signalled.customer_id = c.id
LEFT JOIN decisioning_featurevector v ON v.customer_id = c.id
LEFT JOIN decisioning_precomputedscore p ON p.customer_id = c.id
LEFT JOIN decisioning_capledger l ON l.customer_id = c.id
CROSS JOIN LATERAL (
  SELECT coalesce(array_agg(o.offer::text ORDER BY o.offer), '{}') AS offers FROM decisioning_suppression o
  WHERE o.customer_id = c.id AND o.ended_at IS NULL
) held
WHERE c.id = ANY(%(customers)s) ORDER BY c.id
""")


@dataclass(frozen=True, slots=True)
class Moment:
    """What signals say of one customer, as Redis holds it. `behind`: a signal is known that the vector has not seen and
    that only a new vector can show."""

    customer: int
    token: str
    content: bytes
    behind: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """One customer, whole. `vector` is None where there is none of this schema, `token` empty once erased."""

    token: str
    ledger: Ledger
    vector: bytes | None
    scores: bytes | None
    moment: bytes

    @classmethod
    def of(cls, line: Sequence[Any], now: int) -> Self:
        customer, token, rank, events, content, scores, sequence, contacts, suppressed, consents = line
        ledger = Ledger(customer, sequence, orjson.loads(contacts), _granted(consents), suppressed)
        made = bytes(content) if content is not None and vector.readable(bytes(content)) else None
        return cls(token, ledger, made, None if scores is None else bytes(scores), _moment(rank, events, now))

    def fields(self) -> store.Fields:
        """What Redis holds of the customer; a moment of nothing takes an older one away."""
        found = {
            store.VECTOR: self.vector, store.SCORES: self.scores, store.LEDGER: self.ledger.encode(),
            store.MOMENT: self.moment,
        }  # fmt: skip
        return {field: value for field, value in found.items() if value is not None}


def many(customers: Collection[int], now: datetime) -> list[Stored]:
    """These customers, by rising surrogate key; those that are unknown are left out."""
    with connection.cursor() as cursor:
        cursor.execute(_ALL, _parameters(customers, now))
        return [Stored.of(line, stamp(now)) for line in cursor.fetchall()]


def moments(customers: Collection[int], now: datetime) -> list[Moment]:
    """What signals say of these customers now."""
    with connection.cursor() as cursor:
        cursor.execute(_MOMENTS, _parameters(customers, now))
        return [
            Moment(customer, token, _moment(rank, events, stamp(now)), behind)
            for customer, token, rank, events, behind in cursor.fetchall()
        ]


def signalled(customers: Collection[int], now: datetime) -> dict[int, list[Row]]:
    """The signals of `moments`, in the order of when they happened, of those customers who have any."""
    with connection.cursor() as cursor:
        cursor.execute(_SIGNALS, _parameters(customers, now))
        return {
            customer: fold.unpack(fold.pack([fold.row(*event) for event in orjson.loads(events)], stamp(now)))
            for customer, events in cursor.fetchall()
        }


def lease(customer: int, session_hash: str, now: datetime) -> UUID | None:
    """The decision of a session whose lease has not run out at `now`, the moment that the commit compares too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT decision_id FROM decisioning_sessionlease "
            "WHERE customer_id = %s AND session = %s AND expires_at > %s",
            [customer, session_hash, now],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def refresh_ledgers(customers: Collection[int], now: datetime) -> None:
    """Bring what forbids contact to Redis, so that the next decision need not find out at its commit."""
    store.put((each.token, {store.LEDGER: each.ledger.encode()}) for each in many(customers, now) if each.token)


def rows(moment: bytes | None) -> list[Row]:
    """The signals of a moment. Raises ValueError or TypeError where the bytes are something else."""
    if moment is None:
        return []
    if len(moment) < _AGE.size:
        raise ValueError(f"{len(moment)} bytes are no moment")
    return fold.unpack(moment[_AGE.size :])


def _parameters(customers: Collection[int], now: datetime) -> dict[str, Any]:
    return {
        "customers": list(customers), "types": list(fold.TYPES), "material": list(MATERIAL), "dated": list(DATED),
        "under_way": UNDER_WAY, "separator": _SEPARATOR, "kept_from": KEPT_FROM,
        "session_types": list(fold.SESSION_TYPES), "oldest": now - timedelta(microseconds=fold.OLDEST),
        "session": now - timedelta(microseconds=fold.SESSION),
    }  # fmt: skip


@lru_cache(maxsize=1024)
def _granted(consents: str | None) -> frozenset[str]:
    """Most customers share one of a few sets."""
    return frozenset(consents.split(_SEPARATOR) if consents else ())


def _moment(rank: int, events: str | None, now: int) -> bytes:
    """The age, then the rows that matter."""
    found = orjson.loads(events) if events else []
    return _AGE.pack(rank) + fold.pack([fold.row(at, type_, payload) for at, type_, payload in found], now)
