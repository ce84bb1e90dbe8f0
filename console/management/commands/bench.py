"""Run the benchmarks one after the other, each in a process of its own; exits with 1 if one fails."""

import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

FOLDER = Path(settings.BASE_DIR) / "tests" / "benchmarks"


class Command(BaseCommand):
    help = "Run the benchmarks: each prints its figures beside a peer or a floor measured in the same run."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", help="such as decision or bandit; all of them if none is named")

    def handle(self, *args: Any, **options: Any) -> None:
        there = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
        unknown = set(options["names"]) - set(there)
        if unknown:
            raise CommandError(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(there)}")
        failed = []
        for name in options["names"] or there:
            self.stdout.write(f"== {name}")
            self.stdout.flush()
            command = [sys.executable, "-m", f"tests.benchmarks.bench_{name}"]
            if subprocess.run(command, cwd=settings.BASE_DIR, check=False).returncode:
                failed.append(name)
        if failed:
            raise CommandError(f"failed: {', '.join(failed)}")
