"""API keys of channels: made, checked against a short-lived copy in memory, revoked; the secret is never kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from decisioning.models import ApiKey
from offers import audit

SCOPES = ("decide", "signal", "outcome", "profile")
KEPT_SECONDS = 10.0  # how long a revoked key may live in a process that was not told


@dataclass(frozen=True, slots=True)
class Credential:
    """Who is calling: a channel and what it may do. DRF calls such an object the user."""

    prefix: str
    channel: str
    scopes: frozenset[str]
    is_authenticated: bool = True


_held: dict[str, tuple[float, str, Credential]] = {}
_version: int | None = None


def make(*, channel: str, scopes: Iterable[str], actor: str, now: datetime) -> str:
    """A new key, "<prefix>.<secret>", shown this once. Call inside a transaction."""
    prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    ApiKey.objects.create(
        prefix=prefix, secret_hash=_hash(secret), channel=channel, scopes=sorted(scopes), created_at=now
    )
    audit.record(
        actor=actor, action="key.made", subject=f"key {prefix}",
        detail={"channel": channel, "scopes": sorted(scopes)}, now=now,
    )  # fmt: skip
    return f"{prefix}.{secret}"


def revoke(prefix: str, *, actor: str, now: datetime) -> None:
    """End a key. The caller announces it after the commit (rebuild.announce), which empties every process's copy."""
    ApiKey.objects.filter(prefix=prefix, revoked_at__isnull=True).update(revoked_at=now)
    audit.record(actor=actor, action="key.revoked", subject=f"key {prefix}", detail={}, now=now)


def check(key: str) -> Credential | None:
    """The credential of a key as it came in the header; None for a wrong or revoked one."""
    prefix, _, secret = key.partition(".")
    held = _held.get(prefix)
    if held is None or held[0] < time.monotonic():
        row = ApiKey.objects.filter(prefix=prefix, revoked_at__isnull=True).first()
        if row is None:
            return None
        credential = Credential(row.prefix, row.channel, frozenset(row.scopes))
        held = _held[prefix] = (time.monotonic() + KEPT_SECONDS, row.secret_hash, credential)
    return held[2] if hmac.compare_digest(held[1], _hash(secret)) else None


def noticed(version: int) -> None:
    """A read has returned the version of the credentials: a new one empties the copy."""
    global _version
    if version != _version:
        _held.clear()
        _version = version


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def forget() -> None:
    """Drop the copy, as a fresh process would start."""
    _held.clear()
