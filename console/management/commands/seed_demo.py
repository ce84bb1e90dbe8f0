"""`manage.py seed_demo`: makes or completes the synthetic bank of the demo; what it consists of is in console/bank."""

from __future__ import annotations

import argparse
import logging
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from console.bank import seeding, staff
from console.demo_access import DEFAULT_CUSTOMERS
from decisioning import jobs


class Command(BaseCommand):
    """A second run with the same arguments continues where the first stopped, and doubles nothing."""

    help = "Make the demo's synthetic bank: people, customers, catalogue, approvals, decisions, outcomes, model, audit."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Size and seed."""
        parser.add_argument("--customers", type=_positive, default=DEFAULT_CUSTOMERS)
        parser.add_argument("--seed", type=int, default=7)

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, with progress; exit code 1 where it cannot be done, 130 after Ctrl-C."""
        logging.getLogger().setLevel(logging.WARNING)
        plan = seeding.Plan(options["customers"], options["seed"])
        try:
            with Report(self) as report:
                seeding.seed(plan, progress=report)
        except (staff.NotTheDemo, seeding.AnotherSeed) as fault:
            raise CommandError(str(fault)) from fault
        except jobs.AlreadyRunning as fault:
            raise CommandError("another seed_demo is at work on this bank") from fault
        self.stdout.write(f"The bank has {plan.customers:,} customers ({report.seconds:.1f} s).")


class Report:
    """Progress bars on a terminal; in a log, one line for each step that ended, with its rate."""

    def __init__(self, command: BaseCommand) -> None:
        self._command = command
        self._started = time.perf_counter()
        self._bars = Progress(
            TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            disable=not command.stdout.isatty(),
        )  # fmt: skip
        self._step: tuple[str, int, float, TaskID] | None = None  # name, where it started, when, its bar

    def __enter__(self) -> Report:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    def __call__(self, step: str, done: int, total: int) -> None:
        """Called again and again; a new name, or a start from the beginning, begins a new step."""
        if self._step is None or self._step[0] != step:
            self._step = step, done, time.perf_counter(), self._bars.add_task(step, total=total, completed=done)
        name, start, since, bar = self._step
        self._bars.update(bar, completed=done, total=total)
        if done >= total:
            took = time.perf_counter() - since
            if self._bars.disable:
                rate = f", {(done - start) / took:,.0f} a second" if done - start > 10 else ""
                self._command.stdout.write(f"{self.seconds:7.1f} s  {name}: {done:,} ({took:.1f} s{rate})")
                self._command.stdout.flush()
            self._step = None


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
