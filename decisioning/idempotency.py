"""The `Idempotency-Key` header: the same key with the same body gets the same answer, with another body a conflict."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from decisioning.models import IdempotencyKey


class KeyConflict(ValueError):
    """The key came before with another body."""


@dataclass(frozen=True, slots=True)
class Stored:
    status: int
    answer: bytes


def earlier(api_key: str, key: str, body: bytes) -> Stored | None:
    """What this key was answered before, None if it is new. Raises KeyConflict."""
    row = IdempotencyKey.objects.filter(api_key=api_key, key=key).first()
    if row is None:
        return None
    if bytes(row.body_hash) != hashlib.sha256(body).digest():
        raise KeyConflict(f"Idempotency-Key {key} came before with another body.")
    return Stored(row.status, bytes(row.answer))


def keep(api_key: str, key: str, body: bytes, status: int, answer: bytes, now: datetime) -> Stored:
    """Store an answer; if another request with the key was faster, its answer is the one. Raises KeyConflict."""
    _, created = IdempotencyKey.objects.get_or_create(
        api_key=api_key,
        key=key,
        defaults={"body_hash": hashlib.sha256(body).digest(), "status": status, "answer": answer, "at": now},
    )
    if created:
        return Stored(status, answer)
    return earlier(api_key, key, body) or Stored(status, answer)
