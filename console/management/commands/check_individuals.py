"""`manage.py check_individuals`: turn every protected column of the source data over and count the decisions that
differ; there should be none."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from decisioning.ingest.files import UnreadableSource
from decisioning.ingest.mapping import InvalidMapping, load_mapping
from decisioning.runtime import NoRelease
from fairness.individual import flip
from fairness.individual.source import Export


class Command(BaseCommand):
    help = "Check that no decision hangs on a protected attribute: ingest, features and decision, with and without it."

    requires_system_checks = []  # it shows no page

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--customers", type=int, default=flip.CUSTOMERS, metavar="N", help="how many (10,000)")
        parser.add_argument(
            "--export", nargs=2, metavar=("MAPPING", "FOLDER"),
            help="the raw export and its mapping, as for `load`; without it, what is stored of the last customers",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        try:
            given = options["export"]
            export = Export(load_mapping(given[0]), Path(given[1])) if given else None
            found = flip.check(timezone.now(), export=export, most=options["customers"], progress=self._progress)
        except (InvalidMapping, UnreadableSource, NoRelease) as fault:
            raise CommandError(str(fault)) from fault
        for arm in found.figures["arms"]:
            self.stdout.write(
                f"{arm['column']} ({', '.join(arm['attributes'])}): {arm['differing']} decisions differ; "
                f"{arm['crossed']} customers cross a legal age, {arm['crossed_differing']} of them to another decision"
            )
            for name, count in arm["moved"].items():
                self.stdout.write(f"  {name} follows it for {count:,} customers")
        self.stdout.write(
            f"{found.customers:,} customers in {time.monotonic() - began:.0f} s: {found.differing} differ"
        )
        if not given:
            self.stdout.write(flip.NOT_TESTED)
        if found.differing:
            raise CommandError("a protected attribute leaks")

    def _progress(self, done: int, total: int) -> None:
        self.stderr.write(f"{done:,} of {total:,} customers")
