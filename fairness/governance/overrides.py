"""Overrides by protected group: from how many people of each something was kept by hand. Nothing comes out of an
attribute with a group of fewer than twenty: each of the people is named beside it, and the rest would tell them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from decisioning.models import Suppression
from fairness import dataset, small_groups
from fairness.cube import lines


@dataclass(frozen=True, slots=True)
class GroupOverrides:
    """`people` from whom something was kept, in a group of those whose attribute is recorded or of those without."""

    attribute: str
    group: str
    people: int


def by_group(since: datetime, until: datetime) -> list[GroupOverrides]:
    """People whom an override touched that was made in the period, by attribute and group as of its end."""
    rows = Suppression.objects.filter(made_at__gte=since, made_at__lt=until)
    people = np.array(sorted(set(rows.values_list("customer_id", flat=True))), dtype=np.int64)
    if len(people) < small_groups.FLOOR:
        return []
    bands = lines.in_force(until.date())
    least = small_groups.smallest(bands)
    everybody = np.ones(len(people), dtype=bool)
    tables = {
        attribute: groups.table(everybody)
        for attribute, groups in dataset.groupings(people, until, bands.age_bands).items()
    }
    return [
        GroupOverrides(attribute, group, int(counts.total))
        for attribute, groups in tables.items()
        if min(counts.total for counts in groups.values()) >= least
        for group, counts in sorted(groups.items())
    ]
