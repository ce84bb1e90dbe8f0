"""R-PRX-1 to 5: the gap of groups that nobody recorded, through the estimates of the vault, for people who live where a
pack allows it; always a range of three methods, and what it is called stays with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date

import numpy as np

from fairness import surname_proxy, vault
from fairness.cube.rollup import ANY
from fairness.scores.found import Found
from fairness.scores.month import Mask, Month
from fairness.surname_proxy import Estimate, Floats
from fairness.thresholds import Bands
from offers import packs
from offers.pack_schema import PROXIES


def of_month(held: Month, source: packs.Source, on: date, bands: Bands, smallest: int) -> Iterator[Found]:
    """Who was given any offer, and each offer, of all who came. Groups of fewer estimated people are left out."""
    allowed = {place: packs.for_place(source, *place, on).proxies for place in set(held.places)}
    for attribute in PROXIES:
        inside = np.array([attribute in allowed[place] for place in held.places], dtype=bool)
        if not inside.any():
            continue
        groups, p = vault.estimates(attribute, held.customers[inside].tolist())
        known = ~np.isnan(p).any(axis=1)
        if len(groups) > 1 and known.any():
            given = held.chosen[inside][known]
            yield from _of_attribute(attribute, groups, p[known], given, held.offers, bands, smallest)


def _of_attribute(
    attribute: str, groups: Sequence[str], p: Floats, given: Mask, offers: Sequence[str], bands: Bands, smallest: int
) -> Iterator[Found]:
    people = p.sum(axis=0)
    wanted = bands.references.get(attribute)
    reference = groups.index(wanted) if wanted in groups else int(np.argmax(people))
    methods = [asdict(method) for method in vault.methods(attribute)]
    for offer, chosen in ((ANY, given.any(axis=1)), *zip(offers, given.T, strict=True)):
        for group, name in enumerate(groups):
            fewest = int(min(people[group], people[reference]))
            if group != reference and fewest >= smallest and chosen.any():
                found = surname_proxy.compare(p, chosen, group, reference, bands)
                told = {**content(found, smallest), "methods": methods}
                yield Found(offer, attribute, name, groups[reference], fewest, told)


def content(found: Estimate, smallest: int) -> dict[str, object]:
    """What each method says; one that counts a few people says nothing."""
    shown = [one for one in found.estimators if one.people >= smallest]
    ratios = [one.ratio for one in shown if one.ratio is not None]
    return {
        "label": found.label, "p": found.p, "shortfall": found.shortfall, "verdict": found.verdict.value,
        "low": min(ratios, default=None), "high": max(ratios, default=None),
        "estimators": [{**asdict(one), "ratio": one.ratio} for one in shown],
    }  # fmt: skip
