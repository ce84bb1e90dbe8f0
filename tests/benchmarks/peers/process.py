"""One process of a peer: under the peers' own interpreter, answers in JSON lines, bounds of time and of memory."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

PYTHON = Path(__file__).resolve().parents[3] / ".venv-peers" / "bin" / "python"
SET_UP = "Feast is not set up beside us, so its figures are left out: make peers"


class PeerFault(Exception):
    """The peer ended without an answer; the message says how, with the last line that it wrote."""


def is_set_up() -> bool:
    """Whether the peers' environment is there; SET_UP is the line to print where it is not."""
    return PYTHON.exists()


@dataclass(frozen=True)
class Peer:
    """A running peer, and the file that takes what it says beside its answers."""

    process: subprocess.Popen[str]
    said: IO[str]

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)

    def answer(self, step: str) -> dict[str, Any]:
        """Wait for the answer of one step. Raises PeerFault where the process ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found: dict[str, Any] = json.loads(line)
            if found["step"] == step:
                return found
        self.said.seek(0)
        lines = [line.strip() for line in self.said if line.strip()]
        raise PeerFault(f"ended with {self.process.wait()} before it had {step}: {lines[-1] if lines else 'no word'}")

    def watch(self, seconds: float, memory: float) -> tuple[int, str]:
        """Wait for its end; the highest resident memory seen (bytes), and the bound that it broke, or nothing."""
        process, deadline, peak = psutil.Process(self.process.pid), time.monotonic() + seconds, 0
        while self.process.poll() is None:
            with suppress(psutil.Error):
                peak = max(peak, process.memory_info().rss)
            if peak > memory:
                return peak, f"needs more than {memory / 1e9:.0f} GB"
            if time.monotonic() > deadline:
                return peak, f"takes more than {seconds:.0f} s"
            time.sleep(0.1)
        return peak, ""


@contextmanager
def started(script: Path, command: str, **options: object) -> Iterator[Peer]:
    """Start a command of the peer's script with these options; it ends with the context at the latest."""
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    # -P: the folder of the script is no place to import from.
    program = [str(PYTHON), "-P", str(script), command, *words]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as said,
        tempfile.TemporaryDirectory() as scratch,  # also of what a killed peer leaves behind
        subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=said, text=True, env=_quiet(scratch)) as process,
    ):
        try:
            yield Peer(process, said)
        finally:
            process.kill()


def _quiet(scratch: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": scratch, "FEAST_USAGE": "False", "PYTHONWARNINGS": "ignore"}
