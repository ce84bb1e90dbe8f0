"""M17: groups that nobody named, by AIF360's scan over protected groups and credit bands; exploratory, never a verdict,
and never of fewer people than may be shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fairness import audit_worker
from fairness.audit_worker import Scan, Subset
from fairness.counts import NOT_RECORDED
from fairness.cube.rollup import ANY
from fairness.dataset import Groupings
from fairness.scores.found import Found
from fairness.scores.month import Mask, Month

CREDIT_BAND: Final = "credit_band"
MOST_OFFERS: Final = 10
"""Offers that are scanned beside any offer, those that most people were given: 20,000 people take seconds each."""
_LEAST: Final = 1.0  # points of a score: what hardly pays for its own description is not worth a look
_SECONDS: Final = 600.0


def find(held: Month, groupings: Groupings, smallest: int) -> list[Found]:
    """Who was given any offer, or one of those given most, less often than others of the same credit band.

    Raises AuditFailed where AIF360 gives no answer."""
    subjects = [(offer, chosen) for offer, chosen in _subjects(held) if chosen.any() and not chosen.all()]
    scans = [scan_of(held, groupings, chosen) for _, chosen in subjects]
    found = audit_worker.scan_isolated(scans, timeout=_SECONDS) if scans else []
    return [
        answer
        for (offer, _), scan, subset in zip(subjects, scans, found, strict=True)
        for answer in _answer(offer, scan, subset, smallest)
    ]


def _subjects(held: Month) -> Iterator[tuple[str, Mask]]:
    """Whether each customer was given it, of all who came."""
    yield ANY, np.asarray(held.chosen.any(axis=1))
    for place in np.argsort(-held.chosen.sum(axis=0), kind="stable")[:MOST_OFFERS].tolist():
        yield held.offers[place], held.chosen[:, place]


def _columns(held: Month, groupings: Groupings) -> Mapping[str, NDArray[np.str_]]:
    """Each customer's groups (n,) by attribute, and her credit band."""
    named = {name: np.array([*one.names, NOT_RECORDED])[one.codes] for name, one in groupings.items()}
    return {**named, CREDIT_BAND: np.where(held.bands == "", NOT_RECORDED, held.bands)}


def scan_of(held: Month, groupings: Groupings, chosen: Mask) -> Scan:
    """Counts by every combination; expected of each is the share of its credit band that was chosen."""
    columns = _columns(held, groupings)
    cells: dict[tuple[str, ...], list[int]] = {}
    of_band: dict[str, list[int]] = {}
    for *values, favourable in zip(*(column.tolist() for column in columns.values()), chosen.tolist(), strict=True):
        for cell in (cells.setdefault(tuple(values), [0, 0]), of_band.setdefault(values[-1], [0, 0])):
            cell[0] += 1
            cell[1] += favourable
    rows = tuple(
        (values, people, favourable, of_band[values[-1]][1] / of_band[values[-1]][0])
        for values, (people, favourable) in sorted(cells.items())
    )
    return Scan(tuple(columns), rows)


def _answer(offer: str, scan: Scan, subset: Subset, smallest: int) -> Iterator[Found]:
    """Nothing where the scan names nobody, or so few, or leaves so few out, that it would tell of one of them."""
    inside = [row for row in scan.rows if _within(row[0], scan.columns, subset.values)]
    people, everybody = sum(row[1] for row in inside), sum(row[1] for row in scan.rows)
    if not subset.values or subset.score < _LEAST or min(people, everybody - people) < smallest:
        return
    content = {
        "values": subset.values, "people": people, "observed": sum(row[2] for row in inside),
        "expected": sum(row[1] * row[3] for row in inside), "score": subset.score,
    }  # fmt: skip
    yield Found(offer, "", words(subset.values)[:300], "", people, content)


def _within(values: Sequence[str], columns: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> bool:
    return all(value in wanted[column] for value, column in zip(values, columns, strict=True) if column in wanted)


def words(values: Mapping[str, Sequence[str]]) -> str:
    """A subgroup as people say it."""
    return ", ".join(f"{name.replace('_', ' ')}: {' or '.join(held)}" for name, held in values.items())
