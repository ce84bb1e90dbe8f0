"""Kafka through confluent-kafka, which is an optional extra and imported here only; offsets follow the commit.

A message's value is one event as POST /signals takes it; key and headers are not read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from decisioning.streams.source import MOST, WAIT_SECONDS, Backlog, Message, Unreachable

logger = logging.getLogger(__name__)

GROUP = "candor"
ANSWER_SECONDS = 2.0


class KafkaTopic:
    """One consumer of a topic. `options` are librdkafka's, such as those of TLS and SASL; what makes offsets follow
    the commit cannot be changed by them."""

    def __init__(self, brokers: str, topic: str, options: Mapping[str, Any] | None = None) -> None:
        self._topic = topic
        self._consumer = Consumer(_configuration(brokers, options or {}), logger=logger)
        self._consumer.subscribe([topic])

    @property
    def origin(self) -> str:
        return f"kafka:{self._topic}"

    def read(self) -> Sequence[Message]:
        """What has come, without waiting for more than the first message."""
        messages: list[Message] = []
        deadline = time.monotonic() + WAIT_SECONDS
        while len(messages) < MOST:
            try:
                found = self._consumer.poll(0 if messages else max(0.0, deadline - time.monotonic()))
            except KafkaException as error:
                raise Unreachable(str(error)) from error
            if found is None:
                break
            fault = found.error()
            if fault is None:
                messages.append(_message(found))
            elif not messages:
                # Such as a topic that does not exist yet, or all brokers down; the client goes on asking by itself.
                raise Unreachable(fault.str())
        return messages

    def done(self, messages: Sequence[Message]) -> None:
        """Commit the offset after the last message of each partition.

        Where the group was rebalanced meanwhile the broker refuses, and whoever has the partition now reads again.
        """
        last: dict[int, int] = {}
        for message in messages:
            partition, offset = (int(part) for part in message.position.partition("@")[0].split("/"))
            last[partition] = max(offset, last.get(partition, -1))
        offsets = [TopicPartition(self._topic, partition, offset + 1) for partition, offset in last.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise Unreachable(str(error)) from error

    def close(self) -> None:
        self._consumer.close()


def backlog(brokers: str, topic: str, options: Mapping[str, Any] | None = None) -> Backlog:
    """What waits in a topic. Asks the brokers, for at most some seconds. Raises Unreachable."""
    # Not subscribed, so that it is no member and moves no partition.
    consumer = Consumer(_configuration(brokers, options or {}), logger=logger)
    try:
        found = consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
        partitions = [TopicPartition(topic, number) for number in found.partitions]
        waiting = 0
        for at in consumer.committed(partitions, timeout=ANSWER_SECONDS):
            low, high = consumer.get_watermark_offsets(at, timeout=ANSWER_SECONDS)
            waiting += high - (low if at.offset == OFFSET_INVALID else max(low, at.offset))
    except KafkaException as error:
        raise Unreachable(str(error)) from error
    finally:
        consumer.close()
    return Backlog(f"kafka:{topic}", waiting)


def _configuration(brokers: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "group.id": GROUP,
        "auto.offset.reset": "earliest",  # of a group that is new: what was written before it counts too
        "topic.metadata.refresh.interval.ms": 10_000,  # a topic or partition that is made later is found in this time
        "reconnect.backoff.ms": 1000,
        **options,
        "bootstrap.servers": brokers,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
    }


def _message(found: KafkaMessage) -> Message:
    # The time too: a topic that is made anew counts its offsets from 0 again.
    position = f"{found.partition()}/{found.offset()}@{found.timestamp()[1]}"
    value = found.value()
    return Message(position, b"", "value: the message has none") if value is None else Message(position, value)
