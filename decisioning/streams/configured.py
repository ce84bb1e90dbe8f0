"""The streams that this installation listens to, as its settings name them, and how far behind each is."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import datetime
from types import ModuleType

from django.conf import settings

from decisioning import store
from decisioning.streams import redis_streams
from decisioning.streams.source import Backlog, Source, Unreachable

KINDS = ("redis", "kafka")


class NotConfigured(LookupError):
    """No such stream is set up here; the message says what to do."""


def opened(kind: str) -> Source:
    """A consumer of one kind of stream. Raises NotConfigured."""
    if kind == "redis":
        return redis_streams.RedisStream(settings.REDIS_URL, consumer=f"{socket.gethostname()}:{os.getpid()}")
    if not settings.KAFKA_BROKERS:
        raise NotConfigured("Set KAFKA_BROKERS to the brokers to read from, such as kafka-1:9092,kafka-2:9092.")
    source: Source = _kafka().KafkaTopic(settings.KAFKA_BROKERS, settings.KAFKA_TOPIC, settings.KAFKA_OPTIONS)
    return source


def backlogs(now: datetime) -> list[Backlog]:
    """How far behind the consumers of each stream are, for the health page; Kafka is asked where it is set up, and
    may take some seconds to say that it does not answer."""
    asked: dict[str, Callable[[], Backlog]] = {
        f"redis:{store.SIGNALS}": lambda: redis_streams.backlog(store.client(), now)
    }
    if settings.KAFKA_BROKERS:
        asked[f"kafka:{settings.KAFKA_TOPIC}"] = lambda: _kafka().backlog(
            settings.KAFKA_BROKERS, settings.KAFKA_TOPIC, settings.KAFKA_OPTIONS
        )
    return [_told(origin, ask) for origin, ask in asked.items()]


def _told(origin: str, ask: Callable[[], Backlog]) -> Backlog:
    try:
        return ask()
    except (Unreachable, NotConfigured) as error:
        return Backlog(origin, fault=str(error))


def _kafka() -> ModuleType:
    """Imported here and not above, because it is optional."""
    try:
        from decisioning.streams import kafka
    except ImportError:
        raise NotConfigured("Kafka is an optional extra: install confluent-kafka.") from None
    return kafka
