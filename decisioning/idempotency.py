"""The `Idempotency-Key` header: the same key with the same body gets the same answer, with another body a conflict."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from decisioning.models import IdempotencyKey


class KeyConflict(ValueError):
    """The key came before with another body."""


@dataclass(frozen=True, slots=True)
class Stored:
    status: int
    answer: bytes


@contextmanager
def alone(api_key: str, key: str) -> Iterator[None]:
    """Requests with the same key run one after the other. The lock ends with the connection if its process dies."""
    name = f"candor idempotency {api_key} {key}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])


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


def forget(before: datetime) -> int:
    """Drop answers that were given before this moment: they hold a channel's own ids, and nobody repeats so late."""
    return IdempotencyKey.objects.filter(at__lt=before).delete()[0]
