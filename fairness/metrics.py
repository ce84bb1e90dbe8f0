"""Group fairness metrics in closed form, with AIF360's names and signs (group minus, or over, reference); no tests, no
verdicts, no rows.

Every function gives None where the metric is undefined (an empty group, a reference rate of zero), never NaN or an
infinity. Definitions: AIF360 0.6.1, `BinaryLabelDatasetMetric` and `ClassificationMetric`.
"""

from collections.abc import Callable, Mapping, Sequence
from math import log
from typing import Final

from fairness.counts import ConfusionCounts, GroupCounts


def disparate_impact(group: GroupCounts, reference: GroupCounts) -> float | None:
    """The adverse impact ratio: the group's favourable rate over the reference's; 1 is parity."""
    return _ratio(group.rate, reference.rate)


def statistical_parity_difference(group: GroupCounts, reference: GroupCounts) -> float | None:
    """The group's favourable rate minus the reference's; 0 is parity."""
    return _minus(group.rate, reference.rate)


def unfavourable_ratio(group: GroupCounts, reference: GroupCounts) -> float | None:
    """The ratio of the unfavourable rates: the same gap seen from the other side, often a very different number."""
    return _ratio(_ratio(group.unfavourable, group.total), _ratio(reference.unfavourable, reference.total))


def odds_ratio(group: GroupCounts, reference: GroupCounts) -> float | None:
    """The group's odds of the favourable outcome over the reference's; 1 is parity."""
    return _ratio(_ratio(group.favourable, group.unfavourable), _ratio(reference.favourable, reference.unfavourable))


def shortfall(group: GroupCounts, reference: GroupCounts) -> float | None:
    """How many more people of the group would have the favourable outcome at the reference's rate; 0 if none."""
    difference = statistical_parity_difference(group, reference)
    return None if difference is None else max(0.0, -difference * group.total)


def marginal_effect(group: GroupCounts, reference: GroupCounts) -> float | None:
    """The reference's favourable rate minus the group's, as the practice of fair lending writes the gap: positive where
    the group falls behind. With controls it is `score_metrics.conditional_marginal_effect`."""
    return _minus(reference.rate, group.rate)


def true_positive_rate(counts: ConfusionCounts) -> float | None:
    return _ratio(counts.true_positives, counts.true_positives + counts.false_negatives)


def false_positive_rate(counts: ConfusionCounts) -> float | None:
    return _ratio(counts.false_positives, counts.false_positives + counts.true_negatives)


def false_negative_rate(counts: ConfusionCounts) -> float | None:
    return _ratio(counts.false_negatives, counts.true_positives + counts.false_negatives)


def false_discovery_rate(counts: ConfusionCounts) -> float | None:
    return _ratio(counts.false_positives, counts.true_positives + counts.false_positives)


def false_omission_rate(counts: ConfusionCounts) -> float | None:
    return _ratio(counts.false_negatives, counts.true_negatives + counts.false_negatives)


def error_rate(counts: ConfusionCounts) -> float | None:
    return _ratio(counts.false_positives + counts.false_negatives, counts.decisions.total)


