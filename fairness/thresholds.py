"""From counts to a verdict on each comparison, at the lines of a policy pack, and what blocks; no I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum, auto
from math import ceil, log
from statistics import NormalDist
from typing import Final

from fairness import intervals, metrics
from fairness.counts import STRICT, Comparison, GroupCounts, ReferenceSource, comparisons
from fairness.intervals import Interval
from offers import packs
from offers.types import Bands as Bands

DEFAULT: Final = STRICT
"""The lines where no policy pack says others."""
_LAST_BITS: Final = 1e-9
"""A ratio or shortfall exactly on its line stands on it, whatever the division rounded to."""

METHODS: Final[Mapping[str, str]] = {
    "ratio_interval": "Katz log, 95 %",
    "difference_interval": "Newcombe hybrid score, 95 %",
    "p": "Fisher exact if any cell is under 100, else chi-square with Yates",
    "q": "Benjamini-Hochberg over the family",
    "needed_n": "log ratio, normal approximation: a ratio on the failing line, at the pack's power and significance",
}
"""How each number of a ComparisonResult was found, to be stored beside it."""


class Verdict(StrEnum):
    """What may be said about one comparison; `too_little_data` and `undefined` are never good news."""

    PASS = auto()
    WATCH = auto()
    FAIL = auto()
    TOO_LITTLE_DATA = auto()
    UNDEFINED = auto()
    NOT_COMPUTED = auto()  # of a whole change that went live by break-glass; never of a comparison

    @property
    def blocks(self) -> bool:
        """Whether the gate refuses a candidate with this verdict."""
        return self is Verdict.FAIL


_WORST_FIRST: Final = (Verdict.FAIL, Verdict.WATCH, Verdict.TOO_LITTLE_DATA, Verdict.UNDEFINED, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """One row of a fairness table; counts are people, rates and intervals are shares, None is undefined."""

    attribute: str
    group: str
    reference: str
    reference_chosen_by: ReferenceSource
    total: float
    favourable: float
    rate: float | None
    reference_total: float
    reference_favourable: float
    reference_rate: float | None
    ratio: float | None
    ratio_interval: Interval | None
    difference: float | None
    difference_interval: Interval | None
    unfavourable_ratio: float | None
    odds_ratio: float | None
    p: float | None
    q: float | None
    family: int
    shortfall: float | None
    needed_n: int | None
    practical: bool
    statistical: bool
    material: bool
    reverse: bool
    verdict: Verdict

    def to_json(self) -> dict[str, object]:
        """Every field under its own name, intervals as [low, high]; holds no NaN and no infinity."""
        ends = {"ratio_interval": self.ratio_interval, "difference_interval": self.difference_interval}
        return asdict(self) | {name: end and list(end) for name, end in ends.items()} | {"verdict": self.verdict.value}


def bands_in_force(source: packs.Source, on: date) -> Bands:
    """The lines of everything in force on a day, each at its strictest: for an audit of customers of several places."""
    return packs.strictest(packs.in_force(source, on)).bands


def compare_all(
    attributes: Mapping[str, Mapping[str, GroupCounts]],
    references: Mapping[str, str] | None = None,
    bands: Bands = DEFAULT,
) -> list[ComparisonResult]:
    """Judge every group of every attribute against its reference, in order; this call is the family of the q values.

    `references` names a group per attribute where the caller chooses it, before those of the bands. Raises
    UnknownReference, and ValueError on weighted counts, since a verdict is about people.
    """
    chosen = references or {}
    pairs = [
        pair
        for name, groups in attributes.items()
        for pair in comparisons(name, groups, chosen.get(name), bands.references)
    ]
    return judge(pairs, bands)


def judge(pairs: Sequence[Comparison], bands: Bands = DEFAULT) -> list[ComparisonResult]:
    """Judge these comparisons, in order, as one family of q values. Raises ValueError on weighted counts."""
    p_values = intervals.p_values([(pair.group, pair.reference) for pair in pairs])
    family = sum(p is not None for p in p_values)
    q_values = intervals.q_values(p_values)
    return [result(*row, family, bands) for row in zip(pairs, p_values, q_values, strict=True)]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that a summary of these must show; undefined where there is none."""
    return min(verdicts, key=_WORST_FIRST.index, default=Verdict.UNDEFINED)


