"""Prints, for the demo's supervisor, whether the bank is seeded and who may sign in; it makes nothing."""

import importlib
import importlib.util
import json
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """`{"seeded": bool, "access": {"users", "keys", "customers"} or null}` on standard output."""

    help = "Print the demo's sign-ins and API keys as JSON."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask the seeder's own record."""
        if importlib.util.find_spec("console.demo_access") is None:
            self.stdout.write(json.dumps({"seeded": False, "access": None}))
            return
        demo_access = importlib.import_module("console.demo_access")
        self.stdout.write(json.dumps({"seeded": demo_access.seeded(), "access": demo_access.access()}))
