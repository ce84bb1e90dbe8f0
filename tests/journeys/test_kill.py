"""The whole product from its one command: it comes up, survives kill -9 of each of its parts, and goes down leaving
nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings

CUSTOMERS = 400
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")
# Without these the demo is a demo: its own servers, its own secret.
OURS = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "HTTPS", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST"}


class Demo:
    """`manage.py demo` in a copy of the project, so that it meets neither a developer's nor another test's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(settings.BASE_DIR, folder, ignore=LEFT_OUT)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = {name: value for name, value in os.environ.items() if name not in OURS}
        self.environment |= {"PORT": str(self.port), "CUSTOMERS": str(CUSTOMERS)}
        self.log = (folder.parent / "demo.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "demo"], cwd=folder, env=self.environment, stdout=self.log, stderr=self.log,
            start_new_session=True,
        )  # fmt: skip

    def said(self) -> str:
        return (self.folder.parent / "demo.log").read_text()

    def json(self, name: str) -> Any:
        return json.loads((self.folder / "var" / name).read_text())

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=self.folder, env=self.environment, capture_output=True,
            text=True, timeout=300, check=False,
        )  # fmt: skip

    def child(self, name: str) -> int:
        return next(int(child["pid"]) for child in self.json("demo.children.json") if child["name"] == name)

    def belonging(self) -> list[psutil.Process]:
        """Every process that runs in the copy."""
        found = []
        for process in psutil.process_iter():
            try:
                if str(self.folder) in " ".join(process.cmdline()) or process.cwd().startswith(str(self.folder)):
                    found.append(process)
            except psutil.Error:
                continue
        return found


def until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"after {seconds} s: {what}"
        time.sleep(0.2)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path / "candor")
    try:
        yield running
    finally:
        for process in [psutil.Process(running.process.pid)] if running.process.poll() is None else []:
            process.send_signal(signal.SIGTERM)
        running.process.wait(60)
        for process in running.belonging():
            process.kill()
        running.log.close()


def test_nothing_acknowledged_is_lost_and_nothing_is_learned_twice(demo: Demo, tmp_path: Path) -> None:
    access = demo.folder / "var" / "demo.json"
    until(lambda: access.exists() or demo.process.poll() is not None, 180, "var/demo.json is not there")
    assert demo.process.poll() is None, demo.said()
    assert stat.S_IMODE(access.stat().st_mode) == 0o600
    assert set(demo.json("demo.json")) == {"url", "users", "keys", "customers", "database_url", "redis_url"}
    seeding = demo.folder / "var" / "log" / "seed_demo.log"
    until(lambda: "The bank has" in seeding.read_text(), 240, "the bank is not whole")

    log = tmp_path / "acknowledged.jsonl"
    client = subprocess.Popen(
        [sys.executable, "manage.py", "simulate", "--live", "--customers", str(CUSTOMERS), "--days", "12", "--visits",
         "60", "--threads", "4", "--log", str(log)],
        cwd=demo.folder, env=demo.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    until(lambda: log.exists() and log.stat().st_size > 2000, 60, "nothing was acknowledged")
    victims: list[Callable[[], int]] = [
        lambda: demo.child("web"),
        lambda: demo.child("learn"),
        lambda: demo.child("worker"),
        lambda: int(demo.json("servers.json")["redis"]["pid"]),
        lambda: int(demo.json("servers.json")["postgres"]["pid"]),
    ]
    try:
        for victim in victims:
            os.kill(victim(), signal.SIGKILL)
            time.sleep(1.5)
        said = client.communicate(timeout=240)[0]
    finally:
        client.kill()
        client.communicate()
    assert client.returncode == 0, said

    check = demo.manage("simulate", "--check", str(log), "--customers", str(CUSTOMERS))
    assert check.returncode == 0, check.stdout + check.stderr
    assert "Nothing is missing, and nothing was learned twice." in check.stdout
    replayed = demo.manage("replay", "--sample", "300")
    assert replayed.returncode == 0, replayed.stdout
    assert "300 of 300 identical" in replayed.stdout
    assert demo.manage("verify_audit").returncode == 0

    second = demo.manage("demo")
    assert second.returncode == 1
    assert len(second.stderr.strip().splitlines()) == 1

    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(60) == 0, demo.said()
    assert demo.belonging() == []
