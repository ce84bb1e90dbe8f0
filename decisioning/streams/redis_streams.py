"""Redis Streams through a consumer group: what a dead consumer held is claimed, what is committed leaves the stream.

A producer writes `XADD candor:signals * event '<the event as POST /signals takes it>'`. The stream belongs to Candor:
entries are deleted once they are committed, so its length is what waits. It is as durable as the Redis that holds it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import orjson
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from decisioning import store
from decisioning.streams.source import MOST, WAIT_SECONDS, Backlog, Message, Unreachable

GROUP = "candor"
FIELD = b"event"
CLAIM_AFTER = 30.0  # seconds that a message may be held; several times longer than a batch takes
CLAIM_EVERY = 5.0  # seconds between two looks for such messages
FORGOTTEN_AFTER = 3600.0  # seconds after which a consumer that holds nothing and does nothing leaves the group
_END = "0-0"


class RedisStream:
    """One consumer of a stream. `consumer` is its name in the group; no two that run have the same."""

    def __init__(
        self, url: str, *, consumer: str, stream: str = store.SIGNALS, claim_after: float = CLAIM_AFTER
    ) -> None:
        # A pool of its own: reads wait for messages, which the decisions' short time-out would cut off.
        self._client = Redis.from_url(url, socket_timeout=WAIT_SECONDS + 10, socket_connect_timeout=5)
        self._stream, self._consumer, self._claim_after = stream, consumer, claim_after
        self._claim_from, self._claim_at = _END, 0.0

    @property
    def origin(self) -> str:
        return f"redis:{self._stream}"

    def read(self) -> Sequence[Message]:
        with _reachable():
            try:
                return self._claimed() or self._delivered()
            except ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                self._make_group()
                return []

    def done(self, messages: Sequence[Message]) -> None:
        with _reachable(), self._client.pipeline(transaction=True) as pipe:
            positions = [message.position for message in messages]
            pipe.xack(self._stream, GROUP, *positions)
            pipe.xdel(self._stream, *positions)
            pipe.execute()

    def close(self) -> None:
        self._client.close()

    def _delivered(self) -> list[Message]:
        answer: Any = self._client.xreadgroup(
            GROUP, self._consumer, {self._stream: ">"}, count=MOST, block=int(WAIT_SECONDS * 1000)
        )
        return [_message(*entry) for _, entries in answer or () for entry in entries]

    def _claimed(self) -> list[Message]:
        """Messages that somebody, this consumer perhaps, read and did not acknowledge in time."""
        if self._claim_from == _END and time.monotonic() < self._claim_at:
            return []
        answer: Any = self._client.xautoclaim(
            self._stream, GROUP, self._consumer, int(self._claim_after * 1000), self._claim_from, count=MOST
        )
        self._claim_from, self._claim_at = answer[0].decode(), time.monotonic() + CLAIM_EVERY
        if self._claim_from == _END:
            self._forget_the_dead()
        # An entry that its producer trimmed away while it was pending is none.
        return [_message(*entry) for entry in answer[1] if entry[0] is not None]

    def _forget_the_dead(self) -> None:
        for consumer in self._client.xinfo_consumers(self._stream, GROUP):
            if consumer["pending"] == 0 and consumer["idle"] > FORGOTTEN_AFTER * 1000:
                self._client.xgroup_delconsumer(self._stream, GROUP, consumer["name"])

    def _make_group(self) -> None:
        """From the first entry on: what was written before anybody listened counts too."""
        try:
            self._client.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):  # another consumer was faster
                raise


def backlog(client: Redis, now: datetime, stream: str = store.SIGNALS) -> Backlog:
    """What waits in a stream of this kind. Raises Unreachable."""
    with _reachable():
        oldest: Any = client.xrange(stream, count=1)
        waiting, groups = client.xlen(stream), client.xinfo_groups(stream) if client.exists(stream) else []
    ours = next((group for group in groups if group["name"] == GROUP.encode()), {"pending": 0, "consumers": 0})
    # An entry's id begins with the milliseconds at which Redis took it.
    since = int(oldest[0][0].partition(b"-")[0]) / 1000 if oldest else None
    seconds = None if since is None else max(0.0, now.timestamp() - since)
    return Backlog(f"redis:{stream}", int(waiting), int(ours["pending"]), int(ours["consumers"]), seconds)


def _message(position: bytes, fields: dict[bytes, bytes]) -> Message:
    body = fields.get(FIELD)
    if body is not None:
        return Message(position.decode(), body)
    named = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
    return Message(position.decode(), orjson.dumps(named), "event: an entry has its event in the field of this name")


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise Unreachable(str(error)) from error
