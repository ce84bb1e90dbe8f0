"""One group beside its reference by score and outcome (M3 to M6, M8, M9, M11, M13, M15): each figure with the counts
that it is made of, its interval and what may be said; arrays in, aggregates out, no database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from fairness import bootstrap, intervals, metrics, score_metrics
from fairness.counts import ConfusionCounts, GroupCounts
from fairness.intervals import Z_95, Interval
from fairness.thresholds import Bands, Verdict

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Counts = Mapping[str, Any]

SCORE: Final = "score_difference"
EFFECT: Final = "conditional_marginal_effect"
OPPORTUNITY: Final = "equal_opportunity_difference"
ODDS: Final = "average_odds_difference"
RESIDUAL: Final = "residual_difference"
CALIBRATION: Final = "calibration"
METHODS: Final[Mapping[str, str]] = {
    SCORE: "Hedges and Olkin, 95 %", OPPORTUNITY: bootstrap.METHOD, ODDS: bootstrap.METHOD, RESIDUAL: bootstrap.METHOD,
    CALIBRATION: bootstrap.METHOD, "theil_index": bootstrap.METHOD,
    EFFECT: "logit with credit band and number of visits; delta method, 95 %",
    "deciles": "Katz log, 95 %", "auc": "DeLong, 95 %",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scored:
    """People for whom an offer competed (n,): their score, whether they were given it, and what may rightly explain a
    gap: their credit band and how often they came."""

    score: Floats
    chosen: Mask
    band: NDArray[np.str_]
    visits: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Seen:
    """Offers that somebody saw (m,): whose they were, the score and the cut that it had to reach, and whether she took
    it. A person has several rows where several offers are looked at together."""

    person: NDArray[np.int64]
    predicted: Floats
    wanted: Mask  # the score reached the cut
    accepted: Mask


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric: `people` of the group and `reference_people` behind it. `missed` is how many people the gap costs the
    group, None where it counts none. None is undefined."""

    metric: str
    value: float | None
    interval: Interval | None
    people: int
    reference_people: int
    missed: float | None
    counts: Counts
    p: float | None = None
    q: float | None = None
    verdict: Verdict = Verdict.UNDEFINED

    def to_json(self) -> dict[str, Any]:
        ends = None if self.interval is None else list(self.interval)
        return {**asdict(self), "interval": ends, "verdict": self.verdict.value}


_GAPS: Final = {
    **metrics.OUTCOME_METRICS,
    "positive_predictive_value_difference": metrics.positive_predictive_value_difference,
}


def figures(scored: Scored, seen: Seen, sides: tuple[Mask, Mask], seen_sides: tuple[Mask, Mask]) -> list[Figure]:
    """Every judged figure of a comparison, not judged yet. The sides are group and reference, as masks of `scored` (n,)
    and of `seen` (m,)."""
    found = [_score(scored, sides), _effect(scored, sides), *_outcomes(seen, seen_sides)]
    return [replace(one, p=_p(one)) for one in found]


def _score(scored: Scored, sides: tuple[Mask, Mask]) -> Figure:
    """M8: the mean score of the group less the reference's, in standard deviations."""
    both, people = sides[0] | sides[1], _people(sides)
    value = score_metrics.standardised_mean_difference(scored.score, *sides)
    rows = bootstrap.moments(scored.score[both], sides[0][both])
    return Figure(SCORE, value, score_metrics.difference_interval(value, *people), *people, None, _moments(rows))


def _effect(scored: Scored, sides: tuple[Mask, Mask]) -> Figure:
    """M9 among people who are alike in the controls: how much less often the group is given the offer. A band in which
    nobody, or everybody, is given it tells nothing of a gap and is left out."""
    both = sides[0] | sides[1]
    held = sorted(set(scored.band[both].tolist()))
    bands = [band for band in held if _mixed(scored.chosen[both & (scored.band == band)])]
    told = np.isin(scored.band, bands)
    group, reference = sides[0] & told, sides[1] & told
    columns = [scored.band == band for band in bands[1:]]
    controls = np.column_stack([np.log(np.maximum(scored.visits, 1)), *columns]).astype(np.float64)
    found = score_metrics.conditional_marginal_effect(scored.chosen, group, reference, controls)
    people, others = int(group.sum()), int(reference.sum())
    tables = [_table(name, scored.chosen, sides, scored.band == name) for name in bands]
    counts = {"bands": tables, "raw": _raw(scored.chosen, group, reference)}
    if found is None:
        return Figure(EFFECT, None, None, people, others, None, counts)
    return Figure(EFFECT, found.value, found.interval, people, others, max(0.0, found.value * people), counts)


