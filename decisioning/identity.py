"""How decisions, customers and sessions are named: time-ordered ids, and keyed hashes in place of a bank's own ids."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings

_MASK_64 = (1 << 64) - 1


def new_id(now: datetime) -> UUID:
    """A UUIDv7 (RFC 9562): milliseconds of `now`, then 74 random bits."""
    millis = int(now.timestamp() * 1000)
    random = int.from_bytes(os.urandom(10), "big")
    value = (millis << 80) | (0x7 << 76) | ((random >> 68 & 0xFFF) << 64) | (0b10 << 62) | (random & ((1 << 62) - 1))
    return UUID(int=value)


def moment_of(decision_id: UUID) -> datetime:
    """The millisecond that a UUIDv7 was made in."""
    return datetime.fromtimestamp((decision_id.int >> 80) / 1000, tz=UTC)


def draw_key(decision_id: UUID) -> int:
    """The 64-bit key of a decision's draws: its low half, of which 62 bits are random."""
    return decision_id.int & _MASK_64


def token(external_id: str) -> str:
    """The name of a customer in Redis and in logs: a keyed hash, so that it tells nothing without the secret."""
    return _keyed("customer", external_id)


def session_hash(session_id: str) -> str:
    return _keyed("session", session_id)


def _keyed(kind: str, value: str) -> str:
    key = settings.SECRET_KEY.encode()[:64]
    return hashlib.blake2b(value.encode(), key=key, person=kind.encode(), digest_size=16).hexdigest()
