"""The embedded servers: shared, resumed after a kill, and clear about what is in their way."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis

from console import embedded
from console.embedded import Servers
from console.faults import ServerFault
from console.processes import Process, stop


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("servers")
    for parent in [folder, *folder.parents]:  # as root, Postgres runs as another account and must come in
        if parent.owner() == folder.owner() and parent.stat().st_mode & 0o777 == 0o700:
            parent.chmod(0o711)
    yield folder
    embedded._stop(folder)


def _pids(folder: Path) -> dict[str, int]:
    return {name: content["pid"] for name, content in embedded._read(folder).items()}


def _write(servers: Servers, value: str) -> None:
    with psycopg.connect(servers.database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])
    with Redis.from_url(servers.redis_url) as client:
        client.rpush("kept", value)


def _values(servers: Servers) -> tuple[list[str], list[str]]:
    with psycopg.connect(servers.database_url) as connection:
        rows = [row[0] for row in connection.execute("SELECT value FROM kept")]
    with Redis.from_url(servers.redis_url, decode_responses=True) as client:
        listed = client.lrange("kept", 0, -1)
    assert isinstance(listed, list)
    return rows, listed


def test_the_last_user_stops_the_servers(folder: Path) -> None:
    first = embedded.ensure(folder, durable=False)
    second = embedded.ensure(folder, durable=False)
    assert (first.started, second.started) == (True, False)
    _write(first, "a")
    first.stop()
    assert _values(second) == (["a"], ["a"])
    second.stop()
    for child in first._children:
        child.wait()  # they were its children, whoever stopped them
    assert not any(psutil.pid_exists(pid) for pid in _pids(folder).values())


def test_what_was_written_is_there_at_the_next_start(folder: Path) -> None:
    with embedded.ensure(folder, durable=False) as servers:
        assert servers.started
        assert _values(servers) == (["a"], ["a"])


def test_killed_servers_are_revived_where_their_clients_look_for_them(folder: Path) -> None:
    with embedded.ensure(folder, durable=False) as servers:
        assert servers.revive() == []
        time.sleep(1.1)  # Redis writes its file every second
        for pid in _pids(folder).values():
            psutil.Process(pid).kill()
        time.sleep(0.1)
        assert servers.revive() == ["postgres", "redis"]
        assert _values(servers) == (["a"], ["a"])


def test_servers_of_a_killed_process_are_taken_over_and_stopped(folder: Path) -> None:
    script = (
        "import pathlib, sys, time; from console import embedded;"
        "embedded.ensure(pathlib.Path(sys.argv[1]), durable=False); print('up', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        owner.kill()
    before = {name: Process.of(pid) for name, pid in _pids(folder).items()}
    servers = embedded.ensure(folder, durable=False)
    assert not servers.started
    servers.stop()
    assert not any(process.found() for process in before.values())


def test_a_stranger_without_the_password_is_refused(folder: Path) -> None:
    with embedded.ensure(folder, durable=False) as servers:
        assert servers.secret not in servers.database_url
        wrong = servers.database_url.replace(":", ":x", 2).replace(":x//", "://")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)
    for name in ("secret", "in-use"):
        assert (folder / name).stat().st_mode & 0o077 == 0


def test_a_folder_that_holds_something_else_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "base").mkdir(parents=True)
    with pytest.raises(ServerFault, match="no complete PostgreSQL cluster and is not empty: move it away") as fault:
        embedded.ensure(tmp_path, durable=False)
    assert "\n" not in str(fault.value)
    assert (tmp_path / "postgres" / "base").exists()


def test_a_process_that_only_has_the_same_pid_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        stop(Process(other.pid, created=1.0), signal.SIGKILL)
        assert other.poll() is None
        other.kill()
