"""Processes of the embedded servers and the demo: known by pid and start time, so that a reused pid is never hit."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Process:
    """One process of this machine; `created` is its start in seconds since the epoch."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Process:
        """The running process with this pid. Raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def from_json(cls, content: dict[str, Any] | None) -> Process | None:
        """What was written down, or None where nothing was."""
        return cls(int(content["pid"]), float(content["created"])) if content else None

    def found(self) -> psutil.Process | None:
        """The process itself, or None once it has ended (a zombie has)."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            # Rounded by the kernel to clock ticks, and moved by a clock that is set meanwhile.
            if abs(process.create_time() - self.created) < 2 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


def stop(process: Process, sign: signal.Signals = signal.SIGTERM, grace: float = 20) -> None:
    """Ask a process to end, wait up to `grace` seconds, then end it and its children by force."""
    found = process.found()
    if found is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        children = found.children(recursive=True)
        found.send_signal(sign)
        deadline = time.monotonic() + grace
        while process.found() and time.monotonic() < deadline:
            time.sleep(0.02)
        # A parent that was killed leaves its children behind; one that ended well has none left.
        for left in [found, *children]:
            with contextlib.suppress(psutil.NoSuchProcess):
                if left.status() != psutil.STATUS_ZOMBIE and (left is not found or process.found()):
                    left.kill()


@contextlib.contextmanager
def ended_on_fault(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a child that nobody knows of yet when its start is broken off, by Ctrl-C for one."""
    try:
        yield
    except BaseException:
        child.terminate()
        child.wait()
        raise


def stop_stray(pid_file: Path, mark: str, sign: signal.Signals) -> None:
    """Stop the server that a pid file names if a killed process left it running, and remove the file.

    `mark` stands in the command line of such a server; any other process has only come by the same pid.
    """
    with contextlib.suppress(FileNotFoundError, ValueError, IndexError, psutil.Error):
        pid = int(pid_file.read_text().splitlines()[0])
        if mark in " ".join(psutil.Process(pid).cmdline()):
            stop(Process.of(pid), sign)
    pid_file.unlink(missing_ok=True)


def write_whole(path: Path, content: object) -> None:
    """Write JSON so that whoever reads it meanwhile sees the old file or the new one, never a part."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(json.dumps(content, indent=1))
    draft.replace(path)
