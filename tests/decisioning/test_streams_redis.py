"""Redis Streams on the real Redis: what is committed leaves the stream, and what a dead consumer held is claimed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone
from redis import Redis

from decisioning import store
from decisioning.features import materialise
from decisioning.models import Customer, DeadLetter, EventReceipt, Signal
from decisioning.streams import configured, consumer, redis_streams
from decisioning.streams.redis_streams import RedisStream
from decisioning.streams.source import Unreachable
from tests import bank

PATIENCE = 60  # seconds that a child process may take to start on a busy machine


def add(client: Redis, *event_ids: str, customers: int = 1) -> None:
    with client.pipeline() as pipe:
        for number, event_id in enumerate(event_ids):
            body = {"event_id": event_id, "customer_id": f"C-{number % customers + 1}", "type": "login",
                    "occurred_at": timezone.now().isoformat(), "payload": {}}  # fmt: skip
            pipe.xadd(store.SIGNALS, {"event": orjson.dumps(body)})
        pipe.execute()


def stream(name: str = "test", **changes: Any) -> RedisStream:
    return RedisStream(settings.REDIS_URL, consumer=name, **changes)


def drain(source: RedisStream) -> None:
    """Consume until the stream is empty."""
    client = store.client()
    consumer.consume(source, running=lambda: client.xlen(store.SIGNALS) > 0, clock=timezone.now)
    source.close()


def taken_in(wanted: int) -> bool:
    return Signal.objects.count() >= wanted


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.mark.django_db
def test_what_is_committed_leaves_the_stream_and_poison_with_it(empty_redis: Redis) -> None:
    bank.customers(1)
    add(empty_redis, "a", "b")
    empty_redis.xadd(store.SIGNALS, {"event": b"poison"})
    empty_redis.xadd(store.SIGNALS, {"evnt": b"{}"})
    assert redis_streams.backlog(empty_redis, timezone.now()).waiting == 4
    drain(stream())
    assert set(Signal.objects.values_list("event_id", flat=True)) == {"a", "b"}
    assert Counter(DeadLetter.objects.values_list("code", flat=True)) == {"NOT_JSON": 1, "NO_EVENT": 1}
    assert DeadLetter.objects.get(code="NO_EVENT").reason.startswith("event: ")
    left = redis_streams.backlog(empty_redis, timezone.now())
    assert (left.waiting, left.pending, left.consumers, left.oldest_seconds) == (0, 0, 1, None)


@pytest.mark.django_db
def test_what_a_dead_consumer_held_is_claimed_in_its_time(empty_redis: Redis) -> None:
    bank.customers(1)
    add(empty_redis, "a", "b", "c")
    dead = stream("dead")
    dead.read()  # makes the group
    assert len(dead.read()) == 3
    patient, prompt = stream("patient"), stream("prompt", claim_after=0)
    assert patient.read() == []
    assert redis_streams.backlog(empty_redis, timezone.now()).pending == 3
    drain(prompt)
    assert Signal.objects.count() == 3
    dead.close()
    patient.close()


@pytest.mark.django_db
def test_a_stream_that_redis_lost_is_made_anew(empty_redis: Redis) -> None:
    bank.customers(1)
    add(empty_redis, "before")
    source = stream()
    source.read()
    source.done(source.read())
    empty_redis.flushdb()
    add(empty_redis, "after")
    drain(source)
    assert Signal.objects.get().event_id == "after"


def test_a_redis_that_is_down_is_unreachable_and_no_crash() -> None:
    source = RedisStream("redis://127.0.0.1:1/0", consumer="nobody")
    with pytest.raises(Unreachable):
        source.read()
    source.close()


def test_a_database_that_went_away_is_waited_for(live_db: None, empty_redis: Redis) -> None:
    bank.customers(1)
    add(empty_redis, "a")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        serving = cursor.fetchone()[0]
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [serving])
    drain(stream())
    assert Signal.objects.get().event_id == "a"


@pytest.fixture
def child(live_db: None) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process on this test's servers, and ends it by force afterwards."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True,
            cwd=settings.BASE_DIR,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_consumer_killed_between_commit_and_acknowledgement_loses_and_doubles_nothing(
    child: Callable[..., subprocess.Popen[str]], empty_redis: Redis
) -> None:
    bank.customers(1)
    add(empty_redis, *(f"e{number}" for number in range(200)))
    empty_redis.xadd(store.SIGNALS, {"event": b"poison"})
    stuck = child("-m", "tests.decisioning.stuck_consumer", "redis")
    assert stuck.stdout is not None
    assert stuck.stdout.readline() == "201\n"
    assert Signal.objects.count() == 200
    assert redis_streams.backlog(empty_redis, timezone.now()).pending == 201
    stuck.send_signal(signal.SIGKILL)
    add(empty_redis, "later")
    drain(stream(claim_after=0))
    assert Signal.objects.count() == EventReceipt.objects.count() == 201
    assert DeadLetter.objects.count() == 1


def test_the_command_survives_kills_at_any_moment(
    child: Callable[..., subprocess.Popen[str]], empty_redis: Redis
) -> None:
    bank.customers(100)
    sent = 0
    for wanted in (1, 3000):
        add(empty_redis, *(f"e{sent + number}" for number in range(4000)), customers=100)
        sent += 4000
        killed = child("manage.py", "consume", "redis")
        until(partial(taken_in, wanted), "nothing was taken in")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    drain(stream(claim_after=0))
    assert Signal.objects.count() == EventReceipt.objects.count() == sent


def test_the_command_asks_a_worker_for_the_vectors_that_signals_call_for_and_stops_when_it_is_told(
    child: Callable[..., subprocess.Popen[str]], empty_redis: Redis
) -> None:
    bank.customers(1)
    materialise.customers(Customer.objects.values_list("pk", flat=True), timezone.now())
    report = {"event_id": "e", "customer_id": "C-1", "type": "bureau_refresh", "payload": {"credit_score": 700},
              "occurred_at": timezone.now().isoformat()}  # fmt: skip
    empty_redis.xadd(store.SIGNALS, {"event": orjson.dumps(report)})
    running = child("manage.py", "consume", "redis")
    until(lambda: empty_redis.llen("default") == 1, "no worker was asked")
    assert "decisioning.tasks.catch_up" in str(empty_redis.lindex("default", 0))
    running.send_signal(signal.SIGTERM)
    assert running.wait(PATIENCE) == 0
    assert running.stdout is not None
    assert "candor:signals" in running.stdout.read()


@pytest.mark.django_db
def test_the_backlog_of_what_does_not_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with Redis.from_url("redis://127.0.0.1:1/0") as nowhere:
        monkeypatch.setattr(store, "client", lambda: nowhere)
        (found,) = configured.backlogs(timezone.now())
    assert (found.origin, found.waiting) == ("redis:candor:signals", 0)
    assert "refused" in found.fault