def _mixed(chosen: Mask) -> bool:
    return bool(chosen.any() and not chosen.all())


def _table(name: str, chosen: Mask, sides: tuple[Mask, Mask], of: Mask) -> list[Any]:
    """A band, people of the group and of them chosen, the same of the reference."""
    return [name, *(int(where.sum()) for side in sides for where in (side & of, side & of & chosen))]


def _raw(chosen: Mask, *sides: Mask) -> float | None:
    group, reference = (GroupCounts("", int(side.sum()), int(chosen[side].sum())) for side in sides)
    return metrics.marginal_effect(group, reference)


def _outcomes(seen: Seen, sides: tuple[Mask, Mask]) -> list[Figure]:
    """M3, M4, M13 and M15, of what was seen, all of the same draws of customers."""
    both = sides[0] | sides[1]
    group, taken = sides[0][both], seen.accepted[both]
    cells = bootstrap.confusion(seen.wanted[both], taken, group)
    residual = bootstrap.moments(taken - seen.predicted[both], group)
    expected = np.column_stack([taken * group, seen.predicted[both] * group])
    rows = np.column_stack([cells, residual, expected])
    ends = bootstrap.intervals(
        bootstrap.sums_by_customer(seen.person[both], rows) if both.any() else rows,
        [
            lambda sums: bootstrap.equal_opportunity(sums[:, :8]), lambda sums: bootstrap.average_odds(sums[:, :8]),
            lambda sums: bootstrap.standardised_difference(sums[:, 8:14]),
            lambda sums: bootstrap.ratio(sums[:, 14:16]), lambda sums: bootstrap.theil(sums[:, :8]),
        ],
    )  # fmt: skip
    ours, theirs = (ConfusionCounts(name, *column) for name, column in zip(("group", "reference"),
                    cells.sum(axis=0).reshape(2, 4).tolist(), strict=True))  # fmt: skip
    people = _persons(seen, sides)
    counts = {"group": asdict(ours), "reference": asdict(theirs)}
    opportunity = metrics.equal_opportunity_difference(ours, theirs)
    takers = ours.true_positives + ours.false_negatives
    return [
        Figure(OPPORTUNITY, opportunity, ends[0], int(takers), int(theirs.true_positives + theirs.false_negatives),
               _missed(opportunity, takers), counts),
        Figure(ODDS, metrics.average_odds_difference(ours, theirs), ends[1], *people, None,
               {**counts, **_odds(ours, theirs), "theil_interval": ends[4] and list(ends[4])}),
        Figure(RESIDUAL, _residual(seen, sides), ends[2], *people, None, _moments(residual)),
        _calibration(seen, sides, ends[3]),
    ]  # fmt: skip


def _odds(ours: ConfusionCounts, theirs: ConfusionCounts) -> dict[str, Any]:
    """What an average of opposite signs hides, the entropies of both sides together (M6), and the other gaps (M5)."""
    return {
        "average_abs": metrics.average_abs_odds_difference(ours, theirs),
        "largest": metrics.equalized_odds_difference(ours, theirs),
        "theil": metrics.theil_index(ours, theirs),
        "entropy": metrics.generalized_entropy_index(ours, theirs),
        "theil_between": metrics.between_group_theil_index(ours, theirs),
        "gaps": {name: metric(ours, theirs) for name, metric in _GAPS.items()},
    }


def _residual(seen: Seen, sides: tuple[Mask, Mask]) -> float | None:
    return score_metrics.residual_difference(seen.accepted.astype(float), seen.predicted, *sides)


def _calibration(seen: Seen, sides: tuple[Mask, Mask], interval: Interval | None) -> Figure:
    """M15 of the group, beside the reference's."""
    taken = seen.accepted.astype(float)
    ours, theirs = (score_metrics.calibration(taken, seen.predicted, side) for side in sides)
    counts = {
        name: {**asdict(one), "observed": int(seen.accepted[side].sum()), "expected": float(seen.predicted[side].sum()),
               "auc": (area := score_metrics.auc(seen.predicted[side], seen.accepted[side])) and area.to_json()}
        for name, one, side in zip(("group", "reference"), (ours, theirs), sides, strict=True)
    }  # fmt: skip
    missed = abs(counts["group"]["observed"] - counts["group"]["expected"])
    return Figure(CALIBRATION, ours.observed_over_expected, interval, *_persons(seen, sides), missed, counts)


