"""What a release would do to the population: who is eligible for what, and best propensities; it approves nothing.

The same rules as `decisioning.eligibility`, vectorised. An offer's channels, placements and dates belong to a request
and are left out. Nobody has a session here: its attributes are missing, or at the defaults that a decision without a
session takes; `session_rules` names the rules that read one, for the reader of the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decisioning import runtime
from decisioning.features import population
from decisioning.plan import Plan, compile_release
from offers import snapshot
from offers.conditions.grammar import attributes_of
from offers.conditions.vectorise import CategoryColumn, Columns, NumberColumn, evaluate_many
from offers.register import ATTRIBUTES, SESSION_GROUP, STATES

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

SAMPLE: Final = 200_000
"""Customers that are scored at most; rules are always evaluated for everybody."""
BANDS: Final = ATTRIBUTES["credit_score_band"].choices
_BAND_EDGES: Final = (580, 670, 740, 800)  # lower ends of all bands but the first
_SEGMENTS: Final = ("credit_score", "credit_score_band", "state")


@dataclass(frozen=True, slots=True)
class Labels:
    """One of `names` for each customer, as codes (N,); -1 is not known."""

    codes: NDArray[np.int16]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Who is eligible for each offer: (N, offers) in the order of `offers`; `competing` (offers,) leaves fallbacks out,
    which a customer sees only when nothing else is left."""

    offers: tuple[str, ...]
    eligible: Mask
    competing: Mask

    @property
    def any_offer(self) -> Mask:
        """Customers (N,) who are eligible for at least one competing offer."""
        return np.asarray(self.eligible[:, self.competing].any(axis=1), dtype=bool)

    def of(self, offer: str) -> Mask:
        """Customers (N,) who are eligible for one offer; nobody where the release does not have it."""
        if offer not in self.offers:
            return np.zeros(len(self.eligible), dtype=bool)
        return self.eligible[:, self.offers.index(offer)]

    def counts(self) -> dict[str, int]:
        return dict(zip(self.offers, self.eligible.sum(axis=0).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Simulation:
    """One pass over the population: customers (N,), a reach for each plan, and segments to break it down by."""

    customers: NDArray[np.int64]
    reaches: tuple[Reach, ...]
    segments: dict[str, Labels]


@dataclass(frozen=True, slots=True)
class Scores:
    """Customers (n,) of the sample and, for each plan, the best propensity (n,) among the competing arms that they are
    eligible for; NaN where there is none."""

    customers: NDArray[np.int64]
    best: tuple[Floats, ...]


def plan_of(content: snapshot.Content) -> Plan:
    """The content compiled with its model. Raises InvalidContent."""
    release = snapshot.read(0, content)
    return compile_release(release, runtime.model(release.model[1]) if release.model else None)


def reach(content: snapshot.Content, now: datetime) -> Reach:
    """Who would be eligible for what under this content. Raises InvalidContent."""
    return simulate([plan_of(content)], now).reaches[0]


def eligible(plan: Plan, columns: Columns, now: datetime) -> Mask:
    """By the rules in force (N, offers): a rule that is false or lacks data refuses every offer that it covers."""
    result = np.ones((len(next(iter(columns.values()))), len(plan.offers)), dtype=bool, order="F")
    for rule, covered in zip(plan.rules, plan.rule_offers, strict=True):
        if covered and rule.in_force(now):
            passed = evaluate_many(rule.when, columns) == 1
            for offer in covered:
                result[:, offer] &= passed
    return result


def session_rules(plan: Plan) -> list[str]:
    """Rules that read the session, in the release's order."""
    return [
        rule.key
        for rule in plan.rules
        if any(ATTRIBUTES[name].group == SESSION_GROUP for name in attributes_of(rule.when))
    ]


def simulate(plans: Sequence[Plan], now: datetime) -> Simulation:
    """Evaluate the rules of each plan for everybody, in one pass: 1 byte a customer and offer, chunks apart."""
    names = frozenset(_SEGMENTS).union(*(attributes_of(rule.when) for plan in plans for rule in plan.rules))
    customers, bands, states = [], [], []
    masks: list[list[Mask]] = [[] for _ in plans]
    for chunk in population.chunks(names, now):
        columns = chunk.columns
        customers.append(chunk.customers)
        bands.append(_bands(columns))
        states.append(_codes(columns["state"], STATES))
        for found, plan in zip(masks, plans, strict=True):
            found.append(eligible(plan, columns, now))
    return Simulation(
        _joined(customers, np.int64),
        tuple(
            Reach(
                plan.offers,
                np.concatenate([np.empty((0, len(plan.offers)), dtype=bool), *found]),
                competing_offers(plan),
            )
            for plan, found in zip(plans, masks, strict=True)
        ),
        {
            "credit_score_band": Labels(_joined(bands, np.int16), BANDS),
            "state": Labels(_joined(states, np.int16), STATES),
        },
    )


def best_propensities(plans: Sequence[Plan], now: datetime) -> Scores:
    """Score at most SAMPLE customers, the same ones every time, under each plan."""
    names = frozenset(name for name, declared in ATTRIBUTES.items() if declared.group != SESSION_GROUP)
    share = min(1.0, SAMPLE / max(1, population.size()))
    customers = []
    best: list[list[Floats]] = [[] for _ in plans]
    for chunk in population.chunks(names, now, share=share):
        customers.append(chunk.customers)
        attributes = chunk.attributes
        for found, plan in zip(best, plans, strict=True):
            found.append(_best(plan, attributes, eligible(plan, chunk.columns, now)))
    return Scores(_joined(customers, np.int64), tuple(_joined(found, np.float64) for found in best))


def _best(plan: Plan, attributes: Sequence[dict[str, Any]], allowed: Mask) -> Floats:
    arms = np.flatnonzero(plan.competes)
    if not len(arms):
        return np.full(len(attributes), np.nan)
    if plan.model and plan.prepared:
        scores = plan.model.score_many(attributes, plan.prepared)[:, plan.row_of_arm[arms]]
    else:
        scores = np.broadcast_to(plan.base_rates[arms], (len(attributes), len(arms)))
    best: Floats = np.where(allowed[:, plan.offer_of_arm[arms]], scores, -np.inf).max(axis=1)
    return np.where(np.isneginf(best), np.nan, best)


def competing_offers(plan: Plan) -> Mask:
    """Which of the plan's offers (offers,) have an arm that competes, and are not a fallback only."""
    competing = np.zeros(len(plan.offers), dtype=bool)
    competing[plan.offer_of_arm[plan.competes]] = True
    return competing


def _bands(columns: Columns) -> NDArray[np.int16]:
    """The band of the score, else the band that the bank recorded without a score."""
    scores, recorded = columns["credit_score"], _codes(columns["credit_score_band"], BANDS)
    assert isinstance(scores, NumberColumn)
    banded = np.digitize(scores.values, _BAND_EDGES).astype(np.int16)
    return np.where(np.isnan(scores.values), recorded, banded)


def _codes(column: object, names: tuple[str, ...]) -> NDArray[np.int16]:
    """Codes into `names` instead of the chunk's own vocabulary."""
    assert isinstance(column, CategoryColumn)
    places = [names.index(value) if value in names else -1 for value in column.vocabulary]
    coded: NDArray[np.int16] = np.array([*places, -1], dtype=np.int16)[column.codes]
    return coded


def _joined(parts: Sequence[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype=kind), *parts])
