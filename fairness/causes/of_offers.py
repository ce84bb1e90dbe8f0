"""Why an offer's gaps are as they are: its rules on everybody and the inputs of its model on a sample, for every
protected group; kept for the pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from math import exp
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decisioning import impact, sample
from decisioning.features import population
from decisioning.impact.people import Floats, Mask
from decisioning.impact.reach import eligible
from decisioning.plan import Plan
from fairness import dataset, findings, small_groups
from fairness.causes import attribution, drivers, failures, leak
from fairness.causes.failures import Failures
from fairness.causes.kept import Found, Kind, keep
from fairness.counts import NOT_RECORDED, Comparison, comparisons
from fairness.cube import lines
from fairness.dataset import Groupings
from fairness.explanations import wording
from fairness.models import Cause, CubeComparison
from fairness.thresholds import Bands
from offers import snapshot
from offers.conditions.describe import sentence
from offers.conditions.grammar import attributes_of
from offers.conditions.vectorise import Column

NIGHTLY: Final = 100
"""Offers whose rules are attributed every night, those with the widest gaps; others when somebody asks."""
DRIVEN: Final = 40
"""Offers of which the inputs of the model are attributed every night, each on SCORED of the customers eligible."""
SCORED: Final = 1_000
_AT_ONCE: Final = 25  # offers in one pass: what each customer fails of them is kept in memory
_SAMPLE: Final = 8_000  # customers of whom the inputs of a model are read
_SEED: Final = 20_261_122
_SCORES: Final = 40  # offers of which a model's best score is looked for
_NAMED: Final = 3  # inputs that the title of a finding names


def nightly(now: datetime) -> int:
    """Every answer about the offers of the live release, in place of the last night's; how many there are."""
    plan = _live()
    if plan is None:
        return 0
    offers = widest(plan)
    Cause.objects.filter(kind=Kind.RULES).exclude(subject__in=plan.offers).delete()
    kept = 0
    for start in range(0, len(offers), _AT_ONCE):
        part = offers[start : start + _AT_ONCE]
        kept += keep(Kind.RULES, list(_rules(plan, part, now)), now, subjects=part)
    return kept + _model(plan, offers[:DRIVEN], now)


def one(offer: str, now: datetime) -> int:
    """The same of one offer, for somebody who asks; nothing where the live release does not have it."""
    plan = _live()
    if plan is None or offer not in plan.position:
        return 0
    kept = keep(Kind.RULES, list(_rules(plan, [offer], now)), now, subjects=[offer])
    if plan.model is None:
        return kept
    return kept + keep(Kind.DRIVERS, list(_drivers(_read(plan, now), [offer])), now, subjects=[offer])


def widest(plan: Plan) -> list[str]:
    """The competing offers, those with the lowest impact ratio of eligibility in the last audit first."""
    competing = [plan.offers[at] for at in np.flatnonzero(impact.competing_offers(plan)).tolist()]
    newest = CubeComparison.objects.order_by("-month").values("month")[:1]
    found = CubeComparison.objects.filter(month__in=newest, stage="eligible", offer__in=competing, ratio__isnull=False)
    lowest = dict(found.order_by("offer", "-ratio").values_list("offer", "ratio"))
    return sorted(competing, key=lambda offer: (lowest.get(offer, 1.0), offer))[:NIGHTLY]


def _live() -> Plan | None:
    row = snapshot.live_row()
    return impact.plan_of(row.content) if row else None


def _bands(now: datetime) -> Bands:
    return lines.in_force(now.date())


# --- Rules -----------------------------------------------------------------------------------------------------------


def _rules(plan: Plan, offers: Sequence[str], now: datetime) -> Iterator[Found]:
    found = failures.of_offers(plan, offers, now)
    groupings = dataset.groupings(next(iter(found.values())).customers, now) if found else {}
    for offer, failed in found.items():
        passed = np.invert(failed.patterns.any(axis=1))[failed.which]
        for pair in _pairs(groupings, passed, _bands(now)):
            yield _attributed(offer, failed, groupings, pair)


def _attributed(offer: str, failed: Failures, groupings: Groupings, pair: Comparison) -> Found:
    grouping = groupings[pair.attribute]
    counted, names = failed.people(grouping), (*grouping.names, NOT_RECORDED)
    people = {name: counted[:, names.index(name)] for name in (pair.group.group, pair.reference.group)}
    said = attribution.attribute(
        [part.rule for part in failed.parts], [sentence(part.when) for part in failed.parts], failed.patterns,
        *people.items(),
    )  # fmt: skip
    content = {**asdict(said), "ratio": exp(said.ln_ratio), "left_out": list(failed.left_out)}
    return _found(offer, pair, content)


def _pairs(groupings: Groupings, favourable: Mask, bands: Bands) -> Iterator[Comparison]:
    """Each group of enough people beside its reference."""
    for attribute, grouping in groupings.items():
        for pair in comparisons(attribute, grouping.table(favourable), None, bands.references):
            if not small_groups.few(pair.group.total, pair.reference.total, bands):
                yield pair


