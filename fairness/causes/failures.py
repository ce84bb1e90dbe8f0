"""Which parts of an offer's rules everybody fails, as bit patterns: every rule is evaluated for everybody, none skipped
because another has refused already; nothing is attributed here.

Nobody has a session here, so that rules on the session would fail everybody: they are left out and named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decisioning import impact
from decisioning.features import population
from decisioning.features.population import Chunk
from decisioning.impact.reach import SEGMENTS
from decisioning.plan import Plan
from fairness.dataset import Grouping
from offers.conditions.grammar import Combination, Condition, attributes_of
from offers.conditions.vectorise import Columns, evaluate_many

Mask = NDArray[np.bool_]
_WORD: Final = 31  # parts that are coded at a time: with the code of the patterns so far they fit 64 bits


@dataclass(frozen=True, slots=True)
class Part:
    """One of the conditions that must all hold for a rule to be met."""

    rule: str
    when: Condition


@dataclass(frozen=True, slots=True)
class Failures:
    """Of the customers (N,): `which` (N,) into the distinct `patterns` (m, parts), where True is a part that fails for
    its answer or for lack of data. `left_out` are the rules on the session."""

    customers: NDArray[np.int64]
    parts: tuple[Part, ...]
    patterns: Mask
    which: NDArray[np.intp]
    left_out: tuple[str, ...]

    def people(self, grouping: Grouping) -> NDArray[np.int64]:
        """Customers by pattern and group (m, groups + 1); the last column are those of no recorded group."""
        width = len(grouping.names) + 1
        groups = np.where(grouping.codes < 0, width - 1, grouping.codes)
        counts = np.bincount(self.which * width + groups, minlength=len(self.patterns) * width)
        return np.asarray(counts.reshape(-1, width), dtype=np.int64)


def conjuncts(when: Condition) -> Iterator[Condition]:
    """The conditions that must all hold for this one to hold; itself, where it cannot be taken apart."""
    if isinstance(when, Combination) and when.joiner == "all":
        for part in when.parts:
            yield from conjuncts(part)
    elif isinstance(when, Combination) and when.joiner == "none":
        for part in when.parts:
            yield Combination("none", (part,))
    else:
        yield when


def of_offers(plan: Plan, offers: Collection[str], now: datetime) -> dict[str, Failures]:
    """What the whole population fails of the rules on each of these offers, in one pass."""
    read = (part.when for offer in offers for part in _parts(plan, offer, now)[0])
    names = frozenset(SEGMENTS).union(*(attributes_of(when) for when in read))
    return over(plan, offers, population.chunks(names, now), now)


def over(plan: Plan, offers: Collection[str], chunks: Iterable[Chunk], now: datetime) -> dict[str, Failures]:
    """The same of the customers in these chunks. Raises KeyError for an offer that the plan does not have."""
    asked = {offer: _parts(plan, offer, now) for offer in offers}
    read = [(chunk.customers, _coded(asked, chunk.columns)) for chunk in chunks]
    customers = np.concatenate([np.empty(0, dtype=np.int64), *(ids for ids, _ in read)])
    return {
        offer: _joined(customers, parts, left_out, [found[offer] for _, found in read])
        for offer, (parts, left_out) in asked.items()
    }


def patterns(failed: Mask) -> tuple[Mask, NDArray[np.intp]]:
    """The distinct rows (m, parts) of what each fails (N, parts), and which of them each has (N,)."""
    code = np.zeros(len(failed), dtype=np.int64)
    first = np.arange(min(1, len(failed)))
    for start in range(0, failed.shape[1], _WORD):
        word = np.zeros(len(failed), dtype=np.int64)
        for column in failed[:, start : start + _WORD].T:
            word = word << 1 | column
        _, first, code = np.unique(code << _WORD | word, return_index=True, return_inverse=True)
    return failed[first], code


def _parts(plan: Plan, offer: str, now: datetime) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """What is asked of an offer's customers now, and the rules that are left out."""
    place, on_session = plan.position[offer], set(impact.session_rules(plan))
    rules = [
        rule
        for rule, covered in zip(plan.rules, plan.rule_offers, strict=True)
        if place in covered and rule.in_force(now)
    ]
    return (
        tuple(Part(rule.key, one) for rule in rules if rule.key not in on_session for one in conjuncts(rule.when)),
        tuple(rule.key for rule in rules if rule.key in on_session),
    )


_Asked = Mapping[str, tuple[tuple[Part, ...], tuple[str, ...]]]
_Coded = tuple[Mask, NDArray[np.intp]]


def _coded(asked: _Asked, columns: Columns) -> dict[str, _Coded]:
    """The patterns of one chunk by offer; a condition that several offers share is evaluated once."""
    known: dict[Condition, Mask] = {}
    for part in (part for parts, _ in asked.values() for part in parts):
        if part.when not in known:
            known[part.when] = evaluate_many(part.when, columns) != 1
    size = len(next(iter(columns.values())))
    return {
        offer: patterns(_side_by_side([known[part.when] for part in parts], size))
        for offer, (parts, _) in asked.items()
    }


def _side_by_side(columns: Sequence[Mask], size: int) -> Mask:
    return np.stack(columns, axis=1) if columns else np.zeros((size, 0), dtype=bool)


def _joined(
    customers: NDArray[np.int64], parts: tuple[Part, ...], left_out: tuple[str, ...], chunks: Iterable[_Coded]
) -> Failures:
    """The chunks' patterns as one set of distinct ones."""
    found = list(chunks)
    every = np.concatenate([np.zeros((0, len(parts)), dtype=bool), *(rows for rows, _ in found)])
    distinct, renumbered = patterns(every)
    starts = np.cumsum([0, *(len(rows) for rows, _ in found)])
    which = [renumbered[start + codes] for start, (_, codes) in zip(starts, found, strict=False)]
    return Failures(customers, parts, distinct, np.concatenate([np.empty(0, dtype=np.intp), *which]), left_out)
