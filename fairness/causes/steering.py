"""Whether people who could have the better card of a family are shown the lesser one: by group, among the equally
eligible, within credit bands. Pure; who was eligible is the record's to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decisioning.impact.people import Floats, Mask
from fairness import intervals
from fairness.causes.logged import TERMS, Choices
from fairness.causes.mantel_haenszel import Common, Stratum, common
from fairness.counts import GroupCounts, comparisons
from fairness.dataset import Groupings
from fairness.thresholds import DEFAULT, Bands, Verdict

FEWEST: Final = DEFAULT.smallest_shown
"""People below whom nothing is said of a group (T-AUD-12)."""
LOWER_IS_BETTER: Final = frozenset({"rate", "fee"})
UNKNOWN_BAND: Final = "no score"


@dataclass(frozen=True, slots=True)
class Term:
    """One of the terms shown: means of group and reference, and their standardised difference, turned so that below 0
    is worse for the group; None where the term does not vary."""

    name: str
    mean: float
    reference_mean: float
    standardised: float | None


@dataclass(frozen=True, slots=True)
class Steering:
    """One family and one group. `group` and `reference` count people with a choice, and those of them who were shown
    the best they could have. `strata` are credit bands; `common` compares within credit band and equal choice. `q` is
    corrected over everything that was tested together."""

    family: str
    attribute: str
    group: GroupCounts
    reference: GroupCounts
    strata: tuple[Stratum, ...]
    common: Common
    q: float | None
    terms: tuple[Term, ...]

    @property
    def missing(self) -> float:
        """People of the group who would have seen the best, had their chance been the reference's in each band; below 0
        where more of them saw it."""
        return sum(one.group.total * (one.reference.rate or 0.0) - one.group.favourable for one in self._shared)

    @property
    def gap(self) -> float:
        """The difference of the shares that saw the best, in the group's own mix of bands."""
        return -self.missing / max(1.0, sum(one.group.total for one in self._shared))

    @property
    def _shared(self) -> list[Stratum]:
        return [one for one in self.strata if one.group.total and one.reference.total]

    def level(self, lines: Bands = DEFAULT) -> Verdict:
        """Steered away only with all three keys: beyond the line, significant, and more people than a few (R-MET-3).
        An even hand is said only where the whole interval is above the failing ratio: little data reassures nobody."""
        within = self.common.risk_ratio_interval
        if self.q is None or within is None:
            return Verdict.UNDEFINED
        beyond = self.gap <= -lines.steering_watch and self.missing >= lines.material_shortfall
        if beyond and self.q < lines.significance:
            return Verdict.FAIL if self.gap <= -lines.steering_fail else Verdict.WATCH
        return Verdict.PASS if within.low >= lines.fail_ratio else Verdict.TOO_LITTLE_DATA


def steering(choices: Choices, bands: Sequence[str], groupings: Groupings, *, lines: Bands = DEFAULT) -> list[Steering]:
    """Each family, and all of them as "", for each group with enough people. `bands` (n,) is the credit band of each
    decision and the groupings are of the decisions; the answer is one family of tests."""
    band = np.array([bands[at] or UNKNOWN_BAND for at in choices.decision.tolist()], dtype=np.str_)
    found = [
        one
        for family in ("", *sorted(set(choices.family.tolist())))
        for one in _of_family(choices, family, band, groupings, lines)
    ]
    q_values = intervals.q_values([one.common.p for one in found])
    return [
        Steering(one.family, one.attribute, one.group, one.reference, one.strata, one.common, q, one.terms)
        for one, q in zip(found, q_values, strict=True)
    ]


def _of_family(
    choices: Choices, family: str, band: NDArray[np.str_], groupings: Groupings, lines: Bands
) -> Iterator[Steering]:
    mine = choices.family == family if family else np.ones(len(choices.family), dtype=bool)
    best, terms = choices.best[mine], choices.terms[mine]
    alike = np.char.add(np.char.add(band[mine], " "), choices.open_to[mine])
    for attribute, grouping in groupings.items():
        among = grouping.among(choices.decision[mine])
        for pair in comparisons(attribute, among.table(best), None, lines.references):
            if min(pair.group.total, pair.reference.total) < FEWEST:
                continue
            masks = among.holds(pair.group.group), among.holds(pair.reference.group)
            yield Steering(
                family, attribute, pair.group, pair.reference,
                tuple(_strata(band[mine], best, masks)), common(list(_strata(alike, best, masks))), None,
                tuple(_terms(terms, masks)),
            )  # fmt: skip


def _strata(label: NDArray[np.str_], best: Mask, masks: tuple[Mask, Mask]) -> Iterator[Stratum]:
    names, place = np.unique(label, return_inverse=True)
    counts = [
        (np.bincount(place[mask], minlength=len(names)), np.bincount(place[mask & best], minlength=len(names)))
        for mask in masks
    ]
    for at, name in enumerate(names.tolist()):
        group, reference = (GroupCounts("", int(total[at]), int(chosen[at])) for total, chosen in counts)
        yield Stratum(name, group, reference)


def _terms(terms: Floats, masks: tuple[Mask, Mask]) -> Iterator[Term]:
    for at, name in enumerate(TERMS):
        ours, theirs = (terms[mask, at][~np.isnan(terms[mask, at])] for mask in masks)
        if min(len(ours), len(theirs)) < FEWEST:
            continue
        mean, reference = float(ours.mean()), float(theirs.mean())
        spread = float(np.concatenate([ours, theirs]).std())
        sign = -1.0 if name in LOWER_IS_BETTER else 1.0
        yield Term(name, mean, reference, sign * (mean - reference) / spread if spread else None)
