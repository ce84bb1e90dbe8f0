"""What a change would do, on a sample and at once, for somebody who is trying; evidence is computed on everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from decisioning import impact
from decisioning.impact import Kept
from fairness import dataset, evidence, forecast, parity, thresholds
from fairness.dataset import Groupings
from fairness.parity import Change
from fairness.thresholds import Bands, Verdict
from offers import purposes, snapshot
from offers.catalog import InvalidContent, Item, faults_of


@dataclass(frozen=True, slots=True)
class Preview:
    """Of the `sample` customers; `any_offer` as in the evidence, `decisions` as in `forecast`, `worst` first."""

    population: int
    sample: int
    verdict: Verdict
    worst: tuple[Change, ...]
    any_offer: dict[str, int]
    decisions: dict[str, Any]


_groups: tuple[tuple[datetime, Bands], Groupings] | None = None


def preview(items: Sequence[Item], now: datetime) -> Preview:
    """These items beside the live release. Raises InvalidContent, and LookupError before the first release."""
    live = snapshot.live_row()
    if live is None:
        raise LookupError("nothing is live that anything could be compared with")
    faults = [fault for item in items for fault in faults_of(item)]
    if faults:
        raise InvalidContent(faults)
    content = snapshot.apply(live.content, items)
    purposes.checked(0, content)
    kept = impact.kept(now)
    plans = [impact.plan_of(live.content), impact.plan_of(content)]
    about = {item.key for item in items if item.kind == "offer"}
    simulation = impact.simulate_people(plans, kept, now, about=about, seed=impact.seed_of(live.content_hash))
    before, after = simulation.reaches
    bands = thresholds.bands_in_force(live.content, now.date())
    changes = evidence.eligibility(_groupings(kept, now, bands), before, after, bands)
    rows = sorted((row for some in changes.values() for row in some), key=lambda row: evidence.WORST.index(row.verdict))
    return Preview(
        kept.population, len(kept.people), parity.overall(changes, len(kept.people)), tuple(rows[:5]),
        evidence.any_offer(before, after, len(kept.people)), forecast.decisions(simulation),
    )  # fmt: skip


def _groupings(kept: Kept, now: datetime, bands: Bands) -> Groupings:
    """The sample's protected groups, read once for each sample that is kept and the age bands in force."""
    global _groups
    key = (kept.people.moment, bands)
    if _groups is None or _groups[0] != key:
        _groups = (key, dataset.groupings(kept.people.customers, now, bands.age_bands))
    return _groups[1]
