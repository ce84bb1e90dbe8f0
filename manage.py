#!/usr/bin/env python
"""Runs one command; without DATABASE_URL and REDIS_URL, on the demo's servers for as long as the command lives."""

import os
import signal
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command, execute_from_command_line

# These touch no database; `demo` and `test` see to their servers themselves.
WITHOUT_SERVERS = {
    "backtest", "bench", "check", "collectstatic", "compilemessages", "demo", "diffsettings", "findstatic", "help",
    "makemigrations", "makemessages", "spectacular", "startapp", "test", "version",
}  # fmt: skip


def main(arguments: list[str]) -> None:
    """Run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    command = arguments[1] if len(arguments) > 1 else "help"
    given = "DATABASE_URL" in os.environ or "REDIS_URL" in os.environ
    if given or needs_no_servers(command, arguments) or command.startswith("-") or {"-h", "--help"} & set(arguments):
        execute_from_command_line(arguments)
        return
    with_servers(command, arguments)


def needs_no_servers(command: str, arguments: list[str]) -> bool:
    """Whether the command touches no database; the simulator does so only to compare with a running product."""
    if command == "simulate":
        return not any(argument.startswith(("--live", "--check")) for argument in arguments)
    return command in WITHOUT_SERVERS


def with_servers(command: str, arguments: list[str]) -> None:
    """Attach to the embedded servers, or start them, and let them go afterwards."""
    import django

    from console import embedded

    with embedded.ensure() as servers:
        # As an exception, so that the servers are let go; the default action would end us on the spot.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        os.environ.update(servers.environment())
        if servers.started and command != "migrate":
            django.setup()
            call_command("migrate", verbosity=0)
        execute_from_command_line(arguments)


if __name__ == "__main__":
    from console.faults import ServerFault

    try:
        main(sys.argv)
    except (ServerFault, ImproperlyConfigured) as fault:
        sys.exit(f"{fault}")
    except KeyboardInterrupt:
        sys.exit(130)
