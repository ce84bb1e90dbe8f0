"""Signals over HTTP /signals and over Redis Streams: events a second at full load, beside an echo of the same bodies
and a bare COPY of the same rows; then, at a steady load, the time from an event to a decision that knows it. It fails
where one event is lost or counted twice. RATE (5000 events a second) and SECONDS (60) of the steady load come from the
environment."""

from __future__ import annotations

import itertools
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import psutil

from console.web import web_server
from tests.benchmarks import bench_decision, load
from tests.benchmarks.servers import VAR, django_over

RATE, SECONDS = int(os.environ.get("RATE", "5000")), int(os.environ.get("SECONDS", "60"))
BATCH, CONNECTIONS, BATCHES, ROUNDS = 1000, 4, 60, 3
CHUNK = 100  # entries that a producer adds to the stream at once, at the steady load
CUSTOMERS, HISTORY = 20_000, 100  # signals of each customer in the month before
EVERY = 0.1  # seconds between two probes
PATIENCE, PAUSE = 120.0, 0.01  # seconds until a probe is given up, and between its first questions
ROOT = Path(__file__).resolve().parents[2]
FOLDER = VAR / "bench-signals"

# Shares of a thousand events: most of what a bank sends is of sessions.
MIX: dict[str, tuple[int, Callable[[], dict[str, Any]]]] = {
    "page_view": (450, lambda: {"page": "cards", "seconds": 12, "device_type": "app"}),
    "card_view": (200, lambda: {"card": f"offer-{random.randrange(50)}", "seconds": 20}),
    "transaction": (150, lambda: {"amount": round(random.uniform(1, 200), 2), "mcc": "5411", "channel": "pos"}),
    "login": (100, lambda: {"entry_point": "push", "session_risk_score": 0.1}),
    "balance": (60, lambda: {"balance": round(random.uniform(0, 9000), 2), "utilisation": 0.3}),
    "payment": (20, lambda: {"amount": 120.0}),
    "transaction_declined": (10, lambda: {"amount": 55.0}),
    "alert_acknowledged": (7, lambda: {"alert": "due-date"}),
    "salary": (2, lambda: {"amount": 3000.0}),
    "bureau_refresh": (1, lambda: {"credit_score": random.randrange(600, 850)}),
}
_SHARES = [share for share, _ in MIX.values()]


class Failed(AssertionError):
    """An event was lost, counted twice, or never known to a decision."""


# --- What is sent --------------------------------------------------------------------------------------------------


def event(event_id: str, customer: str = "", kind: str = "", **payload: Any) -> dict[str, Any]:
    chosen = kind or random.choices(list(MIX), _SHARES)[0]
    return {
        "event_id": event_id, "customer_id": customer or f"C-{random.randrange(CUSTOMERS) + 1}", "type": chosen,
        "occurred_at": datetime.now(UTC).isoformat(), "payload": payload or MIX[chosen][1](),
    }  # fmt: skip


def events(tag: str, count: int) -> list[dict[str, Any]]:
    return [event(f"{tag}-{number}") for number in range(count)]


def bodies(sent: Sequence[dict[str, Any]]) -> list[bytes]:
    """Of POST /signals."""
    return [orjson.dumps({"events": sent[start : start + BATCH]}) for start in range(0, len(sent), BATCH)]


def entries(sent: Sequence[dict[str, Any]], size: int) -> list[list[bytes]]:
    """Of the stream, in the chunks that a producer adds at once."""
    encoded = [orjson.dumps(one) for one in sent]
    return [encoded[start : start + size] for start in range(0, len(encoded), size)]


class Channel:
    """One connection to the product."""

    def __init__(self, port: int, key: str) -> None:
        self._http = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._headers = {"Authorization": f"Api-Key {key}", "Content-Type": "application/json"}

    def post(self, path: str, body: bytes) -> Any:
        self._http.request("POST", path, body, self._headers)
        answer = self._http.getresponse()
        content = orjson.loads(answer.read())
        if answer.status >= 300:
            raise Failed(f"{path} answered {answer.status}: {content}")
        return content

    def signals(self, body: bytes) -> None:
        if self.post("/api/v1/signals", body)["rejected"]:
            raise Failed("the product rejected an event")

    def decide(self, customer: str) -> str:
        """A new decision, from what signals alone say of the session; returns its id."""
        from tests import bank

        made = self.post("/api/v1/decisions", bank.body(customer, uuid.uuid4().hex, context={}))
        return str(made["decision_id"])


def stream(entries: Sequence[bytes]) -> None:
    """Add events to the stream as a bank would."""
    from decisioning import store

    with store.client().pipeline(transaction=False) as pipe:
        for entry in entries:
            pipe.xadd(store.SIGNALS, {"event": entry})
        pipe.execute()


def drained() -> None:
    from decisioning import store

    while store.client().xlen(store.SIGNALS):
        time.sleep(0.01)


