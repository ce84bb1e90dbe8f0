"""`manage.py simulate`: policies compared on the synthetic bank, the running product driven as its channels would, and
what its client logged held against the tables."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console.bank import client, reconcile, world
from decisioning import simulator
from decisioning.simulator import POLICIES, Run, Summary

_MILESTONES = (1, 3, 7, 14, 21, 30)


class Command(BaseCommand):
    """Without --live and --check: a comparison in memory, which touches no table."""

    help = "Compare policies over simulated days; --live drives the running demo; --check LOG compares log and tables."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Days, seeds and sizes; then the two other modes."""
        parser.add_argument("--days", type=_positive, default=30)
        parser.add_argument("--seeds", type=_positive, default=5, help="how many (comparison)")
        parser.add_argument("--seed", type=int, default=7, help="of the bank (--live)")
        parser.add_argument("--customers", type=_positive, help="20000, or 6000 in the comparison")
        parser.add_argument("--visits", type=_positive, default=150, help="sessions a day")
        parser.add_argument("--json", action="store_true", help="the comparison as JSON")
        parser.add_argument("--live", action="store_true", help="drive the demo that var/demo.json names, over HTTP")
        parser.add_argument("--threads", type=_positive, default=4, help="connections (--live)")
        parser.add_argument("--log", type=Path, help="where --live writes what was acknowledged")
        parser.add_argument("--check", type=Path, metavar="LOG", help="compare such a log with the tables")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 1 where the product refuses or a check finds a fault, 130 after Ctrl-C."""
        if options["check"]:
            self._check(options["check"])
        elif options["live"]:
            self._live(options)
        else:
            self._compare(options)

    # --- In memory ---------------------------------------------------------------------------------------------------
    def _compare(self, options: dict[str, Any]) -> None:
        seeds, days = range(1, options["seeds"] + 1), options["days"]
        started = time.perf_counter()
        runs = self._runs(seeds, days, options["customers"] or 6_000, options["visits"])
        milestones = sorted({day for day in _MILESTONES if day < days} | {days})
        summaries = simulator.summarise(runs, milestones)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(runs, summaries), indent=1))
            return
        visits = sum(run.visits for run in runs) / len(runs)
        self.stdout.write(
            f"\nCumulative expected reward, mean of {len(runs)} seeds ± standard error; {visits:,.0f} visits a seed, "
            f"{time.perf_counter() - started:.0f} s\n"
        )
        for line in _table(summaries, milestones):
            self.stdout.write(line)

    def _runs(self, seeds: Sequence[int], days: int, customers: int, visits: int) -> list[Run]:
        """One process a seed, as many at once as there are cores."""
        context = multiprocessing.get_context("spawn")
        ticks = context.Manager().Queue()
        bars = Progress(
            TextColumn("days of all seeds"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            disable=not self.stderr.isatty(),
        )  # fmt: skip
        pool = ProcessPoolExecutor(os.cpu_count(), mp_context=context, initializer=django.setup)
        try:
            with bars:
                bar = bars.add_task("", total=len(seeds) * days)
                waiting: list[Future[Run]] = [pool.submit(_run, seed, days, customers, visits, ticks) for seed in seeds]
                while not all(future.done() for future in waiting):
                    time.sleep(0.2)
                    while not ticks.empty():
                        ticks.get()
                        bars.advance(bar)
            return [future.result() for future in waiting]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()

    # --- The running product -----------------------------------------------------------------------------------------
    def _live(self, options: dict[str, Any]) -> None:
        try:
            access = json.loads((Path(settings.VAR) / "demo.json").read_text())
        except (OSError, json.JSONDecodeError) as fault:
            raise CommandError("no demo is running: start it with `make demo`") from fault
        path = options["log"] or Path(settings.VAR) / f"simulate-{secrets.token_hex(3)}.jsonl"
        numbers = range(options["days"] * options["visits"])
        started = time.perf_counter()
        with path.open("a") as file, Progress(disable=not self.stderr.isatty()) as bars:
            bar = bars.add_task("sessions", total=len(numbers))
            driver = client.Client(
                access, client.Log(file), secrets.token_hex(4), options["seed"], options["customers"] or 20_000
            )
            try:
                driver.live(numbers, threads=options["threads"], progress=lambda done: bars.update(bar, completed=done))
            except (client.NoAnswer, client.Refused) as fault:
                raise CommandError(str(fault)) from fault
        tally, took = driver.tally, time.perf_counter() - started
        self.stdout.write(
            f"{tally.decisions:,} decisions ({tally.without_offer:,} without an offer), {tally.outcomes:,} outcomes, "
            f"reward {tally.reward:,.1f}, {tally.retries:,} repeats; {tally.decisions / took:,.0f} sessions a second"
        )
        self.stdout.write(f"What was acknowledged: {path}")
        if tally.unknown:
            raise CommandError(f"{tally.unknown:,} customers are unknown: is --customers the size of the bank?")

    def _check(self, path: Path) -> None:
        try:
            decisions, outcomes = client.read_log(path)
        except OSError as fault:
            raise CommandError(f"{path}: {fault.strerror}") from fault
        findings = reconcile.check(decisions, outcomes)
        self.stdout.write(
            f"{findings.decisions:,} acknowledged decisions and {findings.outcomes:,} outcomes compared "
            f"with the tables, {findings.learned:,} learned; {findings.waiting:,} outcomes still wait for the learner"
        )
        for line in findings.faults[:20]:
            self.stdout.write(f"  {line}")
        if findings.faults:
            raise CommandError(f"{len(findings.faults):,} faults")
        if not decisions:
            raise CommandError("the log holds no decision: nothing was compared")
        self.stdout.write("Nothing is missing, and nothing was learned twice.")


def _run(seed: int, days: int, customers: int, visits: int, ticks: Any) -> Run:
    """One seed, in a process of its own."""
    bank = world.BankWorld(seed=seed, customers=customers, visits_a_day=visits)
    return simulator.simulate(world.release(), bank, days=days, seed=seed, progress=ticks.put)


def _table(summaries: Sequence[Summary], milestones: Sequence[int]) -> list[str]:
    by = {(summary.policy, summary.day): summary for summary in summaries}
    lines = [f"{'day':>5}" + "".join(f"{name:>24}" for name in POLICIES)]
    for day in milestones:
        cells = (by[name, day] for name in POLICIES)
        lines.append(f"{day:>5}" + "".join(f"{_cell(cell):>24}" for cell in cells))
    return lines


def _cell(summary: Summary) -> str:
    share = "" if summary.of_oracle is None else f" {summary.of_oracle:4.0%}"
    return f"{summary.mean:8.1f} ±{summary.standard_error:5.1f}{share}"


def _as_json(runs: Sequence[Run], summaries: Sequence[Summary]) -> dict[str, Any]:
    return {
        "policies": [
            {
                "name": summary.policy, "day": summary.day, "value": summary.mean,
                "standard_error": summary.standard_error, "of_oracle": summary.of_oracle,
            }
            for summary in summaries
        ],
        "runs": [
            {
                "seed": run.seed, "visits": run.visits,
                "expected": {name: days.tolist() for name, days in run.expected.items()},
                "realised": {name: days.tolist() for name, days in run.realised.items()},
            }
            for run in runs
        ],
    }  # fmt: skip


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
