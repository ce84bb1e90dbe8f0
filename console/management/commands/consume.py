"""Take in signals from a stream until it is told to stop; after a kill the next consumer goes on where it was."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from console.celery import app
from decisioning import tasks
from decisioning.streams import configured
from decisioning.streams.consumer import consume


class Command(BaseCommand):
    """SIGTERM and Ctrl-C let the batch in hand be committed and acknowledged first."""

    help = (
        "Take in signals from Redis Streams (candor:signals) or Kafka (KAFKA_BROKERS, KAFKA_TOPIC, KAFKA_OPTIONS). Any "
        "number of consumers may run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=configured.KINDS)

    def handle(self, *args: Any, **options: Any) -> None:
        app.set_current()  # whom new vectors are asked of
        stopped = False

        def stop(*_: object) -> None:
            nonlocal stopped
            stopped = True

        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, stop)
        try:
            source = configured.opened(options["kind"])
        except configured.NotConfigured as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(f"Taking in signals from {source.origin}; Ctrl-C stops.")
        self.stdout.flush()
        try:
            consume(
                source, running=lambda: not stopped, clock=timezone.now, committed=tasks.wake_materialiser
            )  # fmt: skip
        finally:
            source.close()
