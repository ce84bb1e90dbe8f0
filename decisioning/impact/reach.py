"""Who is eligible for what under a release, of the whole population: `decisioning.eligibility`'s rules, vectorised.

An offer's channels, placements and dates belong to a request and are left out. Nobody has a session here: its
attributes are missing, or at the defaults that a decision without a session takes; `session_rules` names the rules that
read one, for the reader of the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decisioning import runtime
from decisioning.features import population
from decisioning.plan import Plan, compile_release
from offers import snapshot
from offers.conditions.grammar import Condition, attributes_of
from offers.conditions.vectorise import CategoryColumn, Columns, NumberColumn, evaluate_many
from offers.register import ATTRIBUTES, SESSION_GROUP, STATES

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

BANDS: Final = ATTRIBUTES["credit_score_band"].choices
_BAND_EDGES: Final = (580, 670, 740, 800)  # lower ends of all bands but the first
SEGMENTS: Final = ("credit_score", "credit_score_band", "state")


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


def plan_of(content: snapshot.Content) -> Plan:
    """The content compiled with its model. Raises InvalidContent."""
    release = snapshot.read(0, content)
    return compile_release(release, runtime.model(release.model[1]) if release.model else None)


def reach(content: snapshot.Content, now: datetime) -> Reach:
    """Who would be eligible for what under this content. Raises InvalidContent."""
    plan = plan_of(content)
    names = frozenset(SEGMENTS).union(*(attributes_of(rule.when) for rule in plan.rules))
    found = [eligible(plan, chunk.columns, now) for chunk in population.chunks(names, now)]
    return reach_of(plan, found)


def reach_of(plan: Plan, found: Sequence[Mask]) -> Reach:
    """From the masks of chunks."""
    whole = np.concatenate([np.empty((0, len(plan.offers)), dtype=bool), *found])
    return Reach(plan.offers, whole, competing_offers(plan))


def eligible(plan: Plan, columns: Columns, now: datetime) -> Mask:
    """By the rules in force (N, offers): a rule that is false or lacks data refuses every offer that it covers."""
    size = len(next(iter(columns.values())))
    return eligible_by_rules(plan, now, size, lambda condition: evaluate_many(condition, columns))


def eligible_by_rules(plan: Plan, now: datetime, size: int, evaluate: Callable[[Condition], NDArray[np.int8]]) -> Mask:
    """The same of `size` customers, with conditions evaluated by the caller, who may know some already."""
    result = np.ones((size, len(plan.offers)), dtype=bool, order="F")
    for rule, covered in zip(plan.rules, plan.rule_offers, strict=True):
        if covered and rule.in_force(now):
            passed = evaluate(rule.when) == 1
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


def competing_offers(plan: Plan) -> Mask:
    """Which of the plan's offers (offers,) have an arm that competes, and are not a fallback only."""
    competing = np.zeros(len(plan.offers), dtype=bool)
    competing[plan.offer_of_arm[plan.competes]] = True
    return competing


def segments(columns: Columns) -> dict[str, NDArray[np.int16]]:
    """The codes (n,) of each customer into BANDS and STATES."""
    return {"credit_score_band": _bands(columns), "state": _codes(columns["state"], STATES)}


def band_of(attributes: Mapping[str, Any]) -> str:
    """The same of one customer by her attributes; "" where neither score nor band is known."""
    score = attributes.get("credit_score")
    return (
        str(attributes.get("credit_score_band") or "") if score is None else BANDS[int(np.digitize(score, _BAND_EDGES))]
    )


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
