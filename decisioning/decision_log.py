"""Append a decision and read it back. One statement writes the ledger, the lease, the decision and its presentation;
the ledger's sequence is what serialises the decisions of one customer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import IntegrityError, connection
from django.db.backends.utils import CursorWrapper

from decisioning import identity, partitions, records
from decisioning.models import Decision as DecisionRow
from decisioning.models import Presentation
from decisioning.types import Decision, DecisionRequest, Known
from offers import canonical

# Nothing is written unless the stop epoch and the ledger's sequence are those that the decision was made under and no
# lease is in force. A lease committed after this statement's snapshot has also raised the sequence, which the upsert
# compares in its newest version; so checking both leaves no gap.
_APPEND = """
WITH given AS (
  SELECT %(customer)s::bigint AS customer_id, %(id)s::uuid AS id, %(session)s::text AS session,
    %(channel)s::text AS channel, %(placement)s::text AS placement, %(now)s::timestamptz AS now,
    %(expires)s::timestamptz AS expires_at, %(reason)s::text AS reason, %(offer)s::text AS offer, %(arm)s::text AS arm,
    %(action_probability)s::float8 AS action_probability, %(offers)s::text[] AS offers, %(release)s::int AS release,
    %(model)s::text AS model, %(posterior)s::bigint AS posterior, %(degraded)s::text[] AS degraded,
    %(inputs)s::bytea AS inputs, %(result)s::bytea AS result, %(digest)s::bytea AS digest, %(took_us)s::int AS took_us,
    %(epoch)s::bigint AS epoch, %(sequence)s::bigint AS sequence, %(contacts)s::jsonb AS contacts
), ledger AS (
  INSERT INTO decisioning_capledger AS held (customer_id, sequence, contacts)
  SELECT customer_id, sequence + 1, contacts FROM given JOIN offers_stopepoch USING (epoch)
  WHERE NOT EXISTS (
    SELECT 1 FROM decisioning_sessionlease lease
    WHERE (lease.customer_id, lease.session) = (given.customer_id, given.session) AND lease.expires_at > given.now)
  ON CONFLICT (customer_id) DO UPDATE SET sequence = excluded.sequence, contacts = excluded.contacts
    WHERE held.sequence = excluded.sequence - 1
  RETURNING customer_id
), lease AS (
  INSERT INTO decisioning_sessionlease (customer_id, session, decision_id, expires_at)
  SELECT customer_id, session, id, expires_at FROM given JOIN ledger USING (customer_id)
  ON CONFLICT (customer_id, session) DO UPDATE
    SET decision_id = excluded.decision_id, expires_at = excluded.expires_at
), decision AS (
  INSERT INTO decisioning_decision (id, customer_id, session, channel, placement, made_at, expires_at, reason, offer,
    arm, action_probability, release, model, posterior, degraded, inputs, result, digest, took_us)
  SELECT id, customer_id, session, channel, placement, now, expires_at, reason, offer, arm, action_probability,
    release, model, posterior, degraded, inputs, result, digest, took_us FROM given JOIN ledger USING (customer_id)
), shown AS (
  INSERT INTO decisioning_presentation (id, customer_id, decision_id, channel, placement, at, offers, reason, release,
    inputs, result)
  SELECT id, customer_id, id, channel, placement, now, offers, reason, release, '', ''
  FROM given JOIN ledger USING (customer_id)
)
SELECT count(*) FROM ledger
"""

_PRESENT = """
INSERT INTO decisioning_presentation (id, customer_id, decision_id, channel, placement, at, offers, reason, release,
  inputs, result)
SELECT %(id)s, customer_id, %(decision)s, %(channel)s, %(placement)s, %(now)s, %(offers)s::varchar[], %(reason)s,
  %(release)s, %(inputs)s, %(result)s FROM decisioning_capledger
WHERE customer_id = %(customer)s AND sequence = %(sequence)s
  AND EXISTS (SELECT 1 FROM offers_stopepoch WHERE epoch = %(epoch)s)
"""
_PRESENT_AND_COUNT = """
WITH ledger AS (
  UPDATE decisioning_capledger SET sequence = sequence + 1, contacts = %(contacts)s::jsonb
  WHERE customer_id = %(customer)s AND sequence = %(sequence)s
    AND EXISTS (SELECT 1 FROM offers_stopepoch WHERE epoch = %(epoch)s)
  RETURNING customer_id
)
INSERT INTO decisioning_presentation (id, customer_id, decision_id, channel, placement, at, offers, reason, release,
  inputs, result)
SELECT %(id)s, customer_id, %(decision)s, %(channel)s, %(placement)s, %(now)s, %(offers)s::varchar[], %(reason)s,
  %(release)s, %(inputs)s, %(result)s FROM ledger
