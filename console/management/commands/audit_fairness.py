"""Audit by protected group now, in this process; a Celery task does the same every night for our own decisions."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from decisioning import jobs
from decisioning.models import LoggedDecision
from fairness import audit
from fairness.audit_worker import AuditFailed
from fairness.models import CubeComparison, FairnessAudit
from fairness.scores import record as scores
from fairness.thresholds import Verdict


class Command(BaseCommand):
    """A failing verdict is a finding, not a failure of the command: it exits with 1 only without a result."""

    help = "Audit our own decisions, or the history that a mapping loaded, and print what fails."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--source", default=audit.DECISIONS, help="the name of a mapping that was loaded")

    def handle(self, *args: Any, **options: Any) -> None:
        source, now = options["source"], timezone.now()
        if source != audit.DECISIONS and not LoggedDecision.objects.filter(source=source).exists():
            raise CommandError(f"no decision was loaded from {source}")
        try:
            with jobs.running("audit", {"source": source}, now):
                audits = audit.audit(now, source=source)
                scores.nightly(now)
        except AuditFailed as fault:
            raise CommandError(str(fault)) from fault
        except jobs.AlreadyRunning:
            raise CommandError("another audit is running") from None
        for stored in audits:
            self.stdout.write("\n".join(as_text(stored)))


def as_text(stored: FairnessAudit) -> list[str]:
    """One stage for a terminal: its verdict, and a line for each comparison that fails."""
    rows = stored.comparisons or [
        _row(row) for row in CubeComparison.objects.filter(audit=stored, total__gt=0, reference_total__gt=0)
    ]
    failing = [row for row in rows if row["verdict"] == Verdict.FAIL]
    return [
        f"{stored.stage}: {stored.population} observations, {len(rows)} comparisons, "
        f"{stored.verdict}; AIF360 and the closed forms differ by {stored.largest_difference:.0e} at most",
        *(
            f"  {row['subject']}, {row['attribute']}: {row['group']} {row['rate']:.1%} against {row['reference']} "
            f"{row['reference_rate']:.1%}, impact ratio {row['ratio']:.2f}"
            for row in failing
        ),
    ]


def _row(row: CubeComparison) -> dict[str, Any]:
    """A comparison of a month of our own decisions, as those of a history are stored."""
    return {
        "subject": row.offer or audit.ANY, "attribute": f"{row.month:%B %Y}, {row.attribute}", "group": row.group,
        "reference": row.reference, "verdict": row.verdict, "ratio": row.ratio, "rate": row.favourable / row.total,
        "reference_rate": row.reference_favourable / row.reference_total,
    }  # fmt: skip
