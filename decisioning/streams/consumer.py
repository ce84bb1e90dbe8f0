"""The loop of a consumer: read a batch, commit it, acknowledge it; a crash between the two delivers it again, and
receipts make it count once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from django.db import Error, connection, transaction

from decisioning import customer_signals, dead_letters
from decisioning.events import Accepted
from decisioning.streams import intake
from decisioning.streams.source import Message, Source, Unreachable

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds before what is down is asked again


def consume(
    source: Source,
    *,
    running: Callable[[], bool],
    clock: Callable[[], datetime],
    committed: Callable[[], None] = lambda: None,
) -> None:
    """Take in what the stream brings until `running` says no, and call `committed` after each batch. A stream or a
    database that is down is waited for."""
    pauses = _pauses()
    while running():
        try:
            messages = source.read()
            if messages and _committed(source.origin, messages, running, clock):
                source.done(messages)
                committed()
        except Unreachable as error:
            logger.warning("%s does not answer: %s", source.origin, error)
            time.sleep(next(pauses))
        else:
            pauses = _pauses()


def take(origin: str, messages: Sequence[Message], now: datetime) -> Accepted:
    """Commit a batch, its dead letters included, and refresh the customers that it speaks of."""
    with transaction.atomic():
        taken = intake.take(messages, now)
        dead_letters.keep(origin, messages, taken.rejected, now)
    customer_signals.refresh(taken)
    return taken


def _committed(
    origin: str, messages: Sequence[Message], running: Callable[[], bool], clock: Callable[[], datetime]
) -> bool:
    """Whether the batch is in the database. It is tried again from memory: a stream need not hand it out twice."""
    pauses = _pauses()
    while True:
        try:
            taken = take(origin, messages, clock())
        except Error as error:
            logger.warning("%d messages of %s wait for the database: %s", len(messages), origin, error)
            connection.close()
            if not running():
                return False
            time.sleep(next(pauses))
        else:
            logger.debug("%s: %d new, %d rejected", origin, taken.accepted, len(taken.rejected))
            return True


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)