def equal_opportunity_difference(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    """The group's true positive rate minus the reference's (Hardt, Price and Srebro 2016)."""
    return _minus(true_positive_rate(group), true_positive_rate(reference))


def false_positive_rate_difference(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    return _minus(false_positive_rate(group), false_positive_rate(reference))


def false_negative_rate_difference(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    return _minus(false_negative_rate(group), false_negative_rate(reference))


def false_discovery_rate_difference(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    return _minus(false_discovery_rate(group), false_discovery_rate(reference))


def false_omission_rate_difference(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    return _minus(false_omission_rate(group), false_omission_rate(reference))


def positive_predictive_value(counts: ConfusionCounts) -> float | None:
    return _ratio(counts.true_positives, counts.true_positives + counts.false_positives)


def positive_predictive_value_difference(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    return _minus(positive_predictive_value(group), positive_predictive_value(reference))


def false_positive_rate_ratio(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    return _ratio(false_positive_rate(group), false_positive_rate(reference))


def false_negative_rate_ratio(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    return _ratio(false_negative_rate(group), false_negative_rate(reference))


def false_discovery_rate_ratio(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    return _ratio(false_discovery_rate(group), false_discovery_rate(reference))


def false_omission_rate_ratio(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    return _ratio(false_omission_rate(group), false_omission_rate(reference))


def error_rate_ratio(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    return _ratio(error_rate(group), error_rate(reference))


def error_rate_difference(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    return _minus(error_rate(group), error_rate(reference))


def average_odds_difference(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    """Mean of the false and the true positive rate differences. Opposite signs cancel: show the absolute one too."""
    gaps = _odds_gaps(group, reference)
    return None if gaps is None else (gaps[0] + gaps[1]) / 2


def average_abs_odds_difference(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    """Mean of the absolute false and true positive rate differences."""
    gaps = _odds_gaps(group, reference)
    return None if gaps is None else (abs(gaps[0]) + abs(gaps[1])) / 2


def equalized_odds_difference(group: ConfusionCounts, reference: ConfusionCounts) -> float | None:
    """The larger of the absolute false and true positive rate differences."""
    gaps = _odds_gaps(group, reference)
    return None if gaps is None else max(abs(gaps[0]), abs(gaps[1]))


def theil_index(*groups: ConfusionCounts) -> float | None:
    """Theil's index of the benefits (decided - actual + 1) of everybody in these groups; 0 is parity (Speicher and
    others 2018). AIF360's is not aware of weights, so counts are the only closed form of it."""
    return _entropy([cell for group in groups for cell in _benefits(group)], alpha=1)


def generalized_entropy_index(*groups: ConfusionCounts, alpha: float = 2) -> float | None:
    """The generalised entropy of the same benefits; alpha 1 is Theil's, 2 half the squared coefficient of variation.

    Raises ValueError for alpha 0, which is infinite as soon as one person's benefit is none.
    """
    return _entropy([cell for group in groups for cell in _benefits(group)], alpha)


def between_group_theil_index(*groups: ConfusionCounts) -> float | None:
    """Theil's index where everybody has the mean benefit of her group: what of it lies between the groups."""
    means = [(_mean(_benefits(group)), group.decisions.total) for group in groups]
    return _entropy([(mean, people) for mean, people in means if mean is not None], alpha=1)


def smoothed_differential_fairness(groups: Sequence[GroupCounts], concentration: float = 1.0) -> float | None:
    """The largest absolute log ratio of any two groups' rates, favourable or unfavourable, each rate smoothed by a
    Dirichlet prior of this concentration (Foulds and others 2018); ln 1.25 is four fifths. Over all intersections it is
    AIF360's `smoothed_empirical_differential_fairness`. None for fewer than two groups with people."""
    held = [group for group in groups if group.total]
    if len(held) < 2:
        return None
    rates = [(group.favourable + concentration / 2) / (group.total + concentration) for group in held]
    favoured, others = [log(rate) for rate in rates], [log(1 - rate) for rate in rates]
    return max(max(favoured) - min(favoured), max(others) - min(others))


DECISION_METRICS: Final[Mapping[str, Callable[[GroupCounts, GroupCounts], float | None]]] = {
    "disparate_impact": disparate_impact,
    "statistical_parity_difference": statistical_parity_difference,
}
"""What decisions alone can tell, by AIF360's method name."""

OUTCOME_METRICS: Final[Mapping[str, Callable[[ConfusionCounts, ConfusionCounts], float | None]]] = {
    "equal_opportunity_difference": equal_opportunity_difference,
    "average_odds_difference": average_odds_difference,
    "average_abs_odds_difference": average_abs_odds_difference,
    "equalized_odds_difference": equalized_odds_difference,
    "false_positive_rate_difference": false_positive_rate_difference,
    "false_negative_rate_difference": false_negative_rate_difference,
    "false_discovery_rate_difference": false_discovery_rate_difference,
    "false_omission_rate_difference": false_omission_rate_difference,
    "error_rate_difference": error_rate_difference,
    "false_positive_rate_ratio": false_positive_rate_ratio,
    "false_negative_rate_ratio": false_negative_rate_ratio,
    "false_discovery_rate_ratio": false_discovery_rate_ratio,
    "false_omission_rate_ratio": false_omission_rate_ratio,
    "error_rate_ratio": error_rate_ratio,
}
"""What needs actual outcomes beside the decisions, by AIF360's method name."""


def _benefits(counts: ConfusionCounts) -> list[tuple[float, float]]:
    """Benefit (decided - actual + 1) and people."""
    return [
        (0.0, counts.false_negatives),
        (1.0, counts.true_positives + counts.true_negatives),
        (2.0, counts.false_positives),
    ]


def _mean(cells: Sequence[tuple[float, float]]) -> float | None:
    return _ratio(sum(value * count for value, count in cells), sum(count for _, count in cells))


def _entropy(cells: Sequence[tuple[float, float]], alpha: float) -> float | None:
    """Generalised entropy of (value, people)."""
    if alpha == 0:
        raise ValueError("an entropy of order 0 has no value where somebody has no benefit")
    people, mean = sum(count for _, count in cells), _mean(cells)
    if not mean:
        return None
    shares = [(value / mean, count) for value, count in cells if count]
    if alpha == 1:
        return sum(count * share * log(share) for share, count in shares if share) / people
    return sum(count * (float(share**alpha) - 1) for share, count in shares) / (people * alpha * (alpha - 1))


def _odds_gaps(group: ConfusionCounts, reference: ConfusionCounts) -> tuple[float, float] | None:
    false_gap = false_positive_rate_difference(group, reference)
    true_gap = equal_opportunity_difference(group, reference)
    return None if false_gap is None or true_gap is None else (false_gap, true_gap)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _minus(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right
