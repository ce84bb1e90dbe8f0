"""Whether a change makes a gap: each comparison today and after, and the verdict that the gate reads; no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fairness import thresholds
from fairness.counts import GroupCounts
from fairness.dataset import Groupings
from fairness.thresholds import DEFAULT, Bands, ComparisonResult, Verdict

Mask = NDArray[np.bool_]
Tables = Mapping[str, Mapping[str, GroupCounts]]

OLD_GAP: Final = "fails today already, and the change does not make it worse"
REFERENCE_BEHIND: Final = "the reference group is the one that falls behind"
REFERENCE_SHUT_OUT: Final = "nobody of the reference group has it, while others do"
NOBODY: Final = "nobody of either group has it, so there is nothing to compare"
_LAST_BITS: Final = 1e-9
_BETTER: Final = 1.01  # times the ratio before: less is no improvement
_SAID: Final = (Verdict.FAIL, Verdict.WATCH)  # counts whether or not the change touches it


@dataclass(frozen=True, slots=True)
class Change:
    """One comparison after the change, beside the same one today (None where there is no today: it is new)."""

    subject: str
    before: ComparisonResult | None
    after: ComparisonResult
    verdict: Verdict
    note: str

    @property
    def moved(self) -> bool:
        """Whether the change touches what is compared: other people, or others of them, than today."""
        return self.before is None or _counts(self.before) != _counts(self.after)

    @property
    def unclear(self) -> bool:
        """Whether the change moves somebody and the data cannot say whether that is fair."""
        return self.moved and self.verdict in (Verdict.TOO_LITTLE_DATA, Verdict.UNDEFINED)

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


def compare(
    subject: str, groupings: Groupings, before: Mask | None, after: Mask, bands: Bands = DEFAULT
) -> list[Change]:
    """Every group of every attribute under one subject, such as one offer. `before` and `after` (N,) say who has the
    favourable outcome. The comparisons of one subject are one family: correcting over all offers at once would let a
    change hide a gap among many offers."""
    today = None if before is None else tables(groupings, before)
    return compare_tables(subject, today, tables(groupings, after), bands)


def tables(groupings: Groupings, favourable: Mask) -> Tables:
    """People by group of each attribute, and those of them for whom `favourable` (N,) holds."""
    return {name: groups.table(favourable) for name, groups in groupings.items()}


def compare_tables(subject: str, before: Tables | None, after: Tables, bands: Bands = DEFAULT) -> list[Change]:
    """The same from counts, where the people who count may differ between today and after."""
    today = thresholds.compare_all(before, bands=bands) if before else []
    known = {(row.attribute, row.group): row for row in today}
    then = thresholds.compare_all(after, bands=bands)
    return [_judged(subject, known.get((row.attribute, row.group)), row, bands) for row in then]


def overall(changes: Mapping[str, list[Change]], population: int) -> Verdict:
    """The evidence's verdict. `undefined` is kept for a population of nobody. What is too little data today and is not
    touched says nothing of the change."""
    if not population:
        return Verdict.UNDEFINED
    rows = [row for some in changes.values() for row in some]
    if not rows:
        return Verdict.TOO_LITTLE_DATA
    return thresholds.worst([Verdict.PASS, *(row.verdict for row in rows if row.moved or row.verdict in _SAID)])


def _judged(subject: str, before: ComparisonResult | None, after: ComparisonResult, bands: Bands) -> Change:
    """A change answers for what it does, not for what it finds: an old gap is watched, a new or wider one fails. A
    reference group that falls behind is watched, and one that is shut out, while others are not, fails."""
    verdict, note = after.verdict, ""
    if verdict is Verdict.FAIL and before is not None and before.verdict is Verdict.FAIL:
        if not _worse(before, after, bands):
            verdict, note = Verdict.WATCH, OLD_GAP
    elif verdict is Verdict.UNDEFINED and after.favourable:
        missed = (after.rate or 0.0) * after.reference_total
        shut_out = missed >= bands.material_shortfall and after.p is not None and after.p < bands.significance
        verdict, note = Verdict.FAIL if shut_out else Verdict.WATCH, REFERENCE_SHUT_OUT
    elif verdict is Verdict.UNDEFINED:
        verdict, note = Verdict.TOO_LITTLE_DATA, NOBODY
    elif verdict is Verdict.PASS and after.reverse and after.q is not None and after.q < bands.significance:
        verdict, note = Verdict.WATCH, REFERENCE_BEHIND
    return Change(subject, before, after, verdict, note)


def _counts(row: ComparisonResult) -> tuple[float, float, float, float]:
    return row.total, row.favourable, row.reference_total, row.reference_favourable


def _worse(before: ComparisonResult, after: ComparisonResult, bands: Bands) -> bool:
    """A lower ratio, or no better one for many more people."""
    if before.ratio is None or after.ratio is None or after.ratio < before.ratio - _LAST_BITS:
        return True
    more = (after.shortfall or 0.0) - (before.shortfall or 0.0)
    return more >= bands.material_shortfall and after.ratio < before.ratio * _BETTER
