"""Precompute everybody's propensities now, in this process; a Celery task does the same every night."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from decisioning import jobs, runtime, scoring


class Command(BaseCommand):
    help = "Score the whole population with the live model, for decisions that cannot ask the model themselves."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = scoring.score_population(timezone.now(), self._progress)
        except runtime.NoRelease as error:
            raise CommandError(str(error)) from None
        except jobs.AlreadyRunning:
            raise CommandError("another scoring is running") from None
        self.stdout.write(f"{count} customers scored")

    def _progress(self, done: int, total: int) -> None:
        self.stderr.write(f"{done} of {total} customers")
