"""Stop everything, a product, an offer, an arm or a model, within a second in every process; or let it run again."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from decisioning import rebuild
from offers import stopping
from offers.approvals import NoReason, SelfApproval
from offers.models import Stop
from offers.roles import NotAllowed


class Command(BaseCommand):
    help = "Stop something at once. A second officer resumes it with --resume."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("scope", choices=Stop.Scope.values)
        parser.add_argument("target", nargs="?", default="", help="its key; none for all")
        parser.add_argument("--officer", required=True, help="username of a risk or compliance officer")
        parser.add_argument("--reason", default="")
        parser.add_argument("--resume", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        officer = User.objects.filter(username=options["officer"]).first()
        if officer is None:
            raise CommandError(f"there is no user {options['officer']}")
        names = {"scope": options["scope"], "target": options["target"], "officer": officer, "now": timezone.now()}
        try:
            with transaction.atomic():
                if options["resume"]:
                    stopping.resume(**names)
                else:
                    stopping.stop(reason=options["reason"], **names)
        except (NotAllowed, NoReason, SelfApproval, ValueError) as fault:
            raise CommandError(str(fault)) from None
        rebuild.announce()
        self.stdout.write(f"{'Resumed' if options['resume'] else 'Stopped'}: {options['scope']} {options['target']}")
