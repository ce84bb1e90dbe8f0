"""What a benchmark stands on: Postgres and Redis of its own with Django over them, and the sizes that it was asked for;
nothing is measured here but seconds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from console import embedded
from console.embedded import Servers

VAR: Final = Path(__file__).resolve().parents[2] / "var"


@contextmanager
def django_over(folder: Path, *, durable: bool = True) -> Iterator[Servers]:
    """Django set up over the servers whose data lie in `folder`, which an earlier run may have filled."""
    with embedded.ensure(folder, durable=durable) as servers:
        os.environ.update(servers.environment())
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
        import django

        django.setup()
        yield servers


def sizes(**usual: int) -> dict[str, int]:
    """The usual sizes, but for those that SIZES names, such as "customers=100000 offers=5000"."""
    asked = (entry.partition("=") for entry in os.environ.get("SIZES", "").split())
    return usual | {name: int(size) for name, _, size in asked}


@contextmanager
def timed(name: str, most: float | None = None) -> Iterator[None]:
    """Print the seconds that something took, its processor time here, and how many it may take."""
    begun, busy = time.perf_counter(), time.process_time()
    yield
    took, busy = time.perf_counter() - begun, time.process_time() - busy
    limit = "" if most is None else f"   {'within' if took <= most else 'BEYOND'} {most:.0f}"
    print(f"{name:34}{took:>9.2f} s{busy:>9.2f} s busy beside Postgres{limit}", flush=True)
