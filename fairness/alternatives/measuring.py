"""What a candidate would do to people of a later time: whom it ranks highest, by protected group, and how well; counts
and shares leave this module, never a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decisioning.draws import words
from decisioning.propensity.encoding import OfferRow
from decisioning.propensity.scoring import PropensityModel
from decisioning.propensity.training import Example
from fairness import dataset, small_groups, thresholds
from fairness.alternatives import pareto
from fairness.alternatives.performance import per_thousand
from fairness.dataset import Groupings
from fairness.score_metrics import Floats, Mask, Measured, auc
from fairness.small_groups import FLOOR
from fairness.thresholds import ComparisonResult
from offers.types import AgeBand

_TIES: Final = 0x7469_6573


@dataclass(frozen=True, slots=True)
class Panel:
    """Logged offers (n,) of one period to people (m,): `person` (n,) points into `customers` (m,), who are described as
    when they were last seen; `worth` (n,) is what an acceptance brought. Groups are for counting alone."""

    examples: Sequence[Example]
    accepted: Mask
    worth: Floats
    person: NDArray[np.intp]
    customers: NDArray[np.int64]
    attributes: Sequence[Mapping[str, Any]]
    offers: Sequence[OfferRow]
    groupings: Groupings

    @property
    def worth_of_person(self) -> Floats:
        """What each person (m,) accepted was worth."""
        return np.bincount(self.person, self.worth, len(self.customers)).astype(np.float64)


def panel(examples: Sequence[Example], groups: Mapping[str, Any], now: datetime) -> Panel:
    """Everything about a period that does not depend on the candidate."""
    customers, person = np.unique([int(example.customer) for example in examples], return_inverse=True)
    latest = {int(example.customer): example.attributes for example in examples}
    accepted = np.array([example.accepted for example in examples], dtype=np.bool_)
    value = np.array([float(example.row.offer_facts.get("value") or 0.0) for example in examples])
    offers = {example.row.key: example.row for example in examples}
    bands = tuple(AgeBand(**band) for band in groups["age_bands"])
    return Panel(
        examples, accepted, accepted * value, person.astype(np.intp), customers.astype(np.int64),
        [latest[customer] for customer in customers.tolist()], [offers[key] for key in sorted(offers)],
        dataset.groupings(customers.astype(np.int64), now, bands),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measurement:
    """A candidate on one panel: `chosen` (m,) are those it ranks within the offer rate."""

    auc: Measured | None
    value: Measured | None
    comparisons: Sequence[ComparisonResult]
    ratios: Mapping[pareto.GroupKey, float]
    chosen: Mask

    @property
    def worst(self) -> float | None:
        return pareto.worst(self.ratios)

    def performance(self, metric: str) -> float | None:
        found = self.auc if metric == "auc" else self.value
        return None if found is None else found.value

    def to_json(self) -> dict[str, Any]:
        return {
            "auc": self.auc and self.auc.to_json(),
            "value": self.value and self.value.to_json(),
            "worst_ratio": self.worst,
            "comparisons": as_kept(self.comparisons),
        }


def measure(model: PropensityModel, of: Panel, protocol: Mapping[str, Any]) -> Measurement:
    """Score what was shown, for how well it foretells; and everybody for every offer, for whom it would choose."""
    matrix = model.encoder.training_matrix([one.attributes for one in of.examples], [one.row for one in of.examples])
    best = model.score_many(of.attributes, model.prepare(of.offers)).max(axis=1)
    return judged(model.score_matrix(matrix), of, chosen_of(best, of.customers, protocol["offer_rate"]), protocol)


def chosen_of(best: Floats, customers: NDArray[np.int64], rate: float) -> Mask:
    """The share of the people (m,) with the highest scores. Equal scores are ordered by a fixed draw: not by when
    somebody became a customer."""
    order = np.lexsort((words(np.uint64(_TIES), customers), -best))
    chosen = np.zeros(len(best), dtype=np.bool_)
    chosen[order[: ceil(rate * len(best))]] = True
    return chosen


def judged(score: Floats, of: Panel, chosen: Mask, protocol: Mapping[str, Any]) -> Measurement:
    """The figures of a choice of people (m,), and of scores (n,) of what was shown."""
    groups = protocol["groups"]
    compared = compared_groups(of.groupings, chosen, groups["references"])
    worth = np.where(chosen, of.worth_of_person, 0.0)
    return Measurement(
        auc(score, of.accepted), per_thousand(worth), compared, ratios(compared, groups["smallest_group"]), chosen
    )


def compared_groups(groupings: Groupings, chosen: Mask, references: Mapping[str, str]) -> list[ComparisonResult]:
    """Every group against its reference, where the data has that; else against the largest."""
    present = {name: wanted for name, wanted in references.items() if name in groupings}
    tables = {name: grouping.table(chosen) for name, grouping in groupings.items()}
    return thresholds.compare_all(tables, {name: wanted for name, wanted in present.items() if wanted in tables[name]})


def ratios(compared: Sequence[ComparisonResult], smallest: int) -> dict[pareto.GroupKey, float]:
    """The impact ratios that a search goes by: of groups that are large enough to say anything, and to be shown."""
    least = max(smallest, FLOOR)
    large = [row for row in compared if min(row.total, row.reference_total) >= least]
    known = {(row.attribute, row.group): 0.0 if shut_out(row) else row.ratio for row in large}
    return {key: ratio for key, ratio in known.items() if ratio is not None}


def shut_out(row: ComparisonResult) -> bool:
    """Whether nobody of the reference group is chosen while others are: no ratio can be given, and none is further from
    parity."""
    return row.reference_favourable == 0 < row.favourable


def as_kept(compared: Sequence[ComparisonResult]) -> list[dict[str, Any]]:
    """As JSON, of too few people the names and the verdict alone; where a pack asks for more people, whoever reads it
    hides more."""
    kept: list[dict[str, Any]] = small_groups.hidden([row.to_json() for row in compared], thresholds.DEFAULT)
    return kept


def swap(today: Mask, candidate: Mask, of: Panel) -> dict[str, Any]:
    """Who enters and who leaves when the candidate chooses, over all and by group, with what they accepted."""
    worth = of.worth_of_person
    enters, leaves = candidate & ~today, today & ~candidate
    rows = [
        {"attribute": name, "group": group, "people": people, "enters": come, "leaves": go}
        for name, grouping in of.groupings.items()
        for (group, people), come, go in zip(
            [(group, int(row.total)) for group, row in grouping.table(enters).items()],
            [int(row.favourable) for row in grouping.table(enters).values()],
            [int(row.favourable) for row in grouping.table(leaves).values()],
            strict=True,
        )
        if people >= FLOOR
    ]
    return {
        "people": len(today), "enters": int(enters.sum()), "leaves": int(leaves.sum()),
        "stays": int((candidate & today).sum()), "value_of_entering": float(worth[enters].sum()),
        "value_of_leaving": float(worth[leaves].sum()), "groups": rows,
    }  # fmt: skip
