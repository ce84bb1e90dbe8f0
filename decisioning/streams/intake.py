"""From messages to committed signals: the path of HTTP, and a verdict on each message; nothing of a stream comes in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import DataError, IntegrityError, transaction

from decisioning import customer_signals
from decisioning.events import Accepted, Rejection
from decisioning.streams.source import Message

logger = logging.getLogger(__name__)

LARGEST = 64 * 1024  # bytes of an event; the longest post takes 24,000 where every character is escaped

Indexed = tuple[int, Any]


def take(messages: Sequence[Message], now: datetime) -> Accepted:
    """Commit the good events and say what became of each message; the caller refreshes."""
    values: list[Indexed] = []
    rejected: list[Rejection] = []
    for index, message in enumerate(messages):
        wrong = _wrong(message)
        if wrong is None:
            try:
                values.append((index, orjson.loads(message.body)))
            except orjson.JSONDecodeError as error:
                wrong = ("NOT_JSON", f"body: {error}")
        if wrong is not None:
            rejected.append(Rejection(index, *wrong))
    return _commit(values, now).joined(Accepted(rejected=rejected))


def _wrong(message: Message) -> tuple[str, str] | None:
    if message.fault:
        return "NO_EVENT", message.fault
    if len(message.body) > LARGEST:
        return "TOO_LARGE", f"body: {len(message.body)} bytes, and an event has at most {LARGEST}"
    return None


def _commit(values: Sequence[Indexed], now: datetime) -> Accepted:
    """All at once. Where one value that passed every check is refused by Postgres, or by what scores a post, halves
    find it and the others are kept: one message must not hold up a stream."""
    try:
        with transaction.atomic():
            return customer_signals.take_json(values, now)
    except (DataError, IntegrityError, ValueError, TypeError, ArithmeticError) as error:
        if len(values) == 1:
            logger.exception("an event passed every check and was refused")
            # The kind of error alone: its text may repeat the row.
            reason = f"event: it passed every check and was refused ({type(error).__name__})"
            return Accepted(rejected=[Rejection(values[0][0], "REFUSED", reason)])
    middle = len(values) // 2
    return _commit(values[:middle], now).joined(_commit(values[middle:], now))
