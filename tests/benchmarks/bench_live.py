"""How soon what was approved or stopped is so in every worker process, under a steady load of decisions over HTTP.

Changes are approved through the gate, and offers stopped and resumed, one after the other. Each is timed from its
commit, in each worker process: to the first decision under the new release and to the last under an older one; to the
last answer that shows the stopped offer, of new decisions and of leased ones apart. An answer counts when its last byte
has come. RATE (150 decisions a second), WORKERS (4) and EVENTS (32) come from the environment.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from console.web import web_server
from tests import factories
from tests.benchmarks import bench_decision
from tests.benchmarks.servers import VAR, django_over

RATE, WORKERS, EVENTS = (int(os.environ.get(name, default)) for name, default in
                         (("RATE", "150"), ("WORKERS", "4"), ("EVENTS", "32")))  # fmt: skip
HEADER = "X-Process"  # of tests.benchmarks.live_settings
CONNECTIONS, PAUSE, TARGET = 24, 1.5, 1.0  # seconds that an event is watched; seconds at p99
ROOT = Path(__file__).resolve().parents[2]
FOLDER = VAR / "bench-live"


@dataclass(frozen=True, slots=True)
class Event:
    """A commit and the end of its watch; `release` is the new one, or `offer` the stopped one."""

    committed: float
    until: float
    release: int = 0
    offer: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    began: float
    ended: float
    process: int
    release: int
    reused: bool
    offers: list[str]


@dataclass
class Steady:
    """The load, in a process of its own; its answers are there once it has ended."""

    process: subprocess.Popen[bytes]
    answers: list[Answer] = field(default_factory=list)
    refused: int = 0

    def end(self) -> None:
        said = orjson.loads(self.process.communicate(timeout=60)[0])
        self.answers = [Answer(*row) for row in said["answers"]]
        self.refused = said["refused"]


@contextmanager
def product(port: int) -> Iterator[None]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.benchmarks.live_settings"}
    server = subprocess.Popen(web_server(port, workers=WORKERS), env=environment, stderr=subprocess.DEVNULL)
    try:
        bench_decision.wait_for(port)
        await_workers(port)
        yield
    finally:
        server.terminate()
        server.wait()


def await_workers(port: int) -> None:
    """Until each worker has answered: one that is still starting would get none of the load's connections."""
    seen: set[str | None] = set()
    deadline = time.monotonic() + 120
    while len(seen) < WORKERS:
        if time.monotonic() > deadline:
            raise SystemExit("not every worker started")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
            seen.add(answer.headers[HEADER])


@contextmanager
def loaded(port: int, key: str) -> Iterator[Steady]:
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.steady",
        *map(str, (port, bench_decision.CUSTOMERS, RATE, CONNECTIONS, WORKERS)),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert process.stdin is not None
        process.stdin.write(key.encode() + b"\n")
        process.stdin.flush()
        await_decisions(40 * WORKERS)  # until every worker has everything in memory
        steady = Steady(process)
        yield steady
        steady.end()
    finally:
        process.kill()
        process.wait()


def await_decisions(count: int) -> None:
    from decisioning.models import Decision

    wanted, deadline = Decision.objects.count() + count, time.monotonic() + 120
    while Decision.objects.count() < wanted:
        if time.monotonic() > deadline:
            raise SystemExit("the web server does not decide")
        time.sleep(0.2)


