"""How a feature group is implemented: each of its attributes in exactly one way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from decisioning.features.measures import Aggregate, Reported


@dataclass(frozen=True, slots=True)
class Implementation:
    """Which attributes of `group` are told by sources (`given`), computed from history (`aggregated`) or computed from
    other columns (`derived`). Where nothing can be computed, what a source tells stands in.

    `momentary` are those that the last signals change at once, between two computations: overlays, but for the session.
    `dated_by` says what makes the group old: the facts that it was told, or the moment that it was computed for.
    """

    group: str
    given: tuple[str, ...] = ()
    aggregated: Mapping[str, Aggregate | Reported] = field(default_factory=dict)
    derived: tuple[str, ...] = ()
    momentary: tuple[str, ...] = ()
    dated_by: Literal["facts", "computation"] = "computation"

    def names(self) -> tuple[str, ...]:
        """Every attribute implemented here, once for each way."""
        told = (*self.given, *self.aggregated, *self.derived)
        return (*told, *(name for name in self.momentary if name not in told))