def needed_n(group: GroupCounts, reference: GroupCounts, bands: Bands = DEFAULT) -> int | None:
    """People of the group needed to detect a ratio on the failing line.

    At the reference's rate and the two groups' sizes. Normal approximation of the log ratio, so that power and the
    Katz interval agree. None where the reference has no rate above zero or the group is empty.
    """
    if not (group.total and reference.rate):
        return None
    disadvantaged = bands.fail_ratio * reference.rate
    per_person = (1 - disadvantaged) / disadvantaged
    per_person += (1 - reference.rate) / reference.rate * group.total / reference.total
    normal = NormalDist()
    spread = normal.inv_cdf(1 - bands.significance / 2) + normal.inv_cdf(bands.power)
    return ceil(spread**2 * per_person / log(bands.fail_ratio) ** 2)


def result(pair: Comparison, p: float | None, q: float | None, family: int, bands: Bands) -> ComparisonResult:
    """One comparison of a family whose p and q are known."""
    group, reference = pair.group, pair.reference
    ratio = metrics.disparate_impact(group, reference)
    missing = metrics.shortfall(group, reference)
    practical = ratio is not None and ratio < bands.fail_ratio - _LAST_BITS
    statistical = q is not None and q < bands.significance
    material = missing is not None and missing >= bands.material_shortfall - _LAST_BITS
    return ComparisonResult(
        attribute=pair.attribute,
        group=group.group,
        reference=reference.group,
        reference_chosen_by=pair.reference_chosen_by,
        total=group.total,
        favourable=group.favourable,
        rate=group.rate,
        reference_total=reference.total,
        reference_favourable=reference.favourable,
        reference_rate=reference.rate,
        ratio=ratio,
        ratio_interval=intervals.ratio_interval(group, reference),
        difference=metrics.statistical_parity_difference(group, reference),
        difference_interval=intervals.difference_interval(group, reference),
        unfavourable_ratio=metrics.unfavourable_ratio(group, reference),
        odds_ratio=metrics.odds_ratio(group, reference),
        p=p,
        q=q,
        family=family,
        shortfall=missing,
        needed_n=needed_n(group, reference, bands),
        practical=practical,
        statistical=statistical,
        material=material,
        reverse=ratio is not None and ratio > bands.reverse_ratio + _LAST_BITS,
        verdict=_verdict(pair, ratio, bands, all_keys=practical and statistical and material),
    )


def _verdict(pair: Comparison, ratio: float | None, bands: Bands, *, all_keys: bool) -> Verdict:
    """Little data withholds reassurance, never a finding.

    The three keys already guard against false alarms. Asking a finding for power as well would let a planted ratio of
    0.70 through in 20 to 35 of 100 months at exactly the needed number of people.
    """
    if ratio is None:
        return Verdict.UNDEFINED
    group, reference = pair.group, pair.reference
    cells = (group.favourable, group.unfavourable, reference.favourable, reference.unfavourable)
    counted = min(cells) >= bands.smallest_cell
    if all_keys and (counted or evident(group, reference, bands)):
        return Verdict.FAIL
    needed = needed_n(group, reference, bands)
    if needed is None or group.total < needed:
        return Verdict.TOO_LITTLE_DATA
    if not counted:
        settled = min(group.total, reference.total) >= needed and _settled(group, reference, bands)
        return Verdict.PASS if settled else Verdict.TOO_LITTLE_DATA
    return Verdict.WATCH if ratio < bands.watch_ratio - _LAST_BITS else Verdict.PASS


def _settled(group: GroupCounts, reference: GroupCounts, bands: Bands) -> bool:
    """Whether the ratio cannot lie under the watch line, even with each rate at the unkind end of its interval.

    Where nearly everybody is favourable there are never ten unfavourable people, however many thousands were counted:
    to call that too little data would teach its readers to pass over the words.
    """
    low, high = intervals.wilson_interval(group).low, intervals.wilson_interval(reference).high
    return low / high >= bands.watch_ratio


def evident(group: GroupCounts, reference: GroupCounts, bands: Bands) -> bool:
    """Whether the whole interval lies below the failing line.

    Without this the smallest cell would hide the worst case: a rule that shuts a group out leaves it fewer than ten
    favourable people, and "too little data" would let it through the gate.
    """
    interval = intervals.ratio_interval(group, reference)
    return interval is not None and interval.high < bands.fail_ratio