"""


class UnknownDecision(LookupError):
    """No decision has this id."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What a decision was made with, as columns of its row."""

    release: int
    model: str
    posterior: int
    stop_epoch: int
    ledger_sequence: int


def append(
    decision_id: UUID,
    request: DecisionRequest,
    inputs: bytes,
    decision: Decision,
    versions: Versions,
    *,
    contacts: bytes,
    expires_at: datetime,
    took_us: int,
) -> bool:
    """Commit a decision. False: something changed since its inputs were read, and nothing was written."""
    first = decision.choices[0] if decision.choices else None
    result = records.result_to_bytes(decision)
    parameters: dict[str, Any] = {
        "id": decision_id,
        "customer": request.customer,
        "session": request.session,
        "channel": request.channel,
        "placement": request.placement,
        "now": request.now,
        "expires": expires_at,
        "reason": decision.reason,
        "offer": first.offer if first else None,
        "arm": first.arm if first else None,
        "action_probability": first.action_probability if first else None,
        "offers": _array(choice.offer for choice in decision.choices[: request.limit]),
        "release": versions.release,
        "model": versions.model,
        "posterior": versions.posterior,
        "epoch": versions.stop_epoch,
        "sequence": versions.ledger_sequence,
        "degraded": _array(decision.degraded),
        "contacts": contacts.decode(),
        "inputs": inputs,
        "result": result,
        "digest": records.digest(inputs, result),
        "took_us": took_us,
    }
    try:
        return _append(parameters)
    except IntegrityError as error:
        # Beat makes the partitions of coming months; where it has not run, the first decision of a month does.
        if "no partition of relation" not in str(error):
            raise
        partitions.ensure(request.now.date(), request.now.date())
        return _append(parameters)


def _array(names: Iterable[str]) -> str:
    """Keys and codes as an array literal: none holds a character that would need quotes, and the driver's own dumper
    of lists costs as much as a stage of the cascade."""
    return "{" + ",".join(names) + "}"


def _append(parameters: dict[str, Any]) -> bool:
    with _prepared() as cursor:
        cursor.execute(_APPEND, parameters)
        row = cursor.fetchone()
    return bool(row and row[0])


def _prepared() -> CursorWrapper:
    """A cursor whose statements Postgres plans once a connection: planning this one takes as long as running it."""
    connection.ensure_connection()
    cursor: Any = psycopg.Cursor(connection.connection)  # Django wraps what its own factory did not make
    wrapped: CursorWrapper = (
        connection.make_debug_cursor(cursor) if connection.queries_logged else connection.make_cursor(cursor)
    )
    return wrapped


def get(decision_id: UUID, customer: int | None = None) -> DecisionRow:
    """One decision. Raises UnknownDecision."""
    rows = DecisionRow.objects.filter(id=decision_id)
    if customer is not None:
        rows = rows.filter(customer_id=customer)
    row = rows.first()
    if row is None:
        raise UnknownDecision(str(decision_id))
    return row


def result(row: DecisionRow) -> Decision:
    return records.result_from_bytes(bytes(row.result))


def inputs(row: DecisionRow) -> tuple[DecisionRequest, Known]:
    return records.inputs_from_bytes(bytes(row.inputs))


def many(ids: Sequence[UUID]) -> dict[UUID, DecisionRow]:
    return {row.id: row for row in DecisionRow.objects.filter(id__in=ids)}


def shown_so_far(row: DecisionRow) -> frozenset[str]:
    """The offers of a decision that any channel was given; those are what the caps have counted."""
    given = Presentation.objects.filter(customer_id=row.customer_id, decision_id=row.id)
    return frozenset(offer for offers in given.values_list("offers", flat=True) for offer in offers)


def present_again(
    row: DecisionRow,
    request: DecisionRequest,
    content: bytes,
    shown: Sequence[str],
    reason: str | None,
    *,
    release: int,
    stop_epoch: int,
    ledger_sequence: int,
    contacts: bytes | None,
) -> bool:
    """Append what a further channel was given of a decision, and the release that it was checked against. `contacts`,
    where offers are shown for the first time, is the ledger with them.

    False: a stop, a consent or a count changed since its inputs were read, and nothing was written.
    """
    parameters: dict[str, Any] = {
        "id": identity.new_id(request.now), "customer": row.customer_id, "decision": row.id,
        "channel": request.channel, "placement": request.placement, "now": request.now, "offers": _array(shown),
        "reason": reason, "release": release, "inputs": content,
        "result": canonical.dumps({"offers": list(shown), "reason": reason}), "epoch": stop_epoch,
        "sequence": ledger_sequence, "contacts": contacts.decode() if contacts else None,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_PRESENT_AND_COUNT if contacts else _PRESENT, parameters)
        return bool(cursor.rowcount)
