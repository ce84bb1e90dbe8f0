"""Write history to Parquet for training on DuckDB or Spark."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from decisioning.features.export import export_parquet


class Command(BaseCommand):
    help = "Write the history that features are computed from to a folder of Parquet, one subfolder a source."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        for source, rows in export_parquet(options["folder"], timezone.now()).items():
            self.stdout.write(f"{source}: {rows:,} rows")