def nothing_is_lost(tag: str, sent: int) -> None:
    from decisioning.models import DeadLetter, EventReceipt, Signal

    stored = Signal.objects.filter(event_id__startswith=f"{tag}-").count()
    receipts = EventReceipt.objects.filter(event_id__startswith=f"{tag}-").count()
    if not stored == receipts == sent or DeadLetter.objects.exists():
        raise Failed(f"{sent} events were sent, {stored} are stored, {receipts} have receipts")


# --- Full load -----------------------------------------------------------------------------------------------------


def over_http(port: int, key: str, path: str) -> float:
    """Events a second, from the first byte to the last answer."""
    tag = uuid.uuid4().hex[:12]
    requests = [load.post(path, body, key) for body in bodies(events(tag, BATCHES * BATCH))]
    done = load.run(port, requests, CONNECTIONS)
    if done.refused:
        raise Failed(f"{done.refused} batches were refused")
    if path != "/echo-signals":
        nothing_is_lost(tag, BATCHES * BATCH)
    return done.per_second * BATCH


def over_stream() -> float:
    """Events a second, from the first that is added to the last that is committed and acknowledged."""
    tag = uuid.uuid4().hex[:12]
    chunks = entries(events(tag, BATCHES * BATCH), BATCH)
    started = time.perf_counter()
    for chunk in chunks:
        stream(chunk)
    drained()
    seconds = time.perf_counter() - started
    nothing_is_lost(tag, BATCHES * BATCH)
    return BATCHES * BATCH / seconds


def bare_copy() -> float:
    """Rows a second into a table without an index, a commit a batch."""
    from django.db import connection, transaction

    now = datetime.now(UTC)
    rows = [
        (number, one["event_id"], one["type"], now, now, orjson.dumps(one["payload"]).decode())
        for number, one in enumerate(events(uuid.uuid4().hex[:12], BATCHES * BATCH))
    ]
    started = time.perf_counter()
    for start in range(0, len(rows), BATCH):
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy("COPY bench_rows FROM STDIN") as copy:
            for row in rows[start : start + BATCH]:
                copy.write_row(row)
    return len(rows) / (time.perf_counter() - started)


