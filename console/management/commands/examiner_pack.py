"""Write an examiner pack to a file: `examiner_pack --from 2026-01-01 --to 2026-12-31 [--campaign NAME] --out FILE`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from fairness.governance.examiner import pack
from fairness.governance.examiner import scope as scopes


class Command(BaseCommand):
    help = "Write an examiner pack (ZIP) for a period, both days included, and for one campaign or everything."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which days, which campaign, where to."""
        parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True, metavar="DAY")
        parser.add_argument("--to", dest="last", type=date.fromisoformat, required=True, metavar="DAY")
        parser.add_argument("--campaign", "--offer", default="", help="an offer, or the mapping of a loaded history")
        parser.add_argument("--out", type=Path, required=True, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        """Keep it like one that was made by the page, and copy it out."""
        try:
            scope = scopes.of(options["first"], options["last"], options["campaign"])
        except (scopes.NoPeriod, scopes.UnknownCampaign) as fault:
            raise CommandError(f"{fault}.") from fault
        made = pack.make(scope, by="the command line", now=timezone.now())
        try:
            with options["out"].open("wb") as target:
                target.writelines(pack.content(made))
        except OSError as fault:
            raise CommandError(f"{options['out']} cannot be written: {fault.strerror}.") from fault
        for name, rows in made.totals.items():
            self.stdout.write(f"{name}: {rows} rows")
        self.stdout.write(f"{options['out']}: {made.size} bytes, sha256 {made.sha256}")
