"""Train a challenger now, in this process; a Celery task does the same."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from console import authors
from decisioning import jobs, retraining, runtime
from decisioning.models import ModelVersion
from decisioning.propensity.dataset import NothingLogged
from decisioning.propensity.training import TooFewExamples
from offers import roles


class Command(BaseCommand):
    help = "Train a challenger on logged decisions. It becomes champion only through an approved change."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--source", default="", help="train on a loaded campaign, by the name of its mapping")
        parser.add_argument("--author", help="draft the change that makes it champion, in this person's name")

    def handle(self, *args: Any, **options: Any) -> None:
        author = _proposer(options["author"])
        try:
            name = retraining.retrain(timezone.now(), options["source"])
        except (runtime.NoRelease, NothingLogged, TooFewExamples) as error:
            raise CommandError(str(error)) from None
        except jobs.AlreadyRunning:
            raise CommandError("another retraining is running") from None
        report = ModelVersion.objects.get(name=name).report
        self.stdout.write(
            f"{name}: {report['rows']} rows, {report['positives']} accepted, AUC {report['auc']:.3f}, "
            f"Brier {report['brier']:.4f}, calibration slope {report['calibration_slope']:.2f} ({report['evaluated']})"
        )
        if author:
            with transaction.atomic():
                change = retraining.propose(name, author=author, now=timezone.now())
            self.stdout.write(f"change {change.pk} drafted; its author submits it under Reviews, Mine")


def _proposer(name: str | None) -> User | None:
    """Somebody who may propose a model, asked before the training rather than after it."""
    author = authors.author(name)
    if author:
        try:
            roles.require(author, "propose:model")
        except roles.NotAllowed as refusal:
            raise CommandError(str(refusal)) from None
    return author
