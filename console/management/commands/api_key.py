"""Make a channel's API key, shown this once, or revoke one."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from decisioning import credentials, rebuild
from decisioning.models import ApiKey
from offers.types import CHANNELS


class Command(BaseCommand):
    help = "Make an API key for a channel, or revoke one by its prefix."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--channel", choices=CHANNELS)
        what.add_argument("--revoke", metavar="PREFIX")
        parser.add_argument("--scope", action="append", choices=credentials.SCOPES, help="all of them if none is named")
        parser.add_argument("--by", required=True, help="who does this, for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        now, actor = timezone.now(), options["by"]
        with transaction.atomic():
            if options["channel"]:
                scopes = options["scope"] or credentials.SCOPES
                key = credentials.make(channel=options["channel"], scopes=scopes, actor=actor, now=now)
                self.stdout.write(key)
                return
            if not ApiKey.objects.filter(prefix=options["revoke"], revoked_at__isnull=True).exists():
                raise CommandError(f"no key {options['revoke']} is in force")
            credentials.revoke(options["revoke"], actor=actor, now=now)
        rebuild.announce()
        self.stdout.write(f"Revoked {options['revoke']}")
