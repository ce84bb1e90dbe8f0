"""How much each attribute that a rule may read tells of a protected group: measured every night on a sample, aggregates
only; what follows from it is for people, and for the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from django.db import transaction
from numpy.typing import NDArray
from scipy.stats import rankdata

from decisioning.sample import sample
from fairness import dataset
from fairness.models import ProxyStrength
from offers.conditions.vectorise import CategoryColumn, Column, NumberColumn

LEAST: Final = 50  # people in and outside of a group, below which its figure would be noise
NOTABLE: Final = 0.6
STRONG: Final = 0.7


@dataclass(frozen=True, slots=True)
class Strength:
    """The group that an attribute tells most of. `auc` is the chance that the attribute ranks somebody of the group and
    somebody else the right way round: 0.5 tells nothing, 1 tells everything."""

    attribute: str
    protected: str
    group: str
    auc: float

    @property
    def level(self) -> str:
        return "strong" if self.auc >= STRONG else "notable" if self.auc >= NOTABLE else "weak"


def strongest() -> dict[str, Strength]:
    """The strongest figure of each attribute; nothing before the first night."""
    rows = ProxyStrength.objects.order_by("attribute", "-auc").distinct("attribute")
    return {row.attribute: Strength(row.attribute, row.protected, row.group, row.auc) for row in rows}


def measure(now: datetime) -> int:
    """Measure every attribute against every group, in place of what was measured before; the number of figures."""
    among = sample(now)
    groupings = dataset.groupings(among.customers, now)
    rows = [
        ProxyStrength(attribute=name, protected=protected, group=group, auc=auc, people=people, computed_at=now)
        for name, column in among.columns.items()
        for protected, grouping in groupings.items()
        for group, (auc, people) in _against(column, grouping).items()
    ]
    with transaction.atomic():
        ProxyStrength.objects.all().delete()
        ProxyStrength.objects.bulk_create(rows, batch_size=1000)
    return len(rows)


def _against(column: Column, grouping: dataset.Grouping) -> Mapping[str, tuple[float, int]]:
    """AUC and people of one attribute against each group of one protected attribute, among those who record both."""
    found = {}
    for code, name in enumerate(grouping.names):
        recorded, member = grouping.codes >= 0, grouping.codes == code
        score, known = scores(column, member, recorded)
        among = recorded & known
        inside = int((member & among).sum())
        if min(inside, int(among.sum()) - inside) >= LEAST:
            found[name] = (auc(score[among], member[among]), int(among.sum()))
    return found


def scores(
    column: Column, member: NDArray[np.bool_], recorded: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A number for each customer (N,) that grows with the chance of belonging, and of whom it is known (N,).

    A number is its own score. Of a category or a set it is the share of members among those with the same value in the
    other half of the people: a share that counts oneself lets a rare value give its holder away, and one that leaves
    out just oneself is lower for every member, by which an attribute that tells nothing would tell everything.
    """
    if isinstance(column, NumberColumn):
        return column.values, ~np.isnan(column.values)
    values, known = _values(column)
    distinct, place = np.unique(values, return_inverse=True)
    half = np.random.default_rng(0).permutation(len(values)) % 2
    base = member[recorded & known].mean() if (recorded & known).any() else 0.0
    score = np.empty(len(values))
    for side in (0, 1):
        learned = recorded & known & (half != side)
        people = np.bincount(place[learned], minlength=len(distinct))
        members = np.bincount(place[learned & member], minlength=len(distinct))
        score[half == side] = ((members + base) / (people + 1))[place[half == side]]
    return score, known


def _values(column: Column) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A number for each distinct value (N,), and of whom it is known (N,)."""
    if isinstance(column, CategoryColumn):
        return column.codes.astype(np.int64), column.codes >= 0
    assert not isinstance(column, NumberColumn)
    bits = np.zeros(len(column), dtype=np.int64)
    for place, name in enumerate(sorted(column.members)[:62]):
        bits |= column.members[name].astype(np.int64) << place
    return bits, ~column.missing


def auc(score: NDArray[np.float64], member: NDArray[np.bool_]) -> float:
    """Mann and Whitney's estimate, ties as halves, turned to at least 0.5: which way it points does not matter."""
    inside = int(member.sum())
    ranks = rankdata(score)[member].sum()
    value = (ranks - inside * (inside + 1) / 2) / (inside * (len(member) - inside))
    return float(max(value, 1 - value))
