"""What goes live or is stopped is so for every request that comes after its commit, in every process, under load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from decisioning import learn, rebuild, runtime, store
from decisioning.features import online
from decisioning.models import Presentation
from offers import roles, stopping
from tests import bank, catalogue

PROCESSES, CUSTOMERS, ROUNDS = 3, 40, 3
ENOUGH, PATIENCE = 40, 60.0  # answers of each process in a span; seconds

Answer = dict[str, Any]


@dataclass(frozen=True)
class Span:
    """From when on something must hold, and until when, on this machine's clock."""

    target: str
    since: float
    until: float
    committed: int = 0  # presentations that were committed in it,
    shown: int = 0  # and those among them that show the target

    def covers(self, answer: Answer) -> bool:
        return bool(self.since <= answer["began"] and answer["ended"] <= self.until)


@pytest.fixture
def product(live_db: None) -> Iterator[None]:
    bank.customers(CUSTOMERS)
    bank.publish(roomy())
    learn.run(timezone.now())
    bank.warm()
    yield
    runtime.forget()


def roomy(value: float = 100.0) -> catalogue.Content:
    """Caps that nobody reaches in a test that asks as fast as it can."""
    content = catalogue.content()
    content["contact_policy"]["default"] |= dict.fromkeys(
        ("decisions_per_day", "decisions_per_week", "same_offer_per_week"), 1000
    )
    content["offer"]["offer-0"]["value"] = value
    return content


class Asking:
    """A process that asks, and what it was answered so far."""

    def __init__(self, name: str) -> None:
        command = [sys.executable, "-m", "tests.decisioning.asking", name, str(CUSTOMERS)]
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "console.settings"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=settings.BASE_DIR
        )  # fmt: skip
        self.ready = threading.Event()
        self.answers: list[Answer] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            if told == "ready":
                self.ready.set()
            else:
                self.answers.append(told)

    def since(self, moment: float) -> int:
        """How many of its answers were asked for from a moment on."""
        return sum(answer["began"] >= moment for answer in list(self.answers))

    def kill(self) -> None:
        self.process.kill()
        self._reader.join(PATIENCE)
        with self.process:
            pass  # waits, and closes its pipes

    def end(self) -> list[Answer]:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._reader.join(PATIENCE)
        assert self.process.wait(PATIENCE) == 0
        return self.answers


def asking(work: Any) -> tuple[list[list[Answer]], list[Span]]:
    """What `work` does while several processes ask; their answers, and the spans that it returned."""
    running = [Asking(f"p{number}") for number in range(PROCESSES)]
    try:
        for one in running:
            assert one.ready.wait(PATIENCE)
        spans = [work(number, running) for number in range(ROUNDS)]
        answers = [one.end() for one in running]
    finally:
        for one in running:
            one.kill()
    return answers, spans


def a_stop(number: int, running: list[Asking]) -> Span:
    """Stop an offer for a while. What is asked from the commit on must not show it, though nobody was told yet."""
    target = f"offer-{number % 3}"
    names = {"scope": "offer", "target": target}
    with transaction.atomic():
        stopping.stop(
            **names, reason="A test.", officer=bank.person("rosa", roles.RISK_APPROVER), now=timezone.now()
        )  # fmt: skip
    since, since_at = time.monotonic(), timezone.now()
    rebuild.announce()
    await_answers(running, since)
    until = time.monotonic()
    # Counted before it is resumed: whoever asked in the span may be answered after it.
    committed = Presentation.objects.filter(at__gte=since_at)
    counts = committed.count(), committed.filter(offers__contains=[target]).count()
    with transaction.atomic():
        stopping.resume(**names, officer=bank.person("clara", roles.COMPLIANCE), now=timezone.now())
    rebuild.announce()
    await_answers(running, time.monotonic())
    return Span(target, since, until, *counts)


def await_answers(running: list[Asking], since: float) -> None:
    """Of each process: a busy machine may let one of them wait for long."""
    deadline = time.monotonic() + PATIENCE
    while any(one.since(since) < ENOUGH for one in running):
        assert time.monotonic() < deadline, "the processes no longer answer"
        time.sleep(0.05)


def test_after_a_stop_commits_no_process_shows_the_offer_again_also_not_to_a_leased_session(product: None) -> None:
    answers, spans = asking(a_stop)
    for span in spans:
        for process in answers:
            within = [answer for answer in process if span.covers(answer)]
            assert {answer["reused"] for answer in within} == {True, False}, "nothing was asked, so nothing is shown"
            assert not [answer for answer in within if span.target in answer["offers"]]
        assert (span.committed > 0, span.shown) == (True, 0)
    assert lost(answers, spans), "no session lost the offer that it had been shown"


def lost(answers: list[list[Answer]], spans: list[Span]) -> Counter[str]:
    """Sessions by the offer that they were shown before its stop and not when they came again."""
    found: Counter[str] = Counter()
    for process in answers:
        for span in spans:
            before = {row["session"] for row in process if row["ended"] < span.since and span.target in row["offers"]}
            after = {row["session"] for row in process if span.covers(row) and row["reused"]}
            found[span.target] += len(before & after)
    return +found


def a_release(number: int, running: list[Asking]) -> Span:
    release = bank.publish(roomy(101.0 + number))
    since = time.monotonic()
    await_answers(running, since)
    return Span(str(release.number), since, time.monotonic())


def test_once_a_release_is_announced_every_process_decides_under_it(product: None) -> None:
    answers, spans = asking(a_release)
    for span in spans:
        for process in answers:
            within = [answer for answer in process if span.covers(answer)]
            assert {answer["release"] for answer in within} == {int(span.target)}


@pytest.mark.django_db
def test_whoever_announces_late_does_not_put_back_what_is_no_longer_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process reads what is in force; before it tells Redis, another publishes a release."""
    bank.customers(1)
    bank.publish(roomy())
    bank.warm()
    read = online.versions_in_postgres
    overtaken: list[int] = []

    def slowly() -> online.Versions:
        found = read()
        if not overtaken:
            overtaken.append(found.release)
            bank.publish(roomy(101.0))
        return found

    monkeypatch.setattr(online, "versions_in_postgres", slowly)
    rebuild.announce()
    told = store.client().hget(store.VERSIONS, "release")
    assert isinstance(told, bytes)
    assert overtaken == [int(told) - 1]
    assert read().release == int(told)
    runtime.forget()
