"""What the consumer wants of an adapter: messages with their positions, and a way to acknowledge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MOST = 1000  # messages of one batch, and so of one commit
WAIT_SECONDS = 1.0  # for the first message of a batch; how long a stop may take, too


class Unreachable(ConnectionError):
    """The stream does not answer; whatever was not acknowledged comes again."""


@dataclass(frozen=True, slots=True)
class Message:
    """One event as it came. `position` names it in its stream for ever, so that a second delivery is known as one.

    `fault` says what was wrong with the message around the body, such as a field that is not there.
    """

    position: str
    body: bytes
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far a stream's consumers are behind. `waiting` messages are not committed, of which `pending` were handed to
    a consumer; `oldest_seconds` is how long the oldest has waited, None where nothing waits or nobody can tell. `fault`
    says why nothing is known."""

    origin: str
    waiting: int = 0
    pending: int = 0
    consumers: int = 0
    oldest_seconds: float | None = None
    fault: str = ""


class Source(Protocol):
    """One stream. `origin` names it in dead letters: "redis:<stream>" or "kafka:<topic>"."""

    @property
    def origin(self) -> str: ...

    def read(self) -> Sequence[Message]:
        """Up to MOST messages, after at most WAIT_SECONDS without one. Raises Unreachable."""

    def done(self, messages: Sequence[Message]) -> None:
        """Acknowledge what is committed. Raises Unreachable; the messages then come again, and count once."""

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
