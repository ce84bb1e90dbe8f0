"""How much each attribute that a rule may read, and each clause on it, tells of a protected group: measured every night
on a sample, aggregates only; what follows from it is for people, and for the gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from django.db import transaction
from numpy.typing import NDArray
from sklearn.metrics import normalized_mutual_info_score

from decisioning.sample import Sample, sample
from fairness import dataset
from fairness.models import ProxyStrength
from fairness.score_metrics import area
from fairness.thresholds import DEFAULT, Bands
from offers import canonical, snapshot
from offers.conditions.grammar import Clause, clauses, to_json
from offers.conditions.vectorise import CategoryColumn, Column, NumberColumn, evaluate_many

LEAST: Final = 50  # people in and outside of a group, below which its figure would be noise
_BINS: Final = 10  # quantiles of a number, for its mutual information


@dataclass(frozen=True, slots=True)
class Strength:
    """The group that an attribute, or a clause on it, tells most of. `auc` is the chance that it ranks somebody of the
    group and somebody else the right way round: 0.5 tells nothing, 1 tells everything. `mutual_information` with all
    groups of the protected attribute is normalised: 0 tells nothing, 1 tells everything."""

    attribute: str
    protected: str
    group: str
    auc: float
    mutual_information: float
    level: str  # "strong", "notable" or "weak", by the lines of the packs in force


Measured = tuple[str, str, float, float, int]  # protected, group, auc, mutual information, people


def level(auc: float, bands: Bands = DEFAULT) -> str:
    return "strong" if auc >= bands.proxy_strong else "notable" if auc >= bands.proxy_notable else "weak"


def strongest(bands: Bands = DEFAULT) -> dict[str, Strength]:
    """The strongest figure of each attribute; nothing before the first night."""
    rows = ProxyStrength.objects.filter(clause="").order_by("attribute", "-auc").distinct("attribute")
    return {row.attribute: _strength(row, bands) for row in rows}


def strongest_clauses(wanted: Mapping[str, Clause], now: datetime, bands: Bands = DEFAULT) -> dict[str, Strength]:
    """The strongest figure of each of these clauses, by the names that they are given: as measured last night of what
    is live, and on the sample at once of what somebody is writing. Nothing of a clause that everybody or nobody meets.
    """
    keys = {name: clause_key(clause) for name, clause in wanted.items()}
    rows = ProxyStrength.objects.filter(clause__in=keys.values()).order_by("clause", "-auc").distinct("clause")
    kept = {row.clause: _strength(row, bands) for row in rows}
    found = {}
    for name, clause in wanted.items():
        measured = kept.get(keys[name]) or _now(clause, now, bands)
        if measured:
            found[name] = measured
    return found


def clause_key(clause: Clause) -> str:
    """What a clause is filed under."""
    return canonical.digest(to_json(clause))


def _strength(row: ProxyStrength, bands: Bands) -> Strength:
    return Strength(
        row.attribute, row.protected, row.group, row.auc, row.mutual_information, level(row.auc, bands)
    )  # fmt: skip


def _now(clause: Clause, now: datetime, bands: Bands) -> Strength | None:
    among = sample(now)
    figures = _of(_met(clause, among), _groupings(among, now))
    best = max(figures, key=lambda one: one[2], default=None)
    return best and Strength(clause.attribute, *best[:4], level(best[2], bands))


_held: tuple[datetime, dataset.Groupings] | None = None


def _groupings(among: Sample, now: datetime) -> dataset.Groupings:
    """The sample's protected groups, read once for each sample."""
    global _held
    if _held is None or _held[0] != among.at:
        _held = (among.at, dataset.groupings(among.customers, now))
    return _held[1]


def measure(now: datetime) -> int:
    """Measure every attribute, and every clause of the live release, against every group, in place of what was measured
    before; the number of figures."""
    among = sample(now)
    groupings = dataset.groupings(among.customers, now)
    columns = [(name, "", column) for name, column in among.columns.items()]
    columns += [(clause.attribute, key, _met(clause, among)) for key, clause in _live_clauses().items()]
    rows = [
        ProxyStrength(attribute=name, clause=key, protected=protected, group=group, auc=auc, people=people,
                      mutual_information=information, computed_at=now)
        for name, key, column in columns
        for protected, group, auc, information, people in _of(column, groupings)
    ]  # fmt: skip
    with transaction.atomic():
        ProxyStrength.objects.all().delete()
        ProxyStrength.objects.bulk_create(rows, batch_size=1000)
    return len(rows)


def _live_clauses() -> dict[str, Clause]:
    """The clauses of the live rules and boosts that read what the sample has, by key."""
    live = snapshot.live_row()
    if live is None:
        return {}
    release = snapshot.read(live.number, live.content)
    conditions = [rule.when for rule in release.rules.values()] + [boost.when for boost in release.boosts.values()]
    return {clause_key(clause): clause for when in conditions for _, clause in clauses(when)}


def _met(clause: Clause, among: Sample) -> NumberColumn:
    """1 for whoever meets a clause, 0 for whoever does not, NaN where that is not known."""
    if not among.columns:
        return NumberColumn(np.empty(0))
    met = evaluate_many(clause, among.columns).astype(np.float64)
    return NumberColumn(np.where(met < 0, np.nan, met))


def _of(column: Column, groupings: dataset.Groupings) -> Iterator[Measured]:
    """One column against each group that enough people belong to, among those of whom both are known."""
    for protected, grouping in groupings.items():
        recorded, information = grouping.codes >= 0, None
        for code, name in enumerate(grouping.names):
            member = grouping.codes == code
            score, known = scores(column, member, recorded)
            among = recorded & known
            inside = int((member & among).sum())
            if min(inside, int(among.sum()) - inside) >= LEAST:
                if information is None:
                    information = mutual_information(column, among, grouping.codes)
                yield protected, name, auc(score[among], member[among]), information, int(among.sum())


def mutual_information(column: Column, among: NDArray[np.bool_], groups: NDArray[np.int16]) -> float:
    """Of the column's values with the groups, both (N,), normalised by the mean of their entropies; numbers in ten
    quantiles."""
    if isinstance(column, NumberColumn):
        values = column.values[among]
        labels = np.searchsorted(np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1])), values, "right")
    else:
        labels = _values(column)[0][among]
    return float(normalized_mutual_info_score(groups[among], labels))


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
    """The area under the ROC curve, turned to at least 0.5: which way a score points does not matter."""
    value = area(score, member)
    return max(value, 1 - value)
