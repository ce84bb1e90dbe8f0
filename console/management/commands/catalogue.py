"""manage.py catalogue: a release as files for review in git, and such files as a proposal."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from console.proposing import propose
from offers import files, snapshot
from offers.catalog import InvalidContent
from offers.models import Release
from offers.roles import NotAllowed


class Command(BaseCommand):
    help = "Write a release as files, one an item; or propose what the files of a folder say, as a whole catalogue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["export", "import"])
        parser.add_argument("folder", type=Path)
        parser.add_argument("--release", type=int, help="the release to export; by default the live one")
        parser.add_argument("--author", help="who proposes what is imported")
        parser.add_argument("--title", default="Catalogue from files", help="what changes, in a line")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "export":
            self._export(options["folder"], options["release"])
        else:
            self._import(options["folder"], options["author"], options["title"])

    def _export(self, folder: Path, number: int | None) -> None:
        row = snapshot.live_row() if number is None else Release.objects.filter(number=number).first()
        if row is None:
            raise CommandError("no release is live" if number is None else f"there is no release {number}")
        if folder.exists() and any(folder.iterdir()):
            raise CommandError(f"{folder} is not empty: a file that an older export left would come back as an item")
        for path, content in files.exported(row).items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.stdout.write(f"release {row.number} is in {folder}, {row.content_hash}")

    def _import(self, folder: Path, name: str | None, title: str) -> None:
        author = User.objects.filter(username=name or "", is_active=True).first()
        if author is None:
            raise CommandError(f"there is no user {name}" if name else "say who proposes it: --author USER")
        live = snapshot.live_row()
        found = {str(path.relative_to(folder).as_posix()): path.read_bytes() for path in folder.rglob("*.json")}
        if not found:
            raise CommandError(f"{folder} holds no JSON file")
        try:
            items = files.imported(found, live.content if live else snapshot.EMPTY)
            if not items:
                self.stdout.write("this is what is live already; nothing was proposed")
                return
            change = propose(
                kind="catalogue", key="files", title=title, rationale="", items=items, author=author,
                now=timezone.now(),
            )  # fmt: skip
        except (InvalidContent, NotAllowed) as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"change {change.pk} proposes {len(items)} items; somebody else approves it")
