"""Replay recorded decisions and compare the bytes; exits with 1 if one differs."""

import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from decisioning import decision_log, replay
from decisioning.models import Decision


class Command(BaseCommand):
    help = "Replay a random sample of decisions, or one, from their records."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sample", type=int, default=1000, help="how many decisions, drawn at random")
        parser.add_argument("--decision", type=uuid.UUID, help="one decision, with its differences")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["sample"] < 1:
            raise CommandError("--sample takes a number of at least 1")
        rows = self._rows(options)
        if not rows:
            raise CommandError("there are no decisions to replay")
        identical, shown = 0, 0
        console = Console(stderr=True)
        for result in track(replay.replay_all(rows), "replaying", len(rows), console=console, transient=True):
            identical += result.identical
            if not result.identical and shown < 5:
                shown += 1
                self.stdout.write(f"{result.decision_id} differs{'' if result.intact else ', its record was altered'}:")
                for path, old, new in result.differences[:10]:
                    self.stdout.write(f"  {path}: recorded {old}, replayed {new}")
        self.stdout.write(f"{identical} of {len(rows)} identical")
        if identical < len(rows):
            raise CommandError(f"{len(rows) - identical} decisions do not replay", returncode=1)

    def _rows(self, options: dict[str, Any]) -> list[Decision]:
        if options["decision"]:
            try:
                return [decision_log.get(options["decision"])]
            except decision_log.UnknownDecision as error:
                raise CommandError(f"there is no decision {error}") from None
        return list(Decision.objects.order_by("?")[: options["sample"]])
