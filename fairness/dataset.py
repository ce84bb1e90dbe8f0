"""The protected groups of a population as arrays, for counting; only this module reads the vault's entries, and it
hands out codes, never a row about one person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fairness import counts, vault
from fairness.counts import NOT_RECORDED, STRICT, GroupCounts
from offers.types import AgeBand

BIRTH_DATE: Final = "birth_date"
"""Read as `age_band` at the time of the audit: a stored band would be wrong after the next birthday."""
AGE_BAND: Final = "age_band"
_CHUNK: Final = 200_000  # customers; each tells of some 20,000 birth dates, however few it has


@dataclass(frozen=True, slots=True)
class Grouping:
    """The group of each customer under one attribute: `codes` (N,) into `names`, -1 where it is not recorded."""

    codes: NDArray[np.int16]
    names: tuple[str, ...]

    def table(self, favourable: NDArray[np.bool_]) -> dict[str, GroupCounts]:
        """People by group, and those for whom `favourable` (N,) holds; as `counts.table`, without sorting strings."""
        width = len(self.names) + 1
        places = np.where(self.codes < 0, width - 1, self.codes)
        total = np.bincount(places, minlength=width).tolist()
        chosen = np.bincount(places[favourable], minlength=width).tolist()
        rows = zip((*self.names, NOT_RECORDED), total, chosen, strict=True)
        return {name: GroupCounts(name, people, happy) for name, people, happy in rows if people}

    def among(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Grouping:
        """The same for a part of the customers, as a mask (N,), or for the customers at these positions."""
        return Grouping(self.codes[chosen], self.names)

    def holds(self, name: str) -> NDArray[np.bool_]:
        """Who belongs to a group (N,), "not recorded" among them."""
        code = self.names.index(name) if name in self.names else -1
        return np.asarray(self.codes == code, dtype=np.bool_)


Groupings = Mapping[str, Grouping]


@dataclass(slots=True)
class _Reading:
    """Codes of one attribute while the vault is read."""

    codes: NDArray[np.int16]
    names: dict[str, int] = field(default_factory=dict)

    def note(self, places: NDArray[np.intp], value: str) -> None:
        self.codes[places] = self.names.setdefault(value, len(self.names))

    def grouping(self) -> Grouping:
        """With the names in order, so that tables of one attribute always read alike."""
        order = {name: place for place, name in enumerate(sorted(self.names))}
        renumbered = np.array([*(order[name] for name in self.names), -1], dtype=np.int16)
        return Grouping(renumbered[self.codes], tuple(order))


def groupings(
    customers: NDArray[np.int64], now: datetime, edges: tuple[AgeBand, ...] = STRICT.age_bands
) -> dict[str, Grouping]:
    """The groups of these distinct customers (N,) under every attribute that the vault holds for any of them; ages in
    the bands of the pack in force."""
    found: dict[str, _Reading] = {}
    today = now.date()
    order = np.argsort(customers, kind="stable")
    ranked = customers[order]
    for start in range(0, len(customers), _CHUNK):
        for name, value, holders in vault.grouped(ranked[start : start + _CHUNK].tolist()):
            if name == BIRTH_DATE:
                name, value = AGE_BAND, _band(value, today, edges)
            if name not in found:
                found[name] = _Reading(np.full(len(customers), -1, dtype=np.int16))
            found[name].note(order[np.searchsorted(ranked, holders)], value)
    return {name: found[name].grouping() for name in sorted(found)}


@lru_cache(maxsize=1 << 16)  # a population has some 25,000 birth dates
def _band(birth_date: str, today: date, edges: tuple[AgeBand, ...]) -> str:
    born = date.fromisoformat(birth_date)
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return str(counts.age_bands([years], edges)[0])
