"""`manage.py load`: a bank's export into the tables; protected columns go to the vault, everything else to ingest."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from console import authors
from decisioning.ingest.catalogue import draft
from decisioning.ingest.declared import BankMapping
from decisioning.ingest.files import UnreadableSource
from decisioning.ingest.loading import Loaded, Protected, load
from decisioning.ingest.mapping import InvalidMapping, load_mapping, shipped_names
from decisioning.jobs import AlreadyRunning
from fairness import vault
from offers.catalog import InvalidContent


class Command(BaseCommand):
    help = "Load a bank's CSV or Parquet export through a TOML mapping. May be repeated, and continues after a kill."

    requires_system_checks = []  # it shows no page

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("mapping", help="a shipped mapping, or the path of a TOML file")
        parser.add_argument("folder", type=Path, metavar="FOLDER")
        parser.add_argument("--author", help="draft the export's offers and arms in this person's name, for approval")
        parser.add_argument("--rejects", type=Path, help="where rejected rows are listed (default: under var/rejects)")

    def handle(self, *args: Any, **options: Any) -> None:
        author = authors.author(options["author"])
        try:
            mapping = load_mapping(options["mapping"])
            rejects = options["rejects"] or settings.BASE_DIR / "var" / "rejects" / f"{mapping.name}.csv"

            def protect(customers: Protected, known_at: datetime) -> None:
                vault.write(_entries(customers), source=mapping.name, now=known_at)

            loaded = load(
                mapping,
                options["folder"],
                protect=protect,
                rejects=rejects,
                now=timezone.now(),
                progress=self._progress,
                declared=_declared(options["mapping"]),
            )
        except (InvalidMapping, UnreadableSource) as fault:
            raise CommandError(str(fault)) from fault
        except AlreadyRunning as fault:
            raise CommandError("another load is running") from fault
        self.stdout.write(as_text(mapping.name, loaded, rejects))
        if not loaded.records():
            raise CommandError("nothing could be loaded")
        if author:
            self._draft(mapping, author)

    def _draft(self, mapping: BankMapping, author: User) -> None:
        try:
            with transaction.atomic():
                change = draft(mapping, author, timezone.now())
        except InvalidContent as fault:
            raise CommandError(f"the mapping's catalogue: {fault}") from fault
        self.stdout.write(
            f"change {change.pk} drafted: {len(change.items)} items; its author submits it under Reviews, Mine"
            if change
            else f"nothing to draft that {author.get_username()} may propose"
        )

    def _progress(self, file: str, loaded: Loaded) -> None:
        self.stderr.write(
            f"{file}: {loaded.customers} customers, {loaded.accounts} accounts, {loaded.transactions} transactions, "
            f"{loaded.decisions} decisions, {loaded.posts} posts, {loaded.rejects} rejects"
        )


def _declared(name_or_path: str) -> str:
    """A shipped mapping's name as it is, a file's path from anywhere."""
    return name_or_path if name_or_path in shipped_names() else str(Path(name_or_path).resolve())


def _entries(customers: Protected) -> list[vault.Entry]:
    return [
        vault.Entry(customer, attribute, value.isoformat() if isinstance(value, date) else str(value))
        for customer, values in customers
        for attribute, value in values.items()
    ]


def as_text(name: str, loaded: Loaded, rejects: Path) -> str:
    """What was loaded, for a terminal."""
    lines = [
        f"{name}, as of {loaded.as_of:%Y-%m-%d}: {loaded.customers} customers, {loaded.accounts} accounts, "
        f"{loaded.transactions} transactions, {loaded.decisions} logged decisions, {loaded.posts} posts",
        f"{loaded.rejects} rows rejected: {rejects}" if loaded.rejects else "no row rejected",
    ]
    if loaded.withheld:
        lines.append(f"{loaded.withheld} posts withheld and not kept: their customers have not agreed to it")
    if loaded.resumed:
        lines.append(f"{loaded.resumed} batches had been written before")
    rate = loaded.records() / loaded.seconds if loaded.seconds else 0.0
    lines.append(f"{loaded.records():,} records in {loaded.seconds:.1f} s: {rate:,.0f} a second")
    return "\n".join(lines)
