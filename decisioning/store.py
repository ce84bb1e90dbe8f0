"""The Redis client, every key and field name, and the one way in which customers are written; all of it can be lost and
is rebuilt from Postgres, so no truth lives here.

Every key has a time to live. A shared one that nobody renews for a week expires too: Redis is then cold, and Postgres
answers. A customer is one hash, which Redis keeps compact if its hash-max-listpack-value (hash-max-ziplist-value before
version 7) is 1024 or more: the default of 64 costs half as much memory again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
BEHIND = "candor:behind"  # a set: customers whose vector lacks what a signal said
MATERIALISER_WOKEN = "candor:materialiser-woken"  # set while a wake-up for them is already queued
SIGNALS = "candor:signals"  # a stream: what a bank adds here, Candor takes in and deletes

LEARNING = "candor:learning"  # with a day: how often each arm with a learning budget was learned on; see budgets

SHARED_SECONDS = 7 * 24 * 3600  # of versions and posterior; `heal` renews them every few seconds
CUSTOMER_SECONDS = 14 * 24 * 3600  # every night renews them; longer than any cap looks back

# The fields of a customer. The first 8 bytes of each, a big-endian number, say how new it is.
VECTOR, SCORES, LEDGER, MOMENT = b"v", b"q", b"l", b"m"
_LEASE = b"@"  # with the session's hash: the decision that it has, and until when

# Writes each field unless a newer one stands there, and says whether none did. A field of nothing but its age takes an
# older one away.
_PUT: Final = """
local whole = 1
for at = 2, #ARGV, 2 do
  local field, value = ARGV[at], ARGV[at + 1]
  local held = redis.call('HGET', KEYS[1], field)
  if not held or #held < 8 or struct.unpack('>I8', held) <= struct.unpack('>I8', value) then
    if #value > 8 then redis.call('HSET', KEYS[1], field, value)
    elseif held then redis.call('HDEL', KEYS[1], field) end
  else whole = 0 end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return whole
"""
# Writes a field where what was read of it still stands.
_EXCHANGE: Final = """
if redis.call('HGET', KEYS[1], ARGV[2]) ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
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

    Raises RedisError.
    """
    return sum(1 for _ in written(rows))


def written(rows: Iterable[tuple[str, Fields]]) -> Iterator[bool]:
    """The same, telling of each customer whether nothing newer stood there; it must be iterated. Raises RedisError."""
    script = client().script_load(_PUT)
    commands = (
        (b"EVALSHA", script, 1, customer_key(token), CUSTOMER_SECONDS, *chain.from_iterable(fields.items()))
        for token, fields in rows
    )
    return (bool(whole) for whole in _answers(commands))


def held(tokens: Iterable[str], field: bytes) -> list[bytes | None]:
    """One field of each of these customers. Raises RedisError."""
    return list(_answers((b"HGET", customer_key(token), field) for token in tokens))


def exchange(rows: Iterable[tuple[str, bytes, bytes]], field: bytes) -> list[bool]:
    """Write a field of customers (token, what was read, what to write in its place); whether it still stood there.

    Raises RedisError.
    """
    script = client().script_load(_EXCHANGE)
    commands = (
        (b"EVALSHA", script, 1, customer_key(token), CUSTOMER_SECONDS, field, old, new) for token, old, new in rows
    )
    return [bool(done) for done in _answers(commands)]


def _answers(commands: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """What Redis answers to each command, in their order.

    Commands go out while the answers to those before are under way, and without the client's pipeline, which takes
    three times as long.
    """
    pool = client().connection_pool
    connection: Any = pool.get_connection()
    try:
        due, commands = 0, iter(commands)
        while batch := list(islice(commands, _BATCH)):
            packed = b"".join([hiredis.pack_command(command) for command in batch])
            connection.send_packed_command([packed], check_health=False)
            yield from (connection.read_response() for _ in range(due))
            due = len(batch)
        yield from (connection.read_response() for _ in range(due))
    except BaseException:
        connection.disconnect()  # answers that nobody has read would be taken for those to the next command
        raise
    finally:
        pool.release(connection)
