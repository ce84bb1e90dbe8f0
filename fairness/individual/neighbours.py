"""R-IND-3, consistency: whether people who are alike are eligible alike, beside what chance would give, and the pairs
who are least so; surrogate keys and values that a decision may use, nothing protected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from django.db import transaction
from django.db.models import Q
from numpy.typing import NDArray

from decisioning import impact, runtime
from fairness import bootstrap
from fairness.individual import space
from fairness.individual.space import Floats, Space
from fairness.intervals import Interval
from fairness.models import ComparatorPair, IndividualCheck
from offers import audit
from offers.conditions.vectorise import CategoryColumn, Column, NumberColumn
from offers.snapshot import live_row

NEIGHBOURS: Final = 5
ANCHORS: Final = 2_000
REFERENCE: Final = 20_000
PAIRS: Final = 20
CHECKS: Final = 2  # whose pairs are kept
_SHOWN: Final = 8  # attributes of a pair, those in which the two differ most
_SEED: Final = 20_261_122


@dataclass(frozen=True, slots=True)
class Consistency:
    """1 - the mean distance of an anchor's outcome from its neighbours' (Zemel and others 2013), and the same with
    outcomes dealt out at random; `neighbours` (a, k) are positions, `distances` (a, k). `interval` is that of
    fairness.bootstrap over the anchors, among the same neighbours; None with fewer than two."""

    value: float
    interval: Interval | None
    baseline: float
    anchors: NDArray[np.intp]
    neighbours: NDArray[np.intp]
    distances: Floats


def consistency(where: Space, outcome: Floats, *, anchors: int = ANCHORS, k: int = NEIGHBOURS) -> Consistency:
    """Of outcomes (n,) in [0, 1]: anchors against everybody, never against themselves. Raises ValueError under two."""
    size = len(outcome)
    if size < 2:
        raise ValueError("nobody has a neighbour")
    random = np.random.default_rng(_SEED)
    chosen = np.sort(random.choice(size, min(anchors, size), replace=False)).astype(np.intp)
    distances, found = where.nearest(chosen, np.arange(size, dtype=np.intp), k)
    dealt = random.permutation(outcome)
    each, by_chance = _agreement(outcome, chosen, found), _agreement(dealt, chosen, found)
    (interval,) = bootstrap.intervals(np.column_stack([each, np.ones(len(each))]), [bootstrap.ratio])
    return Consistency(float(each.mean()), interval, float(by_chance.mean()), chosen, found, distances)


def _agreement(outcome: Floats, anchors: NDArray[np.intp], found: NDArray[np.intp]) -> Floats:
    """Of each anchor (a,)."""
    return np.asarray(1 - np.abs(outcome[anchors] - outcome[found].mean(axis=1)))


def least_alike(one: Consistency, outcome: Floats, most: int = PAIRS) -> list[tuple[int, int, float]]:
    """The pairs (first, second, distance) whose outcomes differ most for how near they are; each person once."""
    gap = np.abs(outcome[one.anchors][:, np.newaxis] - outcome[one.neighbours])
    order = np.lexsort((one.distances.ravel(), -gap.ravel()))
    pairs: list[tuple[int, int, float]] = []
    met: set[int] = set()
    for place in order.tolist():
        row, at = divmod(place, one.neighbours.shape[1])
        first, second = int(one.anchors[row]), int(one.neighbours[row, at])
        if gap[row, at] == 0 or len(pairs) == most:
            break
        if not {first, second} & met:
            met |= {first, second}
            pairs.append((first, second, float(one.distances[row, at])))
    return pairs


def check(now: datetime, *, reference: int = REFERENCE, anchors: int = ANCHORS) -> IndividualCheck:
    """Measure it on a fixed sample under the live release, and keep the counts and the pairs. The outcome is the share
    of the competing offers that somebody is eligible for. Raises NoRelease, or ValueError without customers."""
    live = live_row()
    if live is None:
        raise runtime.NoRelease("no release is live")
    drawn = impact.drawn(now, reference)
    simulated = impact.simulate_people([runtime.plan(live.number)], drawn, now)
    seen = Seen(drawn.people, simulated)
    where = space.of(drawn.people.columns)
    found = consistency(where, seen.outcome, anchors=anchors)
    pairs = least_alike(found, seen.outcome)
    with transaction.atomic():
        kept = IndividualCheck.objects.create(
            kind=IndividualCheck.Kind.NEIGHBOURS, customers=len(seen.outcome), differing=len(pairs), computed_at=now,
            figures={
                "consistency": found.value, "interval": found.interval and list(found.interval),
                "method": bootstrap.METHOD, "baseline": found.baseline, "neighbours": NEIGHBOURS,
                "anchors": len(found.anchors), "attributes": sorted(set(where.names)), "offers": len(seen.offers),
                "left_out": list(space.proxy_bundle()),
            },
        )  # fmt: skip
        ComparatorPair.objects.bulk_create(
            seen.pair(kept, place, where, *pair) for place, pair in enumerate(pairs, start=1)
        )  # fmt: skip
        _forget_older()
        audit.record(
            actor="candor", action="individuals.compared", subject=f"check {kept.pk}",
            detail={"consistency": found.value, "baseline": found.baseline}, now=now,
        )  # fmt: skip
    return kept


def erase(customers: Sequence[int]) -> int:
    """Delete every pair that one of these customers is of; returns how many there were. Call it in the erasure's
    transaction, beside fairness.vault.erase and fairness.explanations.requests.erase."""
    rows = ComparatorPair.objects.filter(Q(customer_id__in=customers) | Q(other_id__in=customers))
    return rows.delete()[0]


def _forget_older() -> None:
    """Pairs are of people: the numbers of a check stay for ever, its pairs while it is one of the newest."""
    newest = (
        IndividualCheck.objects.filter(kind=IndividualCheck.Kind.NEIGHBOURS)
        .order_by("-pk")
        .values_list("pk", flat=True)
    )
    ComparatorPair.objects.exclude(check_of__in=list(newest[:CHECKS])).delete()


@dataclass(frozen=True, slots=True)
class Seen:
    """Customers and what the live release does for them."""

    people: impact.People
    simulated: impact.Simulation

    @property
    def offers(self) -> list[str]:
        """The competing ones."""
        reach = self.simulated.reaches[0]
        return [offer for offer, competes in zip(reach.offers, reach.competing.tolist(), strict=True) if competes]

    @property
    def eligible(self) -> NDArray[np.bool_]:
        """Customers by competing offers (n, k)."""
        reach = self.simulated.reaches[0]
        return np.asarray(reach.eligible[:, reach.competing], dtype=np.bool_)

    @property
    def outcome(self) -> Floats:
        """The share of the competing offers (n,) that each is eligible for."""
        return self.eligible.mean(axis=1) if self.offers else np.zeros(len(self.people))

    def pair(
        self, kept: IndividualCheck, place: int, where: Space, first: int, second: int, apart: float
    ) -> ComparatorPair:
        return ComparatorPair(
            check_of=kept, place=place, customer_id=int(self.people.customers[first]),
            other_id=int(self.people.customers[second]),
            figures={"distance": apart, "first": self._told(first), "second": self._told(second),
                     "values": _side_by_side(self.people.columns, where, first, second)},
        )  # fmt: skip

    def _told(self, person: int) -> dict[str, Any]:
        decided = self.simulated.decided[0]
        offers = [offer for offer, one in zip(self.offers, self.eligible[person].tolist(), strict=True) if one]
        return {"eligible": offers, "shown": [*decided.offers, ""][int(decided.offer[person])]}


def _side_by_side(columns: Mapping[str, Column], where: Space, first: int, second: int) -> list[dict[str, Any]]:
    """The attributes in which two people differ most, as both have them."""
    apart = np.abs(where.points[first] - where.points[second])
    order = sorted(range(len(where.names)), key=lambda at: -apart[at])
    names: Sequence[str] = list(dict.fromkeys(where.names[at] for at in order if apart[at] > 0))[:_SHOWN]
    return [{"attribute": name, "first": _value(columns[name], first), "second": _value(columns[name], second)}
            for name in names]  # fmt: skip


def _value(column: Column, at: int) -> Any:
    if isinstance(column, NumberColumn):
        return None if np.isnan(column.values[at]) else float(column.values[at])
    if isinstance(column, CategoryColumn):
        return None if column.codes[at] < 0 else column.vocabulary[int(column.codes[at])]
    return None if column.missing[at] else sorted(name for name, mask in column.members.items() if mask[at])
