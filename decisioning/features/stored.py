"""What Postgres holds of a customer, in the form that Redis serves: for one customer, and for the whole population."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from redis.exceptions import RedisError

from decisioning import store
from decisioning.features import session

CHUNK = 5000

# One row a customer: the latest row of each feature group, granted consents, and the nightly scores.
_PROFILES = """
SELECT c.id, c.token, c.suppressed,
  coalesce((SELECT array_agg(s.purpose || ':' || s.channel) FROM decisioning_consent s
            WHERE s.customer_id = c.id AND s.granted), '{}'),
  coalesce((SELECT jsonb_object_agg(f."group", jsonb_build_array(extract(epoch FROM f.occurred_at), f.values))
            FROM (SELECT DISTINCT ON ("group") "group", occurred_at, values FROM decisioning_featurerow
                  WHERE customer_id = c.id ORDER BY "group", occurred_at DESC, known_at DESC) f), '{}'),
  (SELECT jsonb_build_object('model', p.model, 'by', p.scores) FROM decisioning_precomputedscore p
   WHERE p.customer_id = c.id),
  (SELECT jsonb_build_object('sequence', l.sequence, 'contacts', l.contacts) FROM decisioning_capledger l
   WHERE l.customer_id = c.id)
FROM decisioning_customer c
"""
_NO_CONTACTS: dict[str, Any] = {"sequence": 0, "contacts": {}}

Encoded = tuple[bytes, bytes]  # profile and ledger, as Redis holds them


def _encode(row: tuple[Any, ...]) -> Encoded:
    customer, _, suppressed, consents, groups, scores, ledger = row
    profile = {"customer": customer, "groups": _json(groups), "scores": _json(scores)}
    held = _json(ledger) or _NO_CONTACTS
    return orjson.dumps(profile), encode_ledger(held["sequence"], held["contacts"], sorted(consents), suppressed)


def encode_ledger(
    sequence: int, contacts: Mapping[str, Mapping[str, int]], consents: list[str], suppressed: bool
) -> bytes:
    """One value, so that what forbids contact is never older than the sequence that vouches for it."""
    return orjson.dumps({"sequence": sequence, "contacts": contacts, "consents": consents, "suppressed": suppressed})


def _json(value: Any) -> Any:
    """A raw cursor gives jsonb as text, because Django's own fields decode it themselves."""
    return orjson.loads(value) if isinstance(value, str) else value


def one(external_id: str) -> tuple[bytes, bytes | None, bytes] | None:
    """Profile, session groups and ledger of one customer, None if there is no such customer."""
    with connection.cursor() as cursor:
        cursor.execute(_PROFILES + "WHERE c.external_id = %s", [external_id])
        row = cursor.fetchone()
    if row is None:
        return None
    profile, ledger = _encode(row)
    moment = session.recompute([row[0]]).get(row[0])
    return profile, orjson.dumps(moment) if moment else None, ledger


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


def fill(token: str, profile: bytes, moment: bytes | None, ledger: bytes) -> None:
    """Put one customer back into Redis. Never over a newer value: a write meanwhile has won."""
    try:
        pipe = store.client().pipeline(transaction=False)
        pipe.set(store.profile_key(token), profile, ex=store.PROFILE_SECONDS, nx=True)
        pipe.set(store.contacts_key(token), ledger, ex=store.CONTACTS_SECONDS, nx=True)
        if moment:
            pipe.set(store.session_key(token), moment, ex=store.SESSION_SECONDS, nx=True)
        pipe.execute()
    except RedisError:
        pass  # the next decision reads Postgres again


def materialise(*, first: int = 0, last: int | None = None, only_missing: bool = False) -> Iterator[int]:
    """Copy customers [first, last] from Postgres to Redis in chunks; yields how many each chunk held. Resumable by id.

    `only_missing` is the rebuild: it never overwrites what decisions wrote since.
    """
    position = first
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                _PROFILES + "WHERE c.token IS NOT NULL AND c.id >= %s AND (%s::bigint IS NULL OR c.id <= %s) "
                "ORDER BY c.id LIMIT %s",
                [position, last, last, CHUNK],
            )
            rows = cursor.fetchall()
        if not rows:
            return
        moments = session.recompute([row[0] for row in rows])
        pipe = store.client().pipeline(transaction=False)
        for row in rows:
            profile, ledger = _encode(row)
            pipe.set(store.profile_key(row[1]), profile, ex=store.PROFILE_SECONDS, nx=only_missing)
            pipe.set(store.contacts_key(row[1]), ledger, ex=store.CONTACTS_SECONDS, nx=True)
            if row[0] in moments:
                moment = orjson.dumps(moments[row[0]])
                pipe.set(store.session_key(row[1]), moment, ex=store.SESSION_SECONDS, nx=only_missing)
        pipe.execute()
        yield len(rows)
        position = rows[-1][0] + 1


def refresh(customers: list[int]) -> None:
    """Write the profiles of these customers to Redis, over what is there. Their ledgers are left: a copy that is out
    of date is noticed at the next commit."""
    with connection.cursor() as cursor:
        cursor.execute(_PROFILES + "WHERE c.token IS NOT NULL AND c.id = ANY(%s)", [customers])
        rows = cursor.fetchall()
    pipe = store.client().pipeline(transaction=False)
    for row in rows:
        pipe.set(store.profile_key(row[1]), _encode(row)[0], ex=store.PROFILE_SECONDS)
    pipe.execute()
