"""What decisions were served against the same values computed again from history; it repairs nothing.

The same declaration computes both sides, so a mismatch means that a stored or served value is not what history says:
bytes that changed, a fact entered or altered after the fact, or a path that computes on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from decisioning.models import SkewCheck


@dataclass(frozen=True, slots=True)
class State:
    """Of the newest check, for the health page. `red`: values differed. `late`: none has run for two nights. `none`: no
    check has run yet. `detail` is a sentence."""

    state: Literal["green", "red", "late", "none"]
    detail: str
    check: SkewCheck | None


def check(now: datetime, sample: int = 1000) -> SkewCheck:
    """Compute again what a sample of the decisions since the last check (of the last day, the first time) were served,
    and store the result. `mismatches` is attribute to count, `examples` a few of {decision, attribute, served,
    recomputed, moment}, `skipped` reason to count of sampled decisions that cannot be computed again."""
    raise NotImplementedError


def state(now: datetime) -> State:
    """How the newest check ended."""
    raise NotImplementedError
