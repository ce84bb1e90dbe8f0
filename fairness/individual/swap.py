"""R-IND-2, proxies that carry a group: give each customer the proxies of somebody alike of another group and decide
again; how many decisions change, and to which terms. A trend to watch, no verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from decisioning import impact, runtime
from decisioning.plan import Plan
from fairness import dataset
from fairness.dataset import Grouping
from fairness.individual import space
from fairness.models import IndividualCheck
from offers import audit
from offers.snapshot import live_row

ANCHORS: Final = 2_000
REFERENCE: Final = 20_000
_LEAST: Final = 20  # people on either side of an attribute
_SEED: Final = 20_261_122


@dataclass(frozen=True, slots=True)
class Swapped:
    """One protected attribute: of `people`, whose first offer `changed`; the mean change of rate and limit of those who
    are shown an offer both times, None where terms are not told."""

    attribute: str
    people: int
    changed: int
    rate: float | None
    limit: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "attribute": self.attribute, "people": self.people, "changed": self.changed, "rate": self.rate,
            "limit": self.limit,
        }  # fmt: skip


def check(now: datetime, *, reference: int = REFERENCE, anchors: int = ANCHORS) -> IndividualCheck:
    """Swap under the live release, attribute by attribute, and keep the counts. Raises NoRelease."""
    live = live_row()
    if live is None:
        raise runtime.NoRelease("no release is live")
    plan, drawn = runtime.plan(live.number), impact.drawn(now, reference)
    # Nightly scores were made of the proxies that somebody has.
    people = replace(drawn.people, stored=())
    where, bundle = space.of(people.columns), [name for name in space.proxy_bundle() if name in people.columns]
    found = []
    for name, grouping in dataset.groupings(people.customers, now).items():
        chosen, partners = _matched(where, grouping, anchors)
        if len(chosen) < _LEAST or not bundle:
            continue
        before = people.among(chosen)
        taken = people.some(partners)
        after = replace(before, columns={**before.columns, **{proxy: taken[proxy] for proxy in bundle}})
        found.append(_compared(name, plan, before, after, now))
    with transaction.atomic():
        kept = IndividualCheck.objects.create(
            kind=IndividualCheck.Kind.SWAP, customers=sum(one.people for one in found),
            differing=sum(one.changed for one in found), computed_at=now,
            figures={"attributes": [one.to_json() for one in found], "bundle": bundle},
        )  # fmt: skip
        audit.record(
            actor="candor", action="individuals.swapped", subject=f"check {kept.pk}",
            detail={"customers": kept.customers, "differing": kept.differing}, now=now,
        )  # fmt: skip
    return kept


def _matched(where: space.Space, grouping: Grouping, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Anchors (a,) by rising position, each with the most alike person of another recorded group (a,)."""
    random = np.random.default_rng(_SEED)
    recorded = np.flatnonzero(grouping.codes >= 0)
    chosen = np.sort(random.choice(recorded, min(most, len(recorded)), replace=False))
    partners = np.full(len(chosen), -1, dtype=np.intp)
    for code in np.unique(grouping.codes[recorded]).tolist():
        mine = np.flatnonzero(grouping.codes[chosen] == code)
        others = recorded[grouping.codes[recorded] != code]
        if len(mine) and len(others) > 1:
            partners[mine] = where.nearest(chosen[mine], others, 1)[1][:, 0]
    return chosen[partners >= 0], partners[partners >= 0]


def _compared(name: str, plan: Plan, before: impact.People, after: impact.People, now: datetime) -> Swapped:
    decided = [
        impact.simulate_people([plan], impact.Kept(people, len(people)), now).decided[0] for people in (before, after)
    ]
    offers = [one.offer for one in decided]
    both = (offers[0] >= 0) & (offers[1] >= 0)
    rate, limit = (_mean_change(plan, fact, offers[0][both], offers[1][both]) for fact in ("rate", "limit"))
    return Swapped(name, len(before), int((offers[0] != offers[1]).sum()), rate, limit)


def _mean_change(plan: Plan, fact: str, old: NDArray[np.int16], new: NDArray[np.int16]) -> float | None:
    told = [plan.release.offers[key].facts.get(fact) for key in plan.offers]
    terms = np.array([np.nan if value is None else float(value) for value in told])
    change = terms[new] - terms[old]
    known = change[~np.isnan(change)]
    return float(known.mean()) if len(known) else None
