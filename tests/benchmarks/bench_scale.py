"""The synthetic bank from 10,000 to 1,000,000 customers: seconds and memory to load, materialise, score and decide on
every one of them. SIZES may be given in the environment, "10000 100000". The floor of a decision is the read of its
inputs from Redis, in the same processes."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil

from tests.benchmarks.servers import VAR, django_over

SIZES = (10_000, 100_000, 1_000_000)
FOLDER = VAR / "bench-scale"
SEED, PROCESSES = 7, 2


@dataclass
class Step:
    """Seconds of a step and the most memory (bytes) that this process and its children held meanwhile."""

    seconds: float
    memory: int
    result: Any


def measured(work: Callable[[], Any]) -> Step:
    with multiprocessing.get_context("fork").Manager() as manager:
        most, ended = manager.Value("q", 0), manager.Event()
        watcher = multiprocessing.get_context("fork").Process(target=_watch, args=(os.getpid(), most, ended))
        watcher.start()
        started = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - started
        ended.set()
        watcher.join()
        return Step(seconds, most.value, result)


def _watch(pid: int, most: Any, ended: Any) -> None:
    """The proportional set size of the process and its children, twice a second: shared pages count once."""
    own = os.getpid()
    while not ended.wait(0.5):
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        total = 0
        for process in family:
            try:
                if process.pid != own:
                    total += process.memory_full_info().pss
            except psutil.Error:
                continue
        most.value = max(most.value, total)


def load(size: int) -> int:
    from console.bank import customers
    from decisioning.models import Job

    first = Job.objects.filter(kind="seed_demo").order_by("id").first()
    assert first is not None
    return customers.load(size, seed=SEED, opened=first.started_at, progress=lambda _: None)


def begin(size: int) -> None:
    """The smallest bank, whole: releases, sessions, a champion."""
    from console.bank import seeding

    seeding.seed(seeding.Plan(size, SEED), progress=lambda *_: None)


def materialise() -> int:
    from django.utils import timezone

    from decisioning.features import materialise

    return materialise.population(timezone.now())


def score() -> int:
    from django.utils import timezone

    from decisioning import scoring

    return scoring.score_population(timezone.now())


def decide_all(size: int) -> tuple[int, float]:
    """Every customer decided on without a session and without a commit, by PROCESSES processes; returns how many had an
    offer and the share of their time that the floor, the bare read, takes."""
    part = -(-size // PROCESSES)
    parts = [(first, min(first + part, size)) for first in range(0, size, part)]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        found = pool.starmap(_decide, parts)
    return sum(offers for offers, _, _ in found), sum(read for _, read, _ in found) / sum(all_ for _, _, all_ in found)


def _decide(first: int, last: int) -> tuple[int, float, float]:
    import django

    django.setup()
    from console.bank import people
    from decisioning import identity, runtime
    from decisioning.decide import decide
    from decisioning.features import online
    from decisioning.known import known
    from decisioning.types import DecisionRequest

    now, session = datetime.now(UTC), identity.session_hash("bench")
    offers, reading = 0, 0.0
    started = time.perf_counter()
    for number in range(first, last):
        external = people.external_id(number)
        before = time.perf_counter()
        read = online.read(external, identity.token(external), session, now)
        reading += time.perf_counter() - before
        engine = runtime.engine(read.versions)
        asked = DecisionRequest(read.profile.customer, session, "email", "offer_slot", 1, now, {})
        known_now = known(read, engine, {}, now)
        made = decide(asked, known_now, engine.plan, engine.posterior, identity.draw_key(identity.new_id(now)))
        offers += made.reason is None
    return offers, reading, time.perf_counter() - started


def redis_bytes() -> int:
    from decisioning import store

    return int(store.client().info("memory")["used_memory"])


def _steps(size: int, *, first: bool) -> dict[str, Callable[[], Any]]:
    before: dict[str, Callable[[], Any]] = (
        {"whole bank": lambda: begin(size)} if first else {"load": lambda: load(size)}
    )
    return {**before, "materialise": materialise, "score": score, "decide": lambda: decide_all(size)}


def run(sizes: list[int]) -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    print(f"{'customers':>10} {'step':<12}{'seconds':>9}{'customers/s':>13}{'memory MB':>11}")
    for place, size in enumerate(sizes):
        for name, work in _steps(size, first=place == 0).items():
            step = measured(work)
            print(f"{size:>10,} {name:<12}{step.seconds:>9.1f}{size / step.seconds:>13,.0f}"
                  f"{step.memory / 1e6:>11,.0f}", flush=True)  # fmt: skip
        offers, share = step.result
        print(f"{'':>10} {offers:,} of {size:,} were given an offer; the bare read is {share:.0%} of a decision; Redis "
              f"holds {redis_bytes() / size:,.0f} bytes a customer", flush=True)  # fmt: skip


def main() -> None:
    sizes = sorted(int(size) for size in os.environ.get("SIZES", "").split()) or list(SIZES)
    os.environ["CANDOR_DEMO"] = "1"
    with django_over(FOLDER):
        from django.conf import settings

        settings.VAR = FOLDER  # the sign-ins that seeding writes down are this bank's
        run(sizes)


if __name__ == "__main__":
    main()
