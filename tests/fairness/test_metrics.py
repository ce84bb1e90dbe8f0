"""Counts and closed forms: the published reference numbers, the identities, and what is undefined."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairness import metrics
from fairness.counts import (
    NOT_RECORDED,
    STRICT,
    ConfusionCounts,
    GroupCounts,
    UnknownReference,
    age_bands,
    comparisons,
    confusion_table,
    table,
)

GERMAN = Path(os.environ.get("CANDOR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "german_credit"

REFERENCE_NUMBERS = [
    # (favourable, total) of the group and of the reference, impact ratio, parity difference
    pytest.param((110, 190), (590, 810), 0.794826, -0.149448, id="German credit, age 25 and under"),
    pytest.param((88, 149), (612, 851), 0.821248, -0.128550, id="German credit, under 25"),
    pytest.param((201, 310), (499, 690), 0.896567, -0.074801, id="German credit, women to men"),
    pytest.param((1669, 14695), (9539, 30527), 0.363470, -0.198901, id="Adult, women to men"),
]

people = st.integers(0, 5000)


@st.composite
def group_counts(draw: st.DrawFn) -> GroupCounts:
    favourable, unfavourable = draw(people), draw(people)
    return GroupCounts("a group", favourable + unfavourable, favourable)


@st.composite
def confusion_counts(draw: st.DrawFn) -> ConfusionCounts:
    return ConfusionCounts("a group", draw(people), draw(people), draw(people), draw(people))


@pytest.mark.parametrize(("group", "reference", "ratio", "difference"), REFERENCE_NUMBERS)
def test_closed_forms_give_the_reference_numbers(
    group: tuple[int, int], reference: tuple[int, int], ratio: float, difference: float
) -> None:
    ours, theirs = GroupCounts("group", group[1], group[0]), GroupCounts("reference", reference[1], reference[0])
    assert metrics.disparate_impact(ours, theirs) == pytest.approx(ratio, abs=1e-6)
    assert metrics.statistical_parity_difference(ours, theirs) == pytest.approx(difference, abs=1e-6)


def test_outcome_metrics_of_a_table_worked_by_hand() -> None:
    group = ConfusionCounts("group", 30, 20, 40, 10)  # rates: true positive 3/4, false positive 1/3
    reference = ConfusionCounts("reference", 60, 10, 10, 20)  # 3/4 and 1/2
    odds = -1 / 6
    assert metrics.equal_opportunity_difference(group, reference) == 0
    assert metrics.false_positive_rate_difference(group, reference) == pytest.approx(odds)
    assert metrics.average_odds_difference(group, reference) == pytest.approx(odds / 2)
    assert metrics.average_abs_odds_difference(group, reference) == pytest.approx(-odds / 2)
    assert metrics.equalized_odds_difference(group, reference) == pytest.approx(-odds)
    assert metrics.false_discovery_rate_difference(group, reference) == pytest.approx(20 / 50 - 10 / 70)
    assert metrics.false_omission_rate_difference(group, reference) == pytest.approx(10 / 50 - 20 / 30)
    assert metrics.false_negative_rate_difference(group, reference) == 0
    assert metrics.error_rate_difference(group, reference) == 0
    assert metrics.disparate_impact(group.decisions, reference.decisions) == pytest.approx(0.5 / 0.7)


def test_odds_gaps_of_opposite_sign_cancel_only_in_the_signed_average() -> None:
    group, reference = ConfusionCounts("group", 60, 40, 60, 40), ConfusionCounts("reference", 40, 60, 40, 60)
    assert metrics.average_odds_difference(group, reference) == pytest.approx(0)
    assert metrics.average_abs_odds_difference(group, reference) == pytest.approx(0.2)


def test_shortfall_counts_people_at_the_reference_rate() -> None:
    women, men = GroupCounts("female", 310, 201), GroupCounts("male", 690, 499)
    assert metrics.shortfall(women, men) == pytest.approx(310 * 499 / 690 - 201)
    assert metrics.shortfall(men, women) == 0


def test_the_ratio_of_refusals_tells_another_story_than_the_ratio_of_approvals() -> None:
    group, reference = GroupCounts("group", 1000, 720), GroupCounts("reference", 1000, 910)
    assert metrics.disparate_impact(group, reference) == pytest.approx(0.7912, abs=1e-4)
    assert metrics.unfavourable_ratio(group, reference) == pytest.approx(3.1111, abs=1e-4)
    assert metrics.odds_ratio(group, reference) == pytest.approx((720 / 280) / (910 / 90))


@given(group_counts(), group_counts())
def test_swapping_group_and_reference_inverts_the_ratio_and_negates_the_difference(
    group: GroupCounts, reference: GroupCounts
) -> None:
    ratio, inverse = metrics.disparate_impact(group, reference), metrics.disparate_impact(reference, group)
    if ratio is not None and inverse is not None:
        assert ratio * inverse == pytest.approx(1, abs=1e-12)
    there = metrics.statistical_parity_difference(group, reference)
    back = metrics.statistical_parity_difference(reference, group)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert there == -back


@given(confusion_counts(), confusion_counts())
def test_every_metric_is_a_finite_number_or_undefined(group: ConfusionCounts, reference: ConfusionCounts) -> None:
    values = [metric(group, reference) for metric in metrics.OUTCOME_METRICS.values()]
    decisions = (
        *metrics.DECISION_METRICS.values(),
        metrics.unfavourable_ratio,
        metrics.odds_ratio,
        metrics.shortfall,
    )
    values += [metric(group.decisions, reference.decisions) for metric in decisions]
    assert all(value is None or math.isfinite(value) for value in values)


def test_an_empty_group_or_a_reference_rate_of_zero_is_undefined() -> None:
    empty, nobody, some = GroupCounts("empty", 0, 0), GroupCounts("nobody", 50, 0), GroupCounts("some", 50, 20)
    assert empty.rate is None
    assert metrics.disparate_impact(empty, some) is None
    assert metrics.disparate_impact(some, empty) is None
    assert metrics.statistical_parity_difference(some, empty) is None
    assert metrics.shortfall(empty, some) is None
    assert metrics.disparate_impact(some, nobody) is None
    assert metrics.disparate_impact(nobody, some) == 0
    assert metrics.statistical_parity_difference(some, nobody) == pytest.approx(0.4)
    nothing = ConfusionCounts("nothing", 0, 0, 0, 0)
    assert metrics.equalized_odds_difference(nothing, ConfusionCounts("some", 1, 1, 1, 1)) is None


@pytest.mark.parametrize(("total", "favourable"), [(5, 6), (-1, 0), (5, -1), (math.nan, 1), (math.inf, 1)])
def test_impossible_counts_are_refused(total: float, favourable: float) -> None:
    with pytest.raises(ValueError, match="favourable of"):
        GroupCounts("group", total, favourable)


def test_missing_attribute_is_a_group_and_totals_reconcile() -> None:
    groups = ["female", None, "male", "female", float("nan"), "male", "male"]
    favourable = [True, True, False, False, False, True, True]
    counts = table(np.array(groups, dtype=object), favourable)
    assert counts == {
        "female": GroupCounts("female", 2, 1),
        "male": GroupCounts("male", 3, 2),
        NOT_RECORDED: GroupCounts(NOT_RECORDED, 2, 1),
    }
    assert list(counts)[-1] == NOT_RECORDED
    assert all(isinstance(row.total, int) for row in counts.values())
    assert sum(row.total for row in counts.values()) == len(groups)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.booleans(), st.booleans()), max_size=60))
def test_tables_equal_counting_by_hand(rows: list[tuple[str | None, bool, bool]]) -> None:
    groups, decided, actual = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    counts, outcomes = table(groups, decided), confusion_table(groups, decided, actual)
    assert set(counts) == set(outcomes) == {group or NOT_RECORDED for group in groups}
    for name, row in counts.items():
        mine = [(yes, good) for group, yes, good in rows if (group or NOT_RECORDED) == name]
        assert (row.total, row.favourable) == (len(mine), sum(yes for yes, _ in mine))
        assert outcomes[name].decisions == row
        assert outcomes[name].false_positives == mine.count((True, False))
        assert outcomes[name].false_negatives == mine.count((False, True))


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", None]), st.booleans(), st.floats(0, 1e6, allow_subnormal=False)), max_size=60
    )
)
def test_weighted_table_never_has_more_favourable_than_people(rows: list[tuple[str | None, bool, float]]) -> None:
    counts = table([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    assert sum(row.total for row in counts.values()) == pytest.approx(sum(row[2] for row in rows))


def test_a_negative_weight_or_age_is_a_fault_in_the_data() -> None:
    with pytest.raises(ValueError, match="weight"):
        table(["a", "b"], [True, False], [1.0, -1.0])
    with pytest.raises(ValueError, match="age"):
        age_bands([30.0, -1.0])


def test_age_bands_have_exact_edges() -> None:
    ages = [0, 24, 24.99, 25, 61, 61.99, 62, 104, None]
    under, reference, over = (band.name for band in STRICT.age_bands)
    assert (under, reference, over) == ("under 25", "25 to 61", "62 and over")
    assert [band.upper for band in STRICT.age_bands] == [*(band.lower for band in STRICT.age_bands[1:]), None]
    assert age_bands(ages).tolist() == [under, under, under, reference, reference, reference, over, over, None]


def test_reference_is_the_callers_then_the_banks_then_the_largest_recorded_group() -> None:
    gender = {name: GroupCounts(name, 10, 5) for name in ("female", "male")}
    [women] = comparisons("gender", gender)
    assert (women.group.group, women.reference.group, women.reference_chosen_by) == ("female", "male", "policy")
    [men] = comparisons("gender", gender, "female")
    assert (men.reference.group, men.reference_chosen_by) == ("female", "caller")
    sizes = {"north": 40, "south": 90, NOT_RECORDED: 500}
    regions = {name: GroupCounts(name, size, 5) for name, size in sizes.items()}
    results = comparisons("region", regions)  # nobody in Metro, the bank's reference
    assert {(row.reference.group, row.reference_chosen_by) for row in results} == {("south", "largest group")}
    assert [row.group.group for row in results] == ["north", NOT_RECORDED]
    with pytest.raises(UnknownReference, match="no group 'unknown'"):
        comparisons("gender", gender, "unknown")
    assert comparisons("gender", {}) == []


@pytest.mark.skipif(not GERMAN.exists(), reason=f"no German credit data under {GERMAN}")
def test_german_credit_rows_give_the_reference_counts() -> None:
    rows = [line.split() for line in (GERMAN / "german.data").read_text().splitlines()]
    good, ages = [row[20] == "1" for row in rows], np.array([float(row[12]) for row in rows])
    gender = ["female" if row[8] in ("A92", "A95") else "male" for row in rows]
    assert table(gender, good) == {"female": GroupCounts("female", 310, 201), "male": GroupCounts("male", 690, 499)}
    by_band = table(age_bands(ages), good)
    assert by_band["under 25"] == GroupCounts("under 25", 149, 88)
    young = table(np.where(ages <= 25, "25 and under", "over 25").astype(object), good)
    assert young["25 and under"] == GroupCounts("25 and under", 190, 110)
    ratio = metrics.disparate_impact(young["25 and under"], young["over 25"])
    assert ratio == pytest.approx(0.794826, abs=1e-6)
