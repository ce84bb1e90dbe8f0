"""What one rule does to a sample of customers, alone and beside the other rules; it approves and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from decisioning.sample import Sample
from offers.conditions.grammar import Clause, Combination, Condition, clauses
from offers.conditions.vectorise import evaluate_many
from offers.types import PRESCREENED, Release, Rule

Mask = NDArray[np.bool_]
MOST_COMPARED: Final = 200
Relation = Literal["never_fires", "refuses_everybody", "covered_by", "covers", "leaves_nobody"]


@dataclass(frozen=True, slots=True)
class ClauseReach:
    """Counts in the sample: customers for whom the clause does not hold as wanted, and those whom only it keeps out."""

    path: str
    refuses: int
    alone: int


@dataclass(frozen=True, slots=True)
class RuleReach:
    """Counts in the sample: for whom the condition holds, does not hold, and cannot be told for lack of data."""

    eligible: int
    refused: int
    missing: int
    clauses: tuple[ClauseReach, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """How a rule stands to the release: `other` is the rule that it meets, `offer` the offer that is left to nobody."""

    relation: Relation
    other: str = ""
    offer: str = ""


def reach(when: Condition, sample: Sample) -> RuleReach:
    """The reach of a condition, whole and clause by clause; all zero where there is nobody."""
    if not sample.size:
        return RuleReach(0, 0, 0, tuple(ClauseReach(path, 0, 0) for path, _ in clauses(when)))
    answers = evaluate_many(when, sample.columns)
    return RuleReach(
        int((answers == 1).sum()), int((answers == 0).sum()), int((answers == -1).sum()),
        tuple(_clause(when, path, answers == 1, sample) for path, _ in clauses(when)),
    )  # fmt: skip


def _clause(when: Condition, path: str, eligible: Mask, sample: Sample) -> ClauseReach:
    """A clause alone keeps out whoever would be eligible if it were as its place wants it."""
    wanted = path.split("/").count("none") % 2 == 0
    clause = dict(clauses(when))[path]
    holds = evaluate_many(clause, sample.columns) == (1 if wanted else 0)
    without = evaluate_many(_settled(when, path.split("/")[1:], clause, wanted), sample.columns) == 1
    return ClauseReach(path, int((~holds).sum()), int((without & ~eligible).sum()))


def _settled(node: Condition, path: list[str], clause: Clause, wanted: bool) -> Condition:
    """The condition with the clause at `path` true for everybody, or for nobody where that is what is wanted."""
    if isinstance(node, Clause):
        ends = (Clause(clause.attribute, "is_known"), Clause(clause.attribute, "is_missing"))
        return Combination("any" if wanted else "all", ends)
    place = int(path[1])
    parts = list(node.parts)
    parts[place] = _settled(parts[place], path[2:], clause, wanted)
    return Combination(node.joiner, tuple(parts))


def findings(rule: Rule, release: Release, sample: Sample) -> list[Finding]:
    """Conflicts and overlaps of a rule, as it is proposed, with the other rules of a release that share an offer.

    In a large catalogue it is held to the MOST_COMPARED rules of the widest scope, and to as many offers.
    """
    if not sample.size:
        return []
    mine = ~_passes(rule, sample)
    if not mine.any():
        return [Finding("never_fires")]
    if mine.all():
        return [Finding("refuses_everybody")]
    beside = _beside(rule, release, sample)
    return [*_overlaps(mine, beside), *_emptied(mine, beside)]


@dataclass(frozen=True, slots=True)
class _Beside:
    """The offers of a rule, and of each other rule that shares one: its offers, and whom it refuses (n,)."""

    offers: frozenset[str]
    others: Mapping[str, tuple[frozenset[str], Mask]]


def _beside(rule: Rule, release: Release, sample: Sample) -> _Beside:
    by_product: dict[str, set[str]] = {}
    for offer in release.offers.values():
        by_product.setdefault(offer.product, set()).add(offer.key)
    everything = frozenset(release.offers)

    def covered(one: Rule) -> frozenset[str]:
        if one.scope == "all":
            return everything
        if one.scope == PRESCREENED:
            return release.prescreened
        return frozenset(by_product.get(one.target, ())) if one.scope == "product" else everything & {one.target}

    mine = covered(rule)
    sharing = [
        (one, offers) for one in release.rules.values() if one.key != rule.key and (offers := covered(one)) & mine
    ]
    sharing.sort(key=lambda pair: -len(pair[1]))
    return _Beside(mine, {one.key: (offers, ~_passes(one, sample)) for one, offers in sharing[:MOST_COMPARED]})


def _overlaps(mine: Mask, beside: _Beside) -> Iterator[Finding]:
    """Rules beside which this one never decides anything, and rules that never decide beside this one."""
    for key, (offers, theirs) in beside.others.items():
        if beside.offers <= offers and not (mine & ~theirs).any():
            yield Finding("covered_by", other=key)
        elif offers <= beside.offers and theirs.any() and not (theirs & ~mine).any():
            yield Finding("covers", other=key)


def _emptied(mine: Mask, beside: _Beside) -> Iterator[Finding]:
    """Offers from which this rule takes the last customers that the others left."""
    for offer in sorted(beside.offers)[:MOST_COMPARED]:
        refused = [theirs for offers, theirs in beside.others.values() if offer in offers]
        before = np.logical_or.reduce([np.zeros(len(mine), dtype=bool), *refused])
        if not before.all() and (before | mine).all():
            yield Finding("leaves_nobody", offer=offer)


def refusals(release: Release, rules: Iterable[str], sample: Sample) -> dict[str, int]:
    """How many of the sample each of these rules of the release refuses."""
    return {key: int((~_passes(release.rules[key], sample)).sum()) for key in rules if key in release.rules}


def _passes(rule: Rule, sample: Sample) -> Mask:
    passes: Mask = evaluate_many(rule.when, sample.columns) == 1
    return passes
