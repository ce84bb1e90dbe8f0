"""The demo's and the tests' own Postgres and Redis: started once, shared by every command, stopped by the last."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console import embedded_postgres, embedded_redis, secret_key
from console.faults import ServerFault
from console.processes import Process, stop, write_whole

VAR = Path(__file__).resolve().parent.parent / "var"
_OUTLIVING: list[subprocess.Popen[bytes]] = []


@dataclass
class Servers:
    """Running servers, held against being stopped until `stop` or the end of this process, however it ends.

    `started` says whether this process started one of them. As a context manager it stops at the end.
    """

    folder: Path
    database_url: str
    redis_url: str
    secret: str
    started: bool
    durable: bool
    _hold: int
    _children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """What settings read, for this process and those that it starts."""
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "SECRET_KEY": os.environ.get("SECRET_KEY") or self.secret,
            "HTTPS": "0",
        }

    def revive(self) -> list[str]:
        """Start again what was killed, at its old port; the names of what was dead. Raises ServerFault."""
        for child in self._children:
            child.poll()  # takes the dead one out of the table of processes
        known = _read(self.folder)
        if all(_alive(known, name) for name in ("postgres", "redis")):
            return []
        with _alone(self.folder):
            return self._children_of(_run(self.folder, self.secret, self.durable))

    def _children_of(self, run: _Run) -> list[str]:
        self._children += run.children.values()
        return list(run.children)

    def stop(self) -> None:
        """Stop the servers if nobody else holds them."""
        if self._hold < 0:
            return
        with _alone(self.folder):
            hold, self._hold = self._hold, -1
            try:
                fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # The last one stops them. They outlive their handles here, which is no leak to warn of.
                _OUTLIVING.extend(self._children)
                return
            finally:
                os.close(hold)
            _stop(self.folder)
            for child in self._children:
                child.wait()

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def ensure(folder: Path = VAR, *, durable: bool = True) -> Servers:
    """The servers whose data lie in `folder`: those that run, else started. `durable` False is for tests.

    Processes that come at the same time wait for one another. Servers that a killed process left behind are taken
    over, and stopped by whoever uses them last.

    Raises ServerFault, with one line for the person at the terminal.
    """
    try:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        (folder / "log").mkdir(mode=0o700, exist_ok=True)
        with _alone(folder):
            secret = secret_key.read_or_create(folder / "secret")
            hold = os.open(folder / "in-use", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(hold, fcntl.LOCK_SH)
            run = _run(folder, secret, durable)
    except OSError as fault:
        raise ServerFault(f"The embedded servers need {fault.filename or folder}: {fault.strerror}.") from fault
    servers = Servers(folder, run.database_url, run.redis_url, secret, bool(run.children), durable, hold)
    servers._children_of(run)
    return servers


@dataclass(frozen=True)
class _Run:
    database_url: str
    redis_url: str
    children: dict[str, subprocess.Popen[bytes]]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else starts or stops servers in this folder meanwhile; the lock ends with the process at the latest."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _run(folder: Path, secret: str, durable: bool) -> _Run:
    """Start what does not answer and write down what runs."""
    known = _read(folder)
    password = {name: secret_key.derive(secret, name) for name in ("postgres", "redis")}
    children: dict[str, subprocess.Popen[bytes]] = {}
    ports = {name: _port(known.get(name)) for name in password}
    logs = {name: folder / "log" / f"{name}.log" for name in password}
    try:
        if not _alive(known, "postgres") or not embedded_postgres.responds(ports["postgres"], password["postgres"]):
            cluster = embedded_postgres.prepare(folder, password["postgres"])
            children["postgres"] = embedded_postgres.start(
                cluster, ports["postgres"], password["postgres"], logs["postgres"], durable
            )
        if not _alive(known, "redis") or not embedded_redis.responds(ports["redis"], password["redis"]):
            children["redis"] = embedded_redis.start(folder / "redis", ports["redis"], password["redis"], logs["redis"])
    except BaseException:
        for child in children.values():  # the first one, where the second one failed
            child.send_signal(signal.SIGINT)
            child.wait()
        raise
    for name, child in children.items():
        process = Process.of(child.pid)
        known[name] = {"pid": process.pid, "created": process.created, "port": ports[name]}
    write_whole(folder / "servers.json", known)
    return _Run(
        embedded_postgres.url(ports["postgres"], password["postgres"]),
        embedded_redis.url(ports["redis"], password["redis"]),
        children,
    )


def _stop(folder: Path) -> None:
    known = _read(folder)
    # SIGINT is Postgres's fast shutdown: sessions are ended, nothing needs recovery.
    for name, sign in (("redis", signal.SIGTERM), ("postgres", signal.SIGINT)):
        process = Process.from_json(known.get(name))
        if process is not None:
            stop(process, sign, grace=60)


def _alive(known: dict[str, Any], name: str) -> bool:
    process = Process.from_json(known.get(name))
    return process is not None and process.found() is not None


def _port(known: dict[str, Any] | None) -> int:
    """The port of last time where nobody else has it, so that clients find a revived server; else a free one."""
    process = Process.from_json(known)
    if known is not None and process is not None and (process.found() or _free(known["port"])):
        return int(known["port"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "servers.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return dict(content)
