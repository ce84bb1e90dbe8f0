"""`manage.py demo`: servers, web, workers and a seeded bank in one command; how to seed is not decided here."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from console import embedded
from console.faults import ServerFault
from console.supervisor import Child, Supervisor
from console.web import web_server

MANAGE = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py")]
CELERY = [sys.executable, "-m", "celery", "-A", "console"]
WORKER = [*CELERY, "worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
ASK_SECONDS = 5  # between two looks whether the seeder has made users, keys and customers


class Command(BaseCommand):
    """Runs until Ctrl-C or SIGTERM. PORT (8000) and CUSTOMERS (20000) come from the environment."""

    help = "Start the demo: servers, web server, workers and a synthetic bank. Environment: PORT, CUSTOMERS."

    def handle(self, *args: Any, **options: Any) -> None:
        """Start everything, tell how to use it, keep it alive, stop it."""
        port, customers = _number("PORT", 8000), _number("CUSTOMERS", 20_000)
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, _interrupt)
        try:
            with _only_demo(settings.VAR):
                self._serve(port, customers)
        except ServerFault as fault:
            raise CommandError(str(fault)) from fault
        except KeyboardInterrupt:
            self._say("Stopped.")

    def _serve(self, port: int, customers: int) -> None:
        supervisor = Supervisor(settings.VAR, dict(os.environ), self._say)
        supervisor.stop_strays()
        _refuse_port_in_use(port)
        self._say("Starting the servers ...")
        with _servers() as servers:
            supervisor.environment |= {**(servers.environment() if servers else {"HTTPS": "0"}), "CANDOR_DEMO": "1"}
            try:
                self._migrate(supervisor)
                _start_children(supervisor, port)
                self._watch(supervisor, servers, port, customers)
            finally:
                for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(sign, signal.SIG_IGN)  # an impatient second Ctrl-C must not leave half of it running
                self._say("Stopping ...")
                _access_file().unlink(missing_ok=True)
                supervisor.stop()

    def _migrate(self, supervisor: Supervisor) -> None:
        done = subprocess.run(
            [*MANAGE, "migrate", "--verbosity", "0"],
            env=supervisor.environment, capture_output=True, text=True, check=False, start_new_session=True,
        )  # fmt: skip
        if done.returncode:
            (settings.VAR / "log" / "migrate.log").write_text(done.stderr)
            raise ServerFault(f"The migrations failed: {_last_line(done.stderr)} (more in var/log/migrate.log)")

    def _watch(self, supervisor: Supervisor, servers: embedded.Servers | None, port: int, customers: int) -> None:
        """Keep everything alive; meanwhile seed, and tell the sign-ins as soon as there are any."""
        url = f"http://127.0.0.1:{port}"
        seeding = Seeding(supervisor, customers)
        page_is_up = False
        while True:
            supervisor.tend()
            if servers is not None:
                self._revive(servers)
            if not page_is_up and _answers(port):
                page_is_up = True
                self._say(f"Candor answers at {url}")
            if page_is_up and (access := seeding.step(self._say)):
                self._tell({"url": url} | access | _server_urls(supervisor.environment))
            time.sleep(0.3)

    def _revive(self, servers: embedded.Servers) -> None:
        try:
            for name in servers.revive():
                self._say(f"{name} had ended and runs again.")
        except ServerFault as fault:
            self._say(str(fault))
            time.sleep(2)

    def _tell(self, access: dict[str, Any]) -> None:
        _write_privately(_access_file(), json.dumps(access, indent=1))
        self._say("Sign in as")
        for user in access["users"]:
            self._say(f"  {user['role']:<20} {user['username']:<24} {user['password']}")
        self._say("API keys, one a channel")
        for channel, key in access["keys"].items():
            self._say(f"  {channel:<20} {key}")
        self._say(f"The same is in {_access_file()} for scripts. Ctrl-C stops everything.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class Seeding:
    """The seeder as a child process, and its answer to who may sign in; each `step` returns at once or within 3 s."""

    def __init__(self, supervisor: Supervisor, customers: int) -> None:
        self._supervisor = supervisor
        self._command = [*MANAGE, "seed_demo", "--customers", str(customers)]
        self._child: Child | None = None
        self._ask: subprocess.Popen[str] | None = None
        self._ask_at = 0.0
        self._told = False
        self._over = False

    def step(self, say: Any) -> dict[str, Any] | None:
        """Go on with the seeding; what to tell the user, once."""
        if self._child is not None and self._child.result is not None and not self._over:
            self._over = True
            log = "var/log/seed_demo.log"
            say("The bank is complete." if self._child.result == 0 else f"The seeding failed; see {log}")
        answer = None if self._told else self._answer()
        if answer is None:
            return None
        if self._child is None and not answer["seeded"]:
            say("Seeding the bank; the pages work meanwhile. Progress: var/log/seed_demo.log")
            self._child = self._supervisor.start("seed_demo", self._command, once=True)
        if not answer["access"]:
            self._told = self._over  # the seeder ended and made none
            return None
        self._told = True
        return dict(answer["access"])

    def _answer(self) -> dict[str, Any] | None:
        """What `demo_access` said last, or None while it is being asked."""
        if self._ask is None:
            if time.monotonic() >= self._ask_at:
                self._ask = subprocess.Popen(
                    [*MANAGE, "demo_access"], env=self._supervisor.environment, start_new_session=True,
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True,
                )  # fmt: skip
            return None
        if self._ask.poll() is None:
            return None
        ask, self._ask, self._ask_at = self._ask, None, time.monotonic() + ASK_SECONDS
        said = ask.communicate()[0]
        return json.loads(said) if ask.returncode == 0 else None


def _start_children(supervisor: Supervisor, port: int) -> None:
    supervisor.start(
        "web",
        # Threads, for connections that channels keep open; two processes, for two cores.
        web_server(port),
    )  # fmt: skip
    supervisor.start("learn", [*WORKER, "-n", "learn@%h", "-Q", "learn", "--pool", "solo"])
    supervisor.start("worker", [*WORKER, "-n", "worker@%h", "-Q", "default,long", "--concurrency", "2"])
    supervisor.start(
        "fairness", [*WORKER, "-n", "fairness@%h", "-Q", "fairness", "--concurrency", "1", "--max-tasks-per-child", "1"]
    )
    supervisor.start("consume", [*MANAGE, "consume", "redis"])
    if settings.KAFKA_BROKERS:
        supervisor.start("consume-kafka", [*MANAGE, "consume", "kafka"])
    supervisor.start("beat", [*CELERY, "beat", "--pidfile=", "--schedule", str(settings.VAR / "beat-schedule")])


@contextlib.contextmanager
def _only_demo(folder: Path) -> Iterator[None]:
    """One demo a project folder; the lock ends with the process at the latest."""
    try:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        (folder / "log").mkdir(mode=0o700, exist_ok=True)
        lock = (folder / "demo.lock").open("w")
    except OSError as fault:
        raise ServerFault(f"The demo needs {fault.filename}: {fault.strerror}.") from fault
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServerFault("A demo already runs in this folder; stop it first, or use it.") from None
        _access_file().unlink(missing_ok=True)
        yield


@contextlib.contextmanager
def _servers() -> Iterator[embedded.Servers | None]:
    """The embedded servers; None where the environment names others."""
    if settings.DEMO:
        with embedded.ensure() as servers:
            yield servers
    else:
        yield None


def _refuse_port_in_use(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as fault:
            why = fault.strerror or "cannot be used"
            raise ServerFault(f"Port {port}: {why}. Choose another: PORT={port + 1} make demo") from fault


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return connection.recv(5) == b"HTTP/"
    return False


def _server_urls(environment: dict[str, str]) -> dict[str, str]:
    return {"database_url": environment["DATABASE_URL"], "redis_url": environment["REDIS_URL"]}


def _access_file() -> Path:
    return Path(settings.VAR) / "demo.json"


def _write_privately(path: Path, content: str) -> None:
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    draft.replace(path)


def _number(name: str, default: int) -> int:
    given = os.environ.get(name) or str(default)
    if not given.isdigit():
        raise CommandError(f"{name}={given} is not a whole number.")
    return int(given)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
