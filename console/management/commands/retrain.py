"""Train a challenger now, in this process; a Celery task does the same."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from decisioning import jobs, retraining, runtime
from decisioning.models import ModelVersion
from decisioning.propensity.training import TooFewExamples


class Command(BaseCommand):
    help = "Train a challenger on logged decisions. It becomes champion only through an approved change."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--source", default="", help="train on a loaded campaign, by the name of its mapping")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            name = retraining.retrain(timezone.now(), options["source"])
        except (runtime.NoRelease, TooFewExamples) as error:
            raise CommandError(str(error)) from None
        except jobs.AlreadyRunning:
            raise CommandError("another retraining is running") from None
        report = ModelVersion.objects.get(name=name).report
        self.stdout.write(
            f"{name}: {report['rows']} rows, {report['positives']} accepted, AUC {report['auc']:.3f}, "
            f"Brier {report['brier']:.4f}, calibration slope {report['calibration_slope']:.2f} ({report['evaluated']})"
        )
