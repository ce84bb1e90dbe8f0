"""Keeps a set of child processes alive until it is told to stop; it knows nothing of what they do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from console.processes import Process, stop, write_whole

GRACE_SECONDS = 10
LONGEST_PAUSE = 30.0
LOG_BYTES = 10_000_000


@dataclass
class Child:
    """One process to keep alive, or with `once` to run to its end."""

    name: str
    command: list[str]
    once: bool = False
    running: subprocess.Popen[bytes] | None = None
    result: int | None = None
    pause: float = 1.0
    born: float = 0.0
    retry_at: float = 0.0


@dataclass
class Supervisor:
    """Children with their environment, their logs under `folder`/log, and the list of them for the next start."""

    folder: Path
    environment: dict[str, str]
    say: Callable[[str], None]
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, command: list[str], *, once: bool = False) -> Child:
        """Start a child in a session of its own, so that a Ctrl-C in the terminal reaches only the supervisor."""
        child = Child(name, command, once)
        self.children.append(child)
        self._spawn(child)
        return child

    def tend(self) -> None:
        """Start again what died, each time after a longer pause."""
        now = time.monotonic()
        for child in self.children:
            if child.running is not None and child.running.poll() is not None:
                child.result, child.running = child.running.returncode, None
                if child.once:
                    continue
                if now - child.born > 60:
                    child.pause = 1.0
                self.say(f"{child.name} ended ({child.result}); again in {child.pause:.0f} s. See {self._log(child)}")
                child.retry_at, child.pause = now + child.pause, min(2 * child.pause, LONGEST_PAUSE)
            elif child.running is None and not child.once and now >= child.retry_at:
                self._spawn(child)

    def stop(self) -> None:
        """End all children: asked, then (SIGQUIT: Celery gives unfinished tasks back) urged, then killed."""
        for sign, grace in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGQUIT, 3), (signal.SIGKILL, 3)):
            left = [c.running for c in self.children if c.running is not None and c.running.poll() is None]
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    if sign == signal.SIGKILL:
                        os.killpg(process.pid, sign)
                    else:
                        process.send_signal(sign)
            deadline = time.monotonic() + grace
            for process in left:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.01, deadline - time.monotonic()))
        self._record.unlink(missing_ok=True)

    def stop_strays(self) -> None:
        """End the children of a supervisor that was killed before it could."""
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            for content in json.loads(self._record.read_text()):
                process = Process.from_json(content)
                if process is not None and process.found():
                    self.say(f"Ending {content['name']}, left over from a demo that was killed.")
                    stop(process, grace=GRACE_SECONDS)
        self._record.unlink(missing_ok=True)

    def _spawn(self, child: Child) -> None:
        log = self._log(child)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            child.running = subprocess.Popen(
                child.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        child.born = time.monotonic()
        self._write_record()

    def _write_record(self) -> None:
        rows = []
        for child in self.children:
            with contextlib.suppress(Exception):  # it may end between the two lines
                if child.running is not None:
                    process = Process.of(child.running.pid)
                    rows.append({"name": child.name, "pid": process.pid, "created": process.created})
        write_whole(self._record, rows)

    def _log(self, child: Child) -> Path:
        return self.folder / "log" / f"{child.name}.log"

    @property
    def _record(self) -> Path:
        return self.folder / "demo.children.json"
