"""Make a person, grant and revoke roles, replace a lost password or phone, close an account; all of it audited."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from console.accounts import accounts
from offers import roles


class Command(BaseCommand):
    help = "Make a person where there is none of this name, and change what they may do. Takes somebody else who may."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--by", required=True, metavar="OFFICER", help="who does this, for the audit trail")
        parser.add_argument(
            "--role", action="append", default=[], choices=roles.ROLES, help="grant it; may be repeated"
        )
        parser.add_argument("--revoke", action="append", default=[], choices=roles.ROLES, metavar="ROLE")
        parser.add_argument("--first-name", default="")
        parser.add_argument("--last-name", default="")
        parser.add_argument("--new-password", action="store_true", help="for somebody who forgot theirs")
        parser.add_argument("--forget-phone", action="store_true", help="for somebody who lost theirs")
        parser.add_argument("--close", action="store_true", help="they sign in no more")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():
                said = self._change(options)
        except ValidationError as fault:
            raise CommandError("; ".join(fault.messages)) from None
        except (PermissionError, ValueError) as fault:
            raise CommandError(str(fault)) from None
        for line in said or ["nothing to change"]:
            self.stdout.write(line)

    def _change(self, options: dict[str, Any]) -> list[str]:
        """Everything or nothing; a line for each thing done."""
        name, by, now = options["username"], options["by"], timezone.now()
        accounts.require_officer(by)
        person, said = User.objects.filter(username=name).first(), []
        if person is None:
            names = {"first_name": options["first_name"], "last_name": options["last_name"]}
            person, password = accounts.make(name, by=by, now=now, **names)
            said.append(f"made {name}, password until the first sign-in: {password}")
        elif options["new_password"]:
            said.append(f"password until the next sign-in: {accounts.new_password(person, by=by, now=now)}")
        said += [f"revoked {role}" for role in options["revoke"] if accounts.revoke(person, role, by=by, now=now)]
        said += [f"granted {role}" for role in options["role"] if accounts.grant(person, role, by=by, now=now)]
        if options["forget_phone"]:
            said.append(f"removed {accounts.forget_phone(person, by=by, now=now)} second factors")
        if options["close"]:
            accounts.close(person, by=by, now=now)
            said.append(f"closed the account of {name}")
        return said
