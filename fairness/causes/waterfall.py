"""The fairness waterfall: at which stage a group falls behind its reference. Each stage's denominator is the stage
before, so that the logarithms of the stages' impact ratios add up to that of the whole; nothing is counted here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from math import exp, log

from fairness import intervals, thresholds
from fairness.counts import GroupCounts
from fairness.cube import read
from fairness.cube.stages import AUDITED, STAGES
from fairness.metrics import disparate_impact


@dataclass(frozen=True, slots=True)
class Step:
    """One stage: how many of those before came so far, of the group and of its reference. `log_ratio` is None where a
    ratio is undefined or zero; `cumulative` is the impact ratio of everything up to here, None where that adds nothing.
    """

    stage: str
    group: GroupCounts
    reference: GroupCounts
    ratio: float | None
    log_ratio: float | None
    cumulative: float | None

    @property
    def shuts_out(self) -> bool:
        """Whether nobody of the group came through where its reference did, and chance alone does not explain that: of
        a handful of people nobody is found at many a late stage."""
        p = intervals.p_value(self.group, self.reference) if self.ratio == 0 else None
        return p is not None and p < thresholds.DEFAULT.significance


@dataclass(frozen=True, slots=True)
class Waterfall:
    """`total` is the sum of the logarithms up to `until`, the last stage that can be compared; None where the group is
    shut out there, since no logarithm is as low as that."""

    steps: tuple[Step, ...]
    total: float | None
    until: str | None

    @property
    def shut_out(self) -> Step | None:
        """The stage that nobody of the group passes; there is none after it that could be compared."""
        return next((step for step in self.steps if step.shuts_out), None)

    @property
    def largest(self) -> Step | None:
        """The stage that takes most from the group, all of it where it is shut out; None where none takes anything."""
        if self.shut_out:
            return self.shut_out
        behind = [step for step in self.steps if step.log_ratio is not None and step.log_ratio < 0]
        return min(behind, key=lambda step: step.log_ratio or 0.0, default=None)

    @property
    def undefined(self) -> tuple[str, ...]:
        """Stages at which no ratio can be given: nobody was left, or nobody came through who could be expected to."""
        return tuple(step.stage for step in self.steps if step.log_ratio is None and not step.shuts_out)


def waterfall(group: str, reached: Sequence[int], reference: str, reference_reached: Sequence[int]) -> Waterfall:
    """From the people of both who came at least to each of STAGES, (stages,) each."""
    found: list[tuple[str, GroupCounts, GroupCounts, float | None, float | None]] = []
    for place, stage in enumerate(AUDITED, start=1):
        ours = GroupCounts(group, reached[place - 1], reached[place])
        theirs = GroupCounts(reference, reference_reached[place - 1], reference_reached[place])
        ratio = disparate_impact(ours, theirs)
        # Nobody left to be compared at one stage leaves nobody at the next, so what is defined comes first.
        found.append((stage, ours, theirs, ratio, log(ratio) if ratio else None))
    sums = list(accumulate(row[-1] or 0.0 for row in found))
    steps = tuple(
        Step(*row, cumulative=None if row[-1] is None else exp(so_far)) for row, so_far in zip(found, sums, strict=True)
    )
    shut = any(step.shuts_out for step in steps)
    compared = [step.stage for step in steps if step.log_ratio is not None or step.shuts_out]
    return Waterfall(steps, None if shut else sums[-1], compared[-1] if compared else None)


def of_month(month: date, offer: str, attribute: str, group: str, reference: str) -> Waterfall | None:
    """That of an offer ("" any, "family:" and a family); None where the month counts neither group."""
    counted = {(cell.stage, cell.group): cell.favourable
               for cell in read.cells(month=month, offer=offer, attribute=attribute)}  # fmt: skip
    if ("considered", group) not in counted or ("considered", reference) not in counted:
        return None
    ours, theirs = ([counted[stage, name] for stage in STAGES] for name in (group, reference))
    return waterfall(group, ours, reference, theirs)
