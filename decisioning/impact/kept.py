"""A fixed sample of people in memory, whole enough to decide on them, for pages that answer while somebody tries
things; what goes live is judged on everybody."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from decisioning.features import population
from decisioning.impact import people as reading
from decisioning.impact.people import People
from decisioning.sample import KEPT, SIZE
from offers.register import ATTRIBUTES
from offers.types import CHANNELS

_NAMES: Final = frozenset(ATTRIBUTES)


@dataclass(frozen=True, slots=True)
class Kept:
    """People of the sample, and how many customers there are in all."""

    people: People
    population: int

    @property
    def share(self) -> float:
        """Of the population; 1 where it is everybody."""
        return len(self.people) / self.population if self.population else 1.0

    def scaled(self, count: int) -> int:
        """A count in the sample, as the number of customers that it stands for."""
        return round(count / self.share) if self.share else 0


_lock = threading.Lock()
_held: Kept | None = None


def kept(now: datetime) -> Kept:
    """The sample as of the last few minutes; the first call of a process reads it."""
    global _held
    with _lock:
        if _held is None or not _held.people.moment <= now <= _held.people.moment + KEPT:
            _held = drawn(now, SIZE)
        return _held


def drawn(now: datetime, size: int) -> Kept:
    """A fresh sample of about so many customers; the smaller lies within the larger."""
    total = population.size()
    chunks = population.id_chunks(share=min(1.0, size / max(1, total)))
    ids = np.concatenate([np.empty(0, dtype=np.int64), *chunks])
    return Kept(reading.of(ids, _NAMES, CHANNELS, now), total)


def forget() -> None:
    """For tests, whose population changes under one process."""
    global _held
    _held = None
