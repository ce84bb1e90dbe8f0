"""manage.py audit_file: the fairness of anybody's decisions, from a CSV file; needs no database."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console import file_report
from fairness import file_audit
from fairness.audit_worker import AuditFailed
from fairness.file_audit import Columns, FileAudit, UnreadableFile


class Command(BaseCommand):
    """A failing verdict is a finding, not a failure of the command: it exits with 1 only without a result."""

    help = "Audit the decisions in a CSV file by group, and print the comparisons."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--group", action="append", required=True, metavar="COLUMN[=REFERENCE]",
            help='repeats; alone it compares with the largest group, "COLUMN>=40" splits in two',
        )  # fmt: skip
        parser.add_argument("--decision", required=True, metavar="COLUMN[=FAVOURABLE]")
        parser.add_argument("--outcome", default="", metavar="COLUMN[=FAVOURABLE]", help="what really happened")
        parser.add_argument("--score", default="", metavar="COLUMN")
        parser.add_argument("--weight", default="", metavar="COLUMN", help="people that a row stands for")
        parser.add_argument("--json", action="store_true", help="print the comparisons as JSON")
        parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page")

    def handle(self, *args: Any, **options: Any) -> None:
        columns = Columns(
            options["group"], options["decision"], options["outcome"], options["score"], options["weight"]
        )
        try:
            found = file_audit.audit(options["file"], columns)
        except (UnreadableFile, AuditFailed) as fault:
            raise CommandError(str(fault)) from fault
        if options["html"]:
            options["html"].write_text(file_report.page(found, options["file"].name, columns), encoding="utf-8")
        if options["json"]:
            comparisons = [one.to_json() for one in found.compared]
            self.stdout.write(json.dumps({"comparisons": comparisons}, indent=1, allow_nan=False))
        else:
            self.stdout.write("\n".join(as_text(found)))


def as_text(found: FileAudit) -> list[str]:
    """The report for a terminal: a line for each comparison, the worst first."""
    lines = [f"{found.rows:,} rows, {len(found.compared)} comparisons"]
    if found.largest_difference is not None:
        lines[0] += f"; AIF360 and the closed forms differ by {found.largest_difference:.0e} at most"
    return [
        *lines,
        *(file_report.line(one) for one in file_report.worst_first(found)),
        *(f"Note: {note}." for note in found.notes),
    ]
