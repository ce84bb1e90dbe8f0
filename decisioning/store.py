"""The Redis client and every key name; all of it can be lost and is rebuilt from Postgres, so no truth lives here."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from redis import Redis

# A hash: release (number), posterior (position), stop_epoch, credentials. Without it Redis is cold, not zero.
VERSIONS = "candor:versions"
POSTERIOR = "candor:posterior"  # bytes of the latest posterior
LEARNER_WOKEN = "candor:learner-woken"  # set while a wake-up of the learner is already queued
REBUILDING = "candor:rebuilding"  # set while somebody rebuilds
SIGNALS = "candor:signals"  # a stream: what a bank adds here, Candor takes in and deletes

PROFILE_SECONDS = 14 * 24 * 3600
SESSION_SECONDS = 2 * 3600
CONTACTS_SECONDS = 8 * 24 * 3600


@cache
def client() -> Redis:
    """One pool a process. Short time-outs: a decision rather degrades than waits."""
    return Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


def profile_key(token: str) -> str:
    """All slow feature groups, consents and precomputed scores of one customer."""
    return f"candor:{{{token}}}:profile"


def session_key(token: str) -> str:
    """The groups that signals change from moment to moment."""
    return f"candor:{{{token}}}:session"


def contacts_key(token: str) -> str:
    """A copy of the customer's cap ledger."""
    return f"candor:{{{token}}}:contacts"


def lease_key(token: str, session: str) -> str:
    return f"candor:{{{token}}}:lease:{session}"
