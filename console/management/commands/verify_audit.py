"""Recompute the audit trail's hash chain, and the seals of closed decision partitions; exits with 1 on a break, and
where the chain is not the one whose head was anchored."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from decisioning import partitions
from fairness.governance import anchoring
from offers import audit
from offers.models import AuditEvent


class Command(BaseCommand):
    help = "Verify the audit trail and the sealed decision partitions."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which anchors."""
        parser.add_argument("--anchor", type=Path, metavar="FILE", help="anchors as they were published, one a line")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            anchors = anchoring.read(options["anchor"]) if options["anchor"] else {}
        except anchoring.UnreadableAnchors as fault:
            raise CommandError(f"{fault}.") from fault
        result = audit.verify(anchors)
        if result.broken_at in anchors:
            raise CommandError(f"event {result.broken_at} is not what was anchored: the trail was written anew or cut")
        if result.broken_at is not None:
            raise CommandError(
                f"the chain breaks at event {result.broken_at}; {result.events} events before it are good"
            )
        if anchors:
            self.stdout.write(f"{len(anchors)} anchors, each fits")
        self.stdout.write(f"{result.events} events, chain whole, head {result.head}")
        sealed = AuditEvent.objects.filter(action="partition.sealed")
        retired = set(AuditEvent.objects.filter(action="partition.retired").values_list("subject", flat=True))
        tables = set(connection.introspection.table_names(include_views=True))  # without views it leaves partitions out
        for event in sealed.order_by("subject"):
            if event.subject in retired and event.subject not in tables:
                continue
            rows, digest = partitions.fingerprint(event.subject) if event.subject in tables else (0, "gone")
            recorded = json.loads(event.detail)
            if (rows, digest) != (recorded["rows"], recorded["sha256"]):
                raise CommandError(f"{event.subject} is not what was sealed: {recorded['rows']} rows then, {rows} now")
            self.stdout.write(f"{event.subject}: {rows} decisions as sealed")
