"""From messages to committed signals: the path of HTTP, and a verdict on each message; nothing of a stream comes in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from decisioning import customer_signals
from decisioning.events import Accepted, Rejection
from decisioning.streams.source import Message

LARGEST = 64 * 1024  # bytes of an event; the longest post takes 48,000 where every character is an escaped pair


def take(messages: Sequence[Message], now: datetime) -> Accepted:
    """Commit the good events and say what became of each message; the caller refreshes."""
    values: list[tuple[int, Any]] = []
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
    return customer_signals.take_json(values, now).joined(Accepted(rejected=rejected))


def _wrong(message: Message) -> tuple[str, str] | None:
    if message.fault:
        return "NO_EVENT", message.fault
    if len(message.body) > LARGEST:
        return "TOO_LARGE", f"body: {len(message.body)} bytes, and an event has at most {LARGEST}"
    return None