def _found(subject: str, pair: Comparison, content: Mapping[str, Any]) -> Found:
    people = int(min(pair.group.total, pair.reference.total))
    return Found(subject, pair.attribute, pair.group.group, pair.reference.group, people, content)


# --- The model -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Read:
    """A sample of customers with all that the release's rules and model read; `eligible` (n, offers)."""

    plan: Plan
    columns: Mapping[str, Column]
    eligible: Mask
    groupings: Groupings
    size: int
    bands: Bands


def _read(plan: Plan, now: datetime) -> _Read:
    assert plan.model is not None
    names = plan.model.encoder.attributes.union(*(attributes_of(rule.when) for rule in plan.rules))
    share = min(1.0, _SAMPLE / max(1, population.size()))
    chunks = list(population.chunks(names, now, share=share))
    columns = {name: sample.joined([chunk.columns[name] for chunk in chunks]) for name in names} if chunks else {}
    customers = np.concatenate([np.empty(0, dtype=np.int64), *(chunk.customers for chunk in chunks)])
    open_to = eligible(plan, columns, now) if chunks else np.zeros((0, len(plan.offers)), dtype=bool)
    return _Read(plan, columns, open_to, dataset.groupings(customers, now), len(customers), _bands(now))


def _model(plan: Plan, offers: Sequence[str], now: datetime) -> int:
    """What the champion makes of the groups; what was kept of another model goes."""
    if plan.model is None:
        return keep(Kind.DRIVERS, [], now) + keep(Kind.LEAK, [], now)
    read = _read(plan, now)
    kept = keep(Kind.DRIVERS, list(_drivers(read, offers)), now)
    return kept + keep(Kind.LEAK, list(_leaks(read, now)), now)


def _drivers(read: _Read, offers: Sequence[str]) -> Iterator[Found]:
    """Of the customers who are eligible for each offer, since nobody else is scored for it."""
    plan = read.plan
    assert plan.model is not None
    for offer in offers:
        place = plan.position[offer]
        arms = np.flatnonzero(plan.offer_of_arm == place)
        among = drawn(np.flatnonzero(read.eligible[:, place]), place)
        if not len(arms) or not len(among):
            continue
        row = int(plan.row_of_arm[arms[0]])
        explained = drivers.explained(plan.model, _matrix(read, row)[among])
        groupings = {name: grouping.among(among) for name, grouping in read.groupings.items()}
        for pair in _pairs(groupings, np.ones(len(among), dtype=bool), read.bands):
            grouping = groupings[pair.attribute]
            said = drivers.drivers(explained, *map(grouping.holds, (pair.group.group, pair.reference.group)))
            yield _found(offer, pair, {**asdict(said), "gap": said.gap, "model": plan.model.name})


def drawn(customers: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """SCORED of them by lot, the same every time: the first ones by key are the oldest customers of the bank."""
    if len(customers) <= SCORED:
        return customers
    return np.sort(np.random.default_rng([_SEED, seed]).choice(customers, SCORED, replace=False))


def _leaks(read: _Read, now: datetime) -> Iterator[Found]:
    plan = read.plan
    assert plan.model is not None
    columns = plan.model.encoder.columns[: plan.model.encoder.customer_width]
    best = np.full(read.size, -np.inf)
    for row in np.unique(plan.row_of_arm[plan.competes])[:_SCORES].tolist():
        best = np.maximum(best, plan.model.raw_scores_of(_matrix(read, row)))
    matrix = _matrix(read, 0)[:, : len(columns)]
    for attribute, grouping in read.groupings.items():
        for said in leak.screen(columns, matrix, best, attribute, grouping):
            people = min(said.inside, said.people - said.inside)
            content = {**asdict(said), "red": list(said.red(read.bands))}
            yield Found(plan.model.name, attribute, said.group, "", people, content)
            alarm(plan.model.name, said, read.bands, now)


def alarm(model: str, said: leak.Leak, bands: Bands, now: datetime) -> None:
    """A finding where the inputs of a model give a group away, by one of them or all together."""
    red = said.red(bands)
    if not red and said.all_inputs < bands.proxy_strong:
        return
    more = [f"{len(red) - _NAMED} more"] if len(red) > _NAMED else []
    by = wording.listed([*(wording.meaning(name) for name in red[:_NAMED]), *more]) or "all inputs together"
    findings.breach(
        kind="leak", subject=f"{model}/{said.attribute}/{said.group}",
        title=f"{model} can tell who is {said.group}, by {by}",
        cause="A protected group can be told from what the model reads.",
        evidence={"inputs": {name: auc for name, auc in said.inputs if name in red}, "all_inputs": said.all_inputs,
                  "score": said.score, "line": bands.proxy_strong, "people": said.people},
        now=now,
    )  # fmt: skip


def _matrix(read: _Read, row: int) -> Floats:
    """The model's input (n, inputs) for one row of what it scores."""
    assert read.plan.model is not None
    assert read.plan.prepared is not None
    return read.plan.model.encoder.matrix_many(read.columns, read.plan.prepared, row, read.size)
