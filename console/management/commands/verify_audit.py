"""Recompute the audit trail's hash chain and the seals of closed decision partitions; exits with 1 on a break."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from decisioning import partitions
from offers import audit
from offers.models import AuditEvent


class Command(BaseCommand):
    help = "Verify the audit trail and the sealed decision partitions."

    def handle(self, *args: Any, **options: Any) -> None:
        result = audit.verify()
        if result.broken_at is not None:
            raise CommandError(
                f"the chain breaks at event {result.broken_at}; {result.events} events before it are good"
            )
        self.stdout.write(f"{result.events} events, chain whole, head {result.head}")
        sealed = AuditEvent.objects.filter(action="partition.sealed")
        retired = set(AuditEvent.objects.filter(action="partition.retired").values_list("subject", flat=True))
        tables = set(connection.introspection.table_names())
        for event in sealed.order_by("subject"):
            if event.subject in retired and event.subject not in tables:
                continue
            rows, digest = partitions.fingerprint(event.subject) if event.subject in tables else (0, "gone")
            recorded = json.loads(event.detail)
            if (rows, digest) != (recorded["rows"], recorded["sha256"]):
                raise CommandError(f"{event.subject} is not what was sealed: {recorded['rows']} rows then, {rows} now")
            self.stdout.write(f"{event.subject}: {rows} decisions as sealed")