def full_load(port: int, key: str, parent: psutil.Process) -> None:
    ways: dict[str, Callable[[], float]] = {
        "HTTP /signals": lambda: over_http(port, key, "/api/v1/signals"),
        "Redis Streams": over_stream,
        "echo of the same bodies": lambda: over_http(port, key, "/echo-signals"),
        "bare COPY of the same rows": bare_copy,
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    worked: dict[str, list[float]] = {name: [] for name in ways}
    for _, (name, run) in itertools.product(range(ROUNDS), ways.items()):
        before = processor_seconds(parent)
        rates[name].append(run())
        worked[name].append((processor_seconds(parent) - before) / BATCHES * 1000)
    median = {name: float(np.median(found)) for name, found in rates.items()}
    echo, copy = median["echo of the same bodies"], median["bare COPY of the same rows"]
    print(f"{BATCHES * BATCH} events of {CUSTOMERS} customers with {HISTORY} signals each, median of {ROUNDS} rounds")
    print(f"{'':30}{'events/s':>10}{'of echo':>9}{'of COPY':>9}{'CPU ms/1000':>13}")
    for name, rate in median.items():
        print(f"{name:30}{rate:10.0f}{rate / echo:9.2f}{rate / copy:9.2f}{np.median(worked[name]):13.0f}")
    print("CPU: processor time of web server, consumer, Postgres and Redis, which a busy machine does not lengthen")


def processor_seconds(parent: psutil.Process) -> float:
    """What the children of this process, and the servers, have worked so far."""
    servers = json.loads((FOLDER / "servers.json").read_text())
    roots = [parent, *(psutil.Process(servers[name]["pid"]) for name in ("postgres", "redis"))]
    working = {process.pid: process for root in roots for process in (root, *root.children(recursive=True))}
    working.pop(parent.pid)
    return float(sum(sum(process.cpu_times()[:2]) for process in working.values()))


# --- Steady load ---------------------------------------------------------------------------------------------------


def steady_load(port: int, key: str) -> None:
    print(f"\nsteady load of {RATE} events a second for {SECONDS} s, and every {EVERY} s a customer is decided on")
    of_thread = threading.local()

    def channel() -> Channel:
        if not hasattr(of_thread, "channel"):
            of_thread.channel = Channel(port, key)
        return cast(Channel, of_thread.channel)

    tag = uuid.uuid4().hex[:12]
    http = bodies(events(tag, RATE * SECONDS))
    print(f"HTTP /signals: {steady(tag, http, BATCH, lambda body: channel().signals(body), channel)}")
    tag = uuid.uuid4().hex[:12]
    added = entries(events(tag, RATE * SECONDS), CHUNK)
    print(f"Redis Streams: {steady(tag, added, CHUNK, stream, channel)}")


def steady(
    tag: str, chunks: Sequence[Any], size: int, send: Callable[[Any], None], channel: Callable[[], Channel]
) -> str:
    """Send each chunk of `size` events in its time, probe meanwhile, and say what came of it.

    A probe is an event of a customer who views a card that nobody else views; it is sent when it is due, whatever
    became of those before it.
    """
    started = time.perf_counter() + 1
    probes = [(started + number * EVERY, f"C-{number % CUSTOMERS + 1}", f"probe-{tag}-{number}")
              for number in range(int(SECONDS / EVERY))]  # fmt: skip

    def send_one(probe: tuple[str, str]) -> None:
        viewed = event(f"{tag}-{probe[1]}", probe[0], "card_view", card=probe[1])
        send([orjson.dumps(viewed)] if send is stream else bodies([viewed])[0])

    with ThreadPoolExecutor(CONNECTIONS) as senders, ThreadPoolExecutor(CONNECTIONS) as probing:
        sent = [
            senders.submit(_at, started + place * size / RATE, send, chunk) for place, chunk in enumerate(chunks)
        ]  # fmt: skip
        sent += [probing.submit(_at, due, send_one, (customer, card)) for due, customer, card in probes]
        seconds = [known_after(*probe, channel()) for probe in probes]
        for each in sent:
            each.result()
    drained()
    rate = len(chunks) * size / (time.perf_counter() - started)
    nothing_is_lost(tag, len(chunks) * size + len(probes))
    p50, p99 = np.percentile(seconds, [50, 99])
    return (
        f"{rate:.0f} events a second, nothing lost; from an event to a decision that knows it "
        f"p50 {p50:.3f} s, p99 {p99:.3f} s, at most {max(seconds):.3f} s, of {len(seconds)}"
    )


def _at(due: float, work: Callable[[Any], None], argument: Any) -> None:
    time.sleep(max(0.0, due - time.perf_counter()))
    work(argument)


def known_after(due: float, customer: str, card: str, channel: Channel) -> float:
    """Seconds from when a probe was due to the answer of the first decision that knows it. Those after it wait until
    it is known, and their time runs: they cannot be known much earlier."""
    time.sleep(max(0.0, due - time.perf_counter()))
    while time.perf_counter() - due < PATIENCE:
        made, answered = channel.decide(customer), time.perf_counter()
        if card in viewed_cards(made):
            return answered - due
        # A tenth of the time so far: whoever asks all the time takes the processor from what is waited for.
        time.sleep(max(PAUSE, (answered - due) / 10))
    raise Failed(f"no decision of {customer} knows {card}")


def viewed_cards(decision: str) -> Sequence[str]:
    """What the decision knew, from its own record."""
    from decisioning import decision_log
    from decisioning.models import Decision

    cards: Sequence[str] = decision_log.inputs(Decision.objects.get(id=decision))[1].attributes.get("cards_viewed", ())
    return cards


# --- What it runs on -----------------------------------------------------------------------------------------------


def prepare() -> str:
    """The decision benchmark's bank with more customers, each with a month of signals; returns an API key."""
    from decisioning.models import Customer
    from tests import bank

    bench_decision.prepare()
    there = Customer.objects.count()
    if there < CUSTOMERS:
        bank.customers(CUSTOMERS - there, first=there + 1)
    _history()
    key = bank.key()
    bank.warm()
    return key


def _history() -> None:
    """The same month for every run; what earlier runs left goes."""
    from django.db import connection, connections

    from decisioning import store
    from decisioning.models import Customer

    store.client().delete(store.SIGNALS)
    with connections["owner"].cursor() as cursor:
        cursor.execute("TRUNCATE decisioning_signal, decisioning_eventreceipt, decisioning_deadletter")
        cursor.execute("DROP TABLE IF EXISTS bench_rows")
        cursor.execute(
            "CREATE TABLE bench_rows (customer_id bigint, event_id text, type text, occurred_at timestamptz, "
            "known_at timestamptz, payload jsonb)"
        )
    ids = list(Customer.objects.values_list("id", flat=True))
    now = datetime.now(UTC)
    with connection.cursor() as cursor, cursor.copy(
        "COPY decisioning_signal (customer_id, event_id, type, occurred_at, known_at, payload) FROM STDIN"
    ) as rows:  # fmt: skip
        for customer, number in itertools.product(ids, range(HISTORY)):
            one = event(f"history-{number}")
            at = now - timedelta(days=30 * random.random())
            rows.write_row((customer, one["event_id"], one["type"], at, at, orjson.dumps(one["payload"]).decode()))
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE decisioning_signal")


@contextmanager
def product(port: int) -> Iterator[None]:
    """The web server and one consumer of the stream, as `make demo` starts them."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.benchmarks.echo_settings"}
    consume = [sys.executable, str(ROOT / "manage.py"), "consume", "redis"]
    children = [
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in (web_server(port), consume)
    ]
    try:
        bench_decision.wait_for(port)
        yield
    finally:
        for child in children:
            child.terminate()
            child.wait()


def main() -> None:
    with django_over(FOLDER):
        key = prepare()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with product(port):
            over_http(port, key, "/api/v1/signals")  # warm
            over_stream()
            full_load(port, key, psutil.Process())
            steady_load(port, key)


if __name__ == "__main__":
    main()
