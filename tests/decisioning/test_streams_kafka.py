"""Kafka through the real client library, on the cluster that it has built in for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self
from uuid import uuid4

import orjson
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from decisioning.models import DeadLetter, EventReceipt, Signal
from decisioning.streams import configured, consumer
from decisioning.streams.source import Source, Unreachable
from tests import bank

pytest.importorskip("confluent_kafka", reason="Kafka is an optional extra, and confluent-kafka is not installed")

# A member of a group that died is missed after this time.
OPTIONS = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500}


class Cluster:
    """Two brokers in this process, on ports of this machine, and one topic with four partitions."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self.topic = f"signals-{uuid4().hex[:8]}"
        self.brokers = ",".join(
            f"{broker.host}:{broker.port}" for broker in producer.list_topics(timeout=10).brokers.values()
        )

    @classmethod
    def make(cls) -> Self:
        from confluent_kafka import Producer

        return cls(Producer({"test.mock.num.brokers": 2, "log_level": 0}))

    def send(self, *bodies: bytes | None) -> None:
        for number, body in enumerate(bodies):
            self._producer.produce(self.topic, body, partition=number % 4)
        assert self._producer.flush(10) == 0

    def waiting(self) -> int:
        from decisioning.streams import kafka

        return kafka.backlog(self.brokers, self.topic).waiting

    def source(self) -> Source:
        from decisioning.streams import kafka

        return kafka.KafkaTopic(self.brokers, self.topic, OPTIONS)

    def drain(self) -> None:
        source = self.source()
        consumer.consume(source, running=lambda: self.waiting() > 0, clock=timezone.now)
        source.close()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster.make()


def login(event_id: str, **changes: Any) -> bytes:
    body: Mapping[str, Any] = {
        "event_id": event_id, "customer_id": "C-1", "type": "login", "occurred_at": timezone.now().isoformat(),
        "payload": {}, **changes,
    }  # fmt: skip
    return orjson.dumps(body)


@pytest.mark.django_db
def test_offsets_are_committed_with_the_events_and_poison_is_named_by_its_offset(cluster: Cluster) -> None:
    bank.customers(1)
    twice = login("b")
    cluster.send(login("a"), twice, b"poison", None, twice)
    assert cluster.waiting() == 5
    cluster.drain()
    assert set(Signal.objects.values_list("event_id", flat=True)) == {"a", "b"}
    letters = DeadLetter.objects.order_by("position")
    assert Counter(letter.code for letter in letters) == {"NOT_JSON": 1, "NO_EVENT": 1}
    assert [letter.position.partition("@")[0] for letter in letters] == ["2/0", "3/0"]
    assert {letter.origin for letter in letters} == {f"kafka:{cluster.topic}"}
    cluster.send(login("c"))
    cluster.drain()
    assert (Signal.objects.count(), DeadLetter.objects.count()) == (3, 2)


def test_a_consumer_killed_between_commit_and_offsets_loses_and_doubles_nothing(
    live_db: None, cluster: Cluster
) -> None:
    bank.customers(1)
    cluster.send(*(login(f"e{number}") for number in range(100)))
    environment = {"KAFKA_BROKERS": cluster.brokers, "KAFKA_TOPIC": cluster.topic,
                   "KAFKA_OPTIONS": orjson.dumps(OPTIONS).decode()}  # fmt: skip
    stuck = subprocess.Popen(
        [sys.executable, "-m", "tests.decisioning.stuck_consumer", "kafka"], env={**os.environ, **environment},
        stdout=subprocess.PIPE, text=True, cwd=settings.BASE_DIR,
    )  # fmt: skip
    try:
        assert stuck.stdout is not None
        committed = int(stuck.stdout.readline())
        assert 0 < Signal.objects.count() == committed <= 100
    finally:
        stuck.send_signal(signal.SIGKILL)
        stuck.communicate()
    assert cluster.waiting() == 100
    cluster.drain()
    assert Signal.objects.count() == EventReceipt.objects.count() == 100


def test_brokers_that_are_down_are_waited_for() -> None:
    from decisioning.streams import kafka

    source = kafka.KafkaTopic("127.0.0.1:1", "signals")
    assert source.read() == []
    source.close()


@pytest.mark.django_db
def test_a_topic_that_is_not_there_is_unreachable_until_somebody_makes_it(cluster: Cluster) -> None:
    bank.customers(1)
    source = cluster.source()
    with pytest.raises(Unreachable, match="Unknown topic"):
        source.read()
    cluster.send(login("a"))
    consumer.consume(source, running=lambda: cluster.waiting() > 0, clock=timezone.now)
    source.close()
    assert Signal.objects.get().event_id == "a"


@pytest.mark.django_db
def test_without_brokers_kafka_is_refused_in_words_and_has_no_backlog(settings: Any) -> None:
    settings.KAFKA_BROKERS = ""
    with pytest.raises(CommandError, match="Set KAFKA_BROKERS"):
        call_command("consume", "kafka")
    assert [found.origin for found in configured.backlogs(timezone.now())] == ["redis:candor:signals"]
    settings.KAFKA_BROKERS = "127.0.0.1:1"
    assert configured.backlogs(timezone.now())[1].fault
