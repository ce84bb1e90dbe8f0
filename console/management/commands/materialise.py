"""Compute everybody's features now, in this process; a Celery task does the same every night."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from decisioning import jobs
from decisioning.features import materialise
from decisioning.features.engines import folder


class Command(BaseCommand):
    help = "Compute the features of every customer from history and bring them to Postgres and Redis."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--history", type=Path, help="compute from this folder of export_history, with DuckDB")
        parser.add_argument("--spark", action="store_true", help="compute from that folder with Spark instead")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["spark"] and not options["history"]:
            raise CommandError("--spark needs --history FOLDER")
        began = time.monotonic()
        try:
            made = self._make(options["history"], spark=options["spark"])
        except folder.UnfinishedExport as error:
            raise CommandError(str(error)) from None
        except jobs.AlreadyRunning:
            raise CommandError("the population is being materialised already") from None
        self.stdout.write(f"{made:,} customers in {time.monotonic() - began:.1f} s")

    def _make(self, history: Path | None, *, spark: bool) -> int:
        now = timezone.now()
        if history is None:
            return materialise.population(now, self._progress)
        as_of = folder.as_of(history)
        if not spark:
            from decisioning.features.engines.duckdb import DuckDB

            return materialise.population_from(DuckDB(history), as_of, now, self._progress)
        try:
            from pyspark.sql import SparkSession

            from decisioning.features.engines.spark import Spark
        except ImportError:
            raise CommandError("Spark is an optional extra: install pyspark, and Java 17 or newer") from None
        session = SparkSession.builder.appName("candor").getOrCreate()
        return materialise.population_from(Spark(session, history), as_of, now, self._progress)

    def _progress(self, done: int, total: int) -> None:
        self.stderr.write(f"{done:,} of {total:,} customers")
