"""Django's `migrate` as the owner of the database, after the roles that the migrations grant to exist."""

from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate

from console import databases


class Command(migrate.Command):
    """`--database` is `owner` unless said otherwise; the serving and vault logins may not change a table."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Django's arguments with another default."""
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the roles, then migrate."""
        try:
            databases.ensure_roles(settings.DATABASES)
        except psycopg.Error as fault:
            raise CommandError(f"The roles of the database cannot be set up: {str(fault).strip()}") from fault
        super().handle(*args, **options)
