"""The Redis client, every key and field name, and the one way in which customers are written; all of it can be lost and
is rebuilt from Postgres, so no truth lives here.

Every key has a time to live. A shared one that nobody renews for a week expires too: Redis is then cold, and Postgres
answers. A customer is one hash, which Redis keeps compact if its hash-max-listpack-value (hash-max-ziplist-value before
version 7) is 1024 or more: the default of 64 costs half as much memory again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import chain, islice
from typing import Any, Final

import hiredis
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

# A hash: release (number), posterior (position), stop_epoch, credentials. Without it Redis is cold, not zero.
VERSIONS = "candor:versions"
POSTERIOR = "candor:posterior"  # bytes of the latest posterior
LEARNER_WOKEN = "candor:learner-woken"  # set while a wake-up of the learner is already queued
REBUILDING = "candor:rebuilding"  # set while somebody rebuilds
SIGNALS = "candor:signals"  # a stream: what a bank adds here, Candor takes in and deletes

SHARED_SECONDS = 7 * 24 * 3600  # of versions and posterior; `heal` renews them every few seconds
CUSTOMER_SECONDS = 14 * 24 * 3600  # every night renews them; longer than any cap looks back

# The fields of a customer. The first 8 bytes of each, a big-endian number, say how new it is.
VECTOR, SCORES, LEDGER, MOMENT = b"v", b"q", b"l", b"m"
_LEASE = b"@"  # with the session's hash: the decision that it has, and until when

# Writes each field unless a newer one stands there. A field of nothing but its age takes an older one away.
_PUT: Final = """
for at = 2, #ARGV, 2 do
  local field, value = ARGV[at], ARGV[at + 1]
  local held = redis.call('HGET', KEYS[1], field)
  if not held or #held < 8 or struct.unpack('>I8', held) <= struct.unpack('>I8', value) then
    if #value > 8 then redis.call('HSET', KEYS[1], field, value)
    elseif held then redis.call('HDEL', KEYS[1], field) end
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""
_BATCH = 500

# Once, at once: for a connection of the pool that a restart of Redis has ended.
RETRY: Final = Retry(NoBackoff(), 1)

Fields = Mapping[bytes, bytes]


@cache
def client() -> Redis:
    """One pool a process. Short time-outs, and no pauses between attempts: a decision rather degrades than waits."""
    return Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5, retry=RETRY)


def customer_key(token: str) -> str:
    """Everything of one customer. A short prefix: a million customers pay for each byte of it."""
    return f"c:{token}"


def lease_field(session: str) -> bytes:
    return _LEASE + session.encode()


def is_lease(field: bytes) -> bool:
    return field.startswith(_LEASE)


def put(rows: Iterable[tuple[str, Fields]]) -> int:
    """Write fields of customers (token, fields), each unless a newer one stands there; returns how many customers.

    Commands go out while the answers to those before are under way, and without the client's pipeline, which takes
    three times as long. Raises RedisError.
    """
    redis = client()
    script = redis.script_load(_PUT)
    connection: Any = redis.connection_pool.get_connection()
    try:
        written = due = 0
        rows = iter(rows)
        while batch := list(islice(rows, _BATCH)):
            connection.send_packed_command([b"".join([_command(script, *row) for row in batch])], check_health=False)
            _answers(connection, due)
            due = len(batch)
            written += due
        _answers(connection, due)
        return written
    except BaseException:
        connection.disconnect()  # answers that nobody has read would be taken for those to the next command
        raise
    finally:
        redis.connection_pool.release(connection)


def _command(script: str, token: str, fields: Fields) -> bytes:
    parts: Any = (b"EVALSHA", script, 1, customer_key(token), CUSTOMER_SECONDS, *chain.from_iterable(fields.items()))
    packed: bytes = hiredis.pack_command(parts)
    return packed


def _answers(connection: Any, due: int) -> None:
    for _ in range(due):
        connection.read_response()
