"""Whether a change makes a gap: each comparison today and after, and the verdict that the gate reads; no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fairness import thresholds
from fairness.dataset import Groupings
from fairness.thresholds import ComparisonResult, Verdict

Mask = NDArray[np.bool_]

OLD_GAP: Final = "fails today already, and the change does not make it worse"
REFERENCE_SHUT_OUT: Final = "nobody of the reference group has it, while others do"
NOBODY: Final = "nobody of either group has it, so there is nothing to compare"
_LAST_BITS: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Change:
    """One comparison after the change, beside the same one today (None where there is no today: it is new)."""

    subject: str
    before: ComparisonResult | None
    after: ComparisonResult
    verdict: Verdict
    note: str

    def to_json(self) -> dict[str, object]:
        return {
            "subject": self.subject,
            "attribute": self.after.attribute,
            "group": self.after.group,
            "reference": self.after.reference,
            "before": self.before.to_json() if self.before else None,
            "after": self.after.to_json(),
            "verdict": self.verdict.value,
            "note": self.note,
        }


def compare(subject: str, groupings: Groupings, before: Mask | None, after: Mask) -> list[Change]:
    """Every group of every attribute under one subject, such as one offer. `before` and `after` (N,) say who has the
    favourable outcome. The comparisons of one subject are one family: correcting over all offers at once would let a
    change hide a gap among many offers."""
    then = _results(groupings, after)
    today = {} if before is None else {(row.attribute, row.group): row for row in _results(groupings, before)}
    return [_judged(subject, today.get((row.attribute, row.group)), row) for row in then]


def overall(changes: Mapping[str, list[Change]], population: int) -> Verdict:
    """The evidence's verdict. `undefined` is kept for a population of nobody."""
    if not population:
        return Verdict.UNDEFINED
    verdicts = [row.verdict for rows in changes.values() for row in rows]
    return thresholds.worst(verdicts) if verdicts else Verdict.TOO_LITTLE_DATA


def _results(groupings: Groupings, favourable: Mask) -> list[ComparisonResult]:
    return thresholds.compare_all({name: groups.table(favourable) for name, groups in groupings.items()})


def _judged(subject: str, before: ComparisonResult | None, after: ComparisonResult) -> Change:
    """A change answers for what it does, not for what it finds: an old gap is watched, a new or wider one fails."""
    verdict, note = after.verdict, ""
    if verdict is Verdict.FAIL and before is not None and before.verdict is Verdict.FAIL and not _worse(before, after):
        verdict, note = Verdict.WATCH, OLD_GAP
    elif verdict is Verdict.UNDEFINED and after.favourable:
        verdict, note = Verdict.WATCH, REFERENCE_SHUT_OUT
    elif verdict is Verdict.UNDEFINED:
        verdict, note = Verdict.TOO_LITTLE_DATA, NOBODY
    return Change(subject, before, after, verdict, note)


def _worse(before: ComparisonResult, after: ComparisonResult) -> bool:
    return before.ratio is None or after.ratio is None or after.ratio < before.ratio - _LAST_BITS
