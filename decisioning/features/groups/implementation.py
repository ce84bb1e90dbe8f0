"""How a feature group is implemented: each of its attributes in exactly one way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from decisioning.features.measures import Aggregate, Members, Reported


@dataclass(frozen=True, slots=True)
class Implementation:
    """Which attributes of `group` are told by sources (`given`), computed from history (`aggregated`) or computed from
    other columns (`derived`). Where nothing can be computed, what a source tells stands in.

    `momentary` are those that the last signals change at once, between two computations: overlays, but for the session.
    """

    group: str
    given: tuple[str, ...] = ()
    aggregated: Mapping[str, Aggregate | Reported | Members] = field(default_factory=dict)
    derived: tuple[str, ...] = ()
    momentary: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Every attribute implemented here."""
        return tuple(dict.fromkeys((*self.given, *self.aggregated, *self.derived, *self.momentary)))