def committed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Run in a transaction; the moment of its commit, before anybody was told of it, and what the work returned."""
    from django.db import transaction

    moments: list[float] = []
    with transaction.atomic():
        transaction.on_commit(lambda: moments.append(time.monotonic()))
        result = work()
    return moments[0], result


def approval(number: int) -> Event:
    """Another value of an offer, proposed, computed for everybody, and approved by a second person."""
    from django.utils import timezone

    from fairness import evidence
    from offers import snapshot
    from offers.catalog import Item

    live, now, key = snapshot.live_row(), timezone.now(), f"offer-{number % bench_decision.OFFERS}"
    assert live is not None
    offer = live.content["offer"][key]
    item = Item("offer", key, {**offer, "value": offer["value"] + 1})
    change = factories.propose([item], author=factories.author_of_anything(), now=now)
    evidence.compute(change, now)
    checker = factories.make_user("risk_approver", "checker")
    moment, release = committed(lambda: factories.approve(change, checker, now=timezone.now()))
    time.sleep(PAUSE)
    return Event(moment, time.monotonic(), release=release.number)


def stop(number: int) -> Event:
    """Stop the offer that is shown most, watch, and let a second person resume it."""
    from django.utils import timezone

    from decisioning import rebuild
    from decisioning.models import Decision
    from offers import roles, stopping
    from tests import bank

    shown = Decision.objects.order_by("-id").values_list("offer", flat=True)[:300]
    target = Counter(offer for offer in shown if offer).most_common(1)[0][0]
    officers = bank.person("rosa", roles.RISK_APPROVER), bank.person("clara", roles.COMPLIANCE)
    names: dict[str, Any] = {"scope": "offer", "target": target}
    moment, _ = committed(
        lambda: stopping.stop(**names, reason="A benchmark.", officer=officers[0], now=timezone.now())
    )
    rebuild.announce()
    time.sleep(PAUSE)
    until = time.monotonic()
    committed(lambda: stopping.resume(**names, officer=officers[1], now=timezone.now()))
    rebuild.announce()
    time.sleep(PAUSE / 2)
    return Event(moment, until, offer=target)


def by_process(answers: list[Answer], event: Event) -> dict[int, list[Answer]]:
    """The answers that end within the watch of an event, or were under way when it was committed."""
    found: dict[int, list[Answer]] = {answer.process: [] for answer in answers}
    for answer in answers:
        if event.committed <= answer.ended <= event.until:
            found[answer.process].append(answer)
    return found


def last(answers: list[Answer], event: Event) -> float:
    """Seconds from the commit to the last of these answers; 0 where none came after it."""
    return max((answer.ended - event.committed for answer in answers), default=0.0)


def report(name: str, seconds: list[float]) -> bool:
    p50, p99, most = np.percentile(seconds, (50, 99, 100)) * 1_000
    print(f"  {name:58}{p50:9.1f}{p99:9.1f}{most:9.1f}{len(seconds):9d}", flush=True)
    return bool(p99 <= TARGET * 1_000)


def approvals(answers: list[Answer], events: list[Event]) -> bool:
    first, old = [], []
    for event in events:
        for made in by_process(answers, event).values():
            fresh = [answer for answer in made if not answer.reused]
            new = [answer.ended - event.committed for answer in fresh if answer.release >= event.release]
            first.append(min(new, default=float("inf")))
            old.append(last([answer for answer in fresh if answer.release < event.release], event))
    held = report("approval to the first decision under the new release", first)
    return report("approval to the last decision under an older one", old) and held


def stops(answers: list[Answer], events: list[Event]) -> bool:
    held = True
    for reused, name in (
        (False, "stop to the last new decision with the offer"),
        (True, "stop to the last leased one"),
    ):
        shown = [
            last([answer for answer in made if answer.reused == reused and event.offer in answer.offers], event)
            for event in events
            for made in by_process(answers, event).values()
        ]
        held &= report(name, shown)
    return held


def load_report(steady: Steady, seconds: float) -> None:
    taken = np.array([answer.ended - answer.began for answer in steady.answers]) * 1_000
    p50, p99 = np.percentile(taken, (50, 99))
    leased = np.mean([answer.reused for answer in steady.answers])
    processes = Counter(answer.process for answer in steady.answers)
    print(
        f"{len(steady.answers) / seconds:.0f} decisions a second of {RATE}, {100 * leased:.0f} % of them leased, "
        f"{steady.refused} refused; p50 {p50:.1f} ms, p99 {p99:.1f} ms; by process {sorted(processes.values())}"
    )


def measure(port: int, key: str) -> bool:
    with product(port), loaded(port, key) as steady:
        began = time.monotonic()
        changed, stopped = [], []
        for number in range(EVENTS):
            changed.append(approval(number))
            stopped.append(stop(number))
        seconds = time.monotonic() - began
    steady.answers = [answer for answer in steady.answers if answer.began >= began]
    load_report(steady, seconds)
    print(f"{f'{WORKERS} processes, milliseconds for each':60}{'p50':>9}{'p99':>9}{'max':>9}{'n':>9}")
    released = approvals(steady.answers, changed)
    return stops(steady.answers, stopped) and released


def main() -> None:
    with django_over(FOLDER):
        key = bench_decision.prepare()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        if not measure(port, key):
            raise SystemExit(f"not within {TARGET:.0f} s at p99")


if __name__ == "__main__":
    main()
