"""The append-only, hash-chained trail: record() in the transaction of the change, verify() over the whole chain."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from django.db import connection

from offers import canonical
from offers.models import AuditEvent

GENESIS = "0" * 64
_LOCK = 0x63616E646F72  # "candor": serialises appends, so that each event sees the one before it


class NoTransaction(RuntimeError):
    """An audit event outside a transaction could survive a change that rolled back, or the reverse."""


@dataclass(frozen=True, slots=True)
class Verification:
    """`broken_at` is the sequence of the first event that does not fit its hash or its predecessor, None if all do."""

    events: int
    head: str
    broken_at: int | None


def _hash(previous: str, sequence: int, at: datetime, actor: str, action: str, subject: str, detail: str) -> str:
    # Postgres gives times back in UTC, whatever offset they came with.
    moment = at.astimezone(UTC).isoformat()
    body = canonical.dumps([previous, sequence, moment, actor, action, subject, detail])
    return hashlib.sha256(body).hexdigest()


def record(*, actor: str, action: str, subject: str, detail: Mapping[str, Any], now: datetime) -> AuditEvent:
    """Append one event. Raises NoTransaction outside `atomic()`."""
    if not connection.in_atomic_block:
        raise NoTransaction(action)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    last = AuditEvent.objects.order_by("-sequence").values("sequence", "hash").first()
    sequence, previous = (last["sequence"] + 1, last["hash"]) if last else (1, GENESIS)
    text = canonical.dumps(dict(detail)).decode()
    return AuditEvent.objects.create(
        sequence=sequence,
        at=now,
        actor=actor,
        action=action,
        subject=subject,
        detail=text,
        previous_hash=previous,
        hash=_hash(previous, sequence, now, actor, action, subject, text),
    )


def verify(anchors: Mapping[int, str] = MappingProxyType({})) -> Verification:
    """Recompute the chain from its first event, in bounded memory. `anchors` are hashes by sequence that were published
    elsewhere: a chain that was written anew from its first event on is whole in itself, and differs from them."""
    previous, count = GENESIS, 0
    for event in AuditEvent.objects.order_by("sequence").iterator(chunk_size=2000):
        count += 1
        expected = _hash(previous, count, event.at, event.actor, event.action, event.subject, event.detail)
        if (event.sequence, event.previous_hash, event.hash) != (count, previous, expected):
            return Verification(count - 1, previous, event.sequence)
        if anchors.get(count, event.hash) != event.hash:
            return Verification(count - 1, previous, count)
        previous = event.hash
    cut = [sequence for sequence in anchors if sequence > count]  # anchored, and gone
    return Verification(count, previous, min(cut, default=None))
