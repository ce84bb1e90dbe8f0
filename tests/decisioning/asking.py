"""One process of a channel: asks for new sessions and for leased ones until its input closes, and says line by line
what it is answered, with the moments (CLOCK_MONOTONIC, the same in every process) between which it asked for it."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from django.db import connections
from django.utils import timezone

THREADS, WARM = 2, 20  # answers before it says that it is ready


def main(name: str, customers: int) -> None:
    django.setup()
    ended, warm = threading.Event(), threading.Barrier(THREADS + 1)
    with ThreadPoolExecutor(THREADS) as pool:
        running = [pool.submit(_ask, f"{name}-{number}", customers, ended, warm) for number in range(THREADS)]
        warm.wait()
        _say("ready")
        sys.stdin.read()
        ended.set()
        for thread in running:
            thread.result()


def _say(what: Any) -> None:
    """One write, so that the lines of two threads do not mix."""
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


def _ask(name: str, customers: int, ended: threading.Event, warm: threading.Barrier) -> None:
    """Every other time a session of before, from then on in the hands of a lease."""
    from decisioning import serve

    rng = random.Random(name)
    answered = 0
    asked: list[tuple[str, str]] = []
    while not ended.is_set():
        if asked and rng.random() < 0.5:
            customer, session = rng.choice(asked[-40:])
        else:
            customer, session = f"C-{rng.randint(1, customers)}", f"{name}-{answered}"
            asked.append((customer, session))
        began = time.monotonic()
        answer = serve.ask(serve.Ask(customer, session, "mobile_app", "home_banner", 2, {}), timezone.now())
        _say(
            {
                "began": began, "ended": time.monotonic(), "reused": answer.reused, "session": session,
                "release": answer.engine.plan.release.number,
                "offers": [shown.choice.offer for shown in answer.presented.shown],
            }
        )  # fmt: skip
        answered += 1
        if answered == WARM:
            warm.wait()
    connections.close_all()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