def _missed(gap: float | None, people: float) -> float | None:
    return None if gap is None else max(0.0, -gap * people)


def _moments(rows: Floats) -> dict[str, list[float]]:
    """People, sum and sum of squares of each side."""
    sums = rows.sum(axis=0).tolist()
    return {"group": sums[:3], "reference": sums[3:]}


def _people(sides: tuple[Mask, Mask]) -> tuple[int, int]:
    return int(sides[0].sum()), int(sides[1].sum())


def _persons(seen: Seen, sides: tuple[Mask, Mask]) -> tuple[int, int]:
    return len(np.unique(seen.person[sides[0]])), len(np.unique(seen.person[sides[1]]))


def deciles(scored: Scored, sides: tuple[Mask, Mask]) -> list[dict[str, Any]]:
    """M11: who would be chosen at each tenth, were the score alone to choose."""
    return [
        {
            "share": cut.rate, "ratio": cut.ratio,
            "interval": (ends := intervals.ratio_interval(cut.group, cut.reference)) and list(ends),
            "group": [cut.group.total, cut.group.favourable],
            "reference": [cut.reference.total, cut.reference.favourable],
        }
        for cut in score_metrics.ratios_by_cut(scored.score, *sides)
    ]  # fmt: skip


# --- What may be said of them ---------------------------------------------------------------------------------------


def _p(one: Figure) -> float | None:
    """Wald's, by the width of the interval; of a ratio by its logarithm."""
    if one.value is None or one.interval is None or one.interval.high <= one.interval.low:
        return None
    if one.metric != CALIBRATION:
        return float(2 * norm.sf(abs(one.value) * 2 * Z_95 / (one.interval.high - one.interval.low)))
    if min(one.value, one.interval.low) <= 0:
        return None
    width = float(np.log(one.interval.high / one.interval.low))
    return float(2 * norm.sf(abs(np.log(one.value)) * 2 * Z_95 / width))


_BEHIND: Final[Mapping[str, Callable[[float], float]]] = {
    SCORE: lambda value: -value, EFFECT: lambda value: value, OPPORTUNITY: lambda value: -value,
    ODDS: lambda value: -value, RESIDUAL: lambda value: value,
    CALIBRATION: lambda value: 1 - min(value, 1 / value) if value > 0 else 1.0,
}  # fmt: skip
"""How far the group is behind, or its scores are off: above 0 is worse. A residual above 0 is of people who do better
than they were scored."""


def _lines(metric: str, bands: Bands) -> tuple[float, float]:
    """To watch, and to fail."""
    return {
        SCORE: (bands.smd_watch, bands.smd_fail), RESIDUAL: (bands.smd_watch, bands.smd_fail),
        EFFECT: (bands.effect_watch, bands.effect_fail), OPPORTUNITY: (bands.odds_watch, bands.odds_fail),
        ODDS: (bands.odds_watch, bands.odds_fail),
        CALIBRATION: (1 - bands.calibration_watch, 1 - bands.calibration_fail),
    }[metric]  # fmt: skip


def judge(found: Sequence[Figure], bands: Bands) -> list[Figure]:
    """These figures with their q values, as one family for each metric, and verdicts."""
    q_values: dict[int, float | None] = {}
    for metric in _BEHIND:
        family = [at for at, one in enumerate(found) if one.metric == metric]
        q_values |= dict(zip(family, intervals.q_values([found[at].p for at in family]), strict=True))
    return [replace(one, q=q_values[at], verdict=_verdict(one, q_values[at], bands)) for at, one in enumerate(found)]


def _verdict(one: Figure, q: float | None, bands: Bands) -> Verdict:
    """Three keys for a failure (R-MET-3): beyond the line, significant, and more people than a few. A pass takes an
    interval that stays inside the failing line: little data reassures nobody."""
    if one.value is None:
        return Verdict.UNDEFINED
    watch, fail = _lines(one.metric, bands)
    behind = _BEHIND[one.metric]
    material = one.missed is None or one.missed >= bands.material_shortfall
    if behind(one.value) > watch and material and q is not None and q < bands.significance:
        return Verdict.FAIL if behind(one.value) > fail else Verdict.WATCH
    if one.interval is None or max(behind(end) for end in one.interval) > fail or _few(one, bands):
        return Verdict.TOO_LITTLE_DATA
    return Verdict.WATCH if behind(one.value) > watch else Verdict.PASS


def _few(one: Figure, bands: Bands) -> bool:
    return min(one.people, one.reference_people) < bands.smallest_cell
