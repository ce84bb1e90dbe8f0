"""Verdicts: the three keys, the data that they need, and how often a fair system is accused."""

import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairness.counts import GroupCounts, UnknownReference
from fairness.thresholds import ComparisonResult, Verdict, compare_all, needed_n, worst


def judge(group: tuple[int, int], reference: tuple[int, int]) -> ComparisonResult:
    """One comparison, a family of its own, from (favourable, total) of both."""
    [result] = compare_all(
        {
            "gender": {
                "female": GroupCounts("female", group[1], group[0]),
                "male": GroupCounts("male", reference[1], reference[0]),
            }
        }
    )
    return result


def simulated(rng: np.random.Generator, rates: Mapping[str, float], sizes: Mapping[str, int]) -> dict[str, GroupCounts]:
    return {name: GroupCounts(name, sizes[name], int(rng.binomial(sizes[name], rate))) for name, rate in rates.items()}


@pytest.mark.parametrize(
    ("group", "reference", "verdict"),
    [
        pytest.param((110, 190), (590, 810), Verdict.FAIL, id="German credit, 25 and under"),
        pytest.param((1669, 14695), (9539, 30527), Verdict.FAIL, id="Adult"),
        pytest.param((88, 149), (612, 851), Verdict.WATCH, id="German credit, under 25: 0.82"),
        pytest.param((201, 310), (499, 690), Verdict.WATCH, id="German credit, women: 0.897"),
        pytest.param((480, 1000), (500, 1000), Verdict.PASS, id="0.96"),
        pytest.param((700, 1000), (500, 1000), Verdict.PASS, id="1.4, noted as reverse"),
        pytest.param((9, 18), (500, 1000), Verdict.TOO_LITTLE_DATA, id="nine people favourable"),
        pytest.param((15, 150), (100, 1000), Verdict.TOO_LITTLE_DATA, id="at parity, but without the power to say so"),
        pytest.param((7, 100), (100, 1000), Verdict.TOO_LITTLE_DATA, id="0.70, without the power to say so"),
        pytest.param((95, 100), (98, 100), Verdict.TOO_LITTLE_DATA, id="fewer than ten unfavourable, of a hundred"),
        pytest.param((995, 1000), (998, 1000), Verdict.PASS, id="fewer than ten unfavourable, of thousands"),
        pytest.param((35, 35), (10, 10), Verdict.TOO_LITTLE_DATA, id="everybody, of a few"),
        pytest.param((0, 0), (500, 1000), Verdict.UNDEFINED, id="empty group"),
        pytest.param((5, 10), (0, 1000), Verdict.UNDEFINED, id="nobody of the reference"),
    ],
)
def test_verdicts(group: tuple[int, int], reference: tuple[int, int], verdict: Verdict) -> None:
    assert judge(group, reference).verdict is verdict


def test_german_credit_row_has_every_number_of_the_table() -> None:
    row = judge((110, 190), (590, 810))
    assert (row.practical, row.statistical, row.material) == (True, True, True)
    assert row.ratio == pytest.approx(0.794826, abs=1e-6)
    assert row.ratio_interval == pytest.approx((0.699, 0.904), abs=5e-4)
    assert row.difference == pytest.approx(-0.149448, abs=1e-6)
    assert row.shortfall == pytest.approx(28.395, abs=1e-3)
    assert row.p == row.q
    assert row.q is not None
    assert row.q < 0.001
    assert row.family == 1


@pytest.mark.parametrize(
    ("group", "reference", "missing_key"),
    [
        pytest.param((35, 450), (100, 1000), "statistical", id="0.78, ten people short, q 0.20"),
        pytest.param((410, 500), (960, 1000), "practical", id="0.85, 70 people short, q under 0.001"),
        pytest.param((12, 30), (710, 1000), "material", id="0.56, q 0.001, nine people short"),
    ],
)
def test_two_keys_of_three_do_not_fail(group: tuple[int, int], reference: tuple[int, int], missing_key: str) -> None:
    row = judge(group, reference)
    assert [key for key in ("practical", "statistical", "material") if not getattr(row, key)] == [missing_key]
    assert row.verdict is not Verdict.FAIL


def test_exactly_four_fifths_is_not_below_four_fifths() -> None:
    row = judge((408, 1000), (510, 1000))  # the division rounds to just under 0.8
    assert row.ratio is not None
    assert row.ratio < 0.8
    assert row.verdict is Verdict.WATCH
    assert judge((407, 1000), (510, 1000)).verdict is Verdict.FAIL


def test_a_finding_stands_in_a_group_under_the_needed_number() -> None:
    row = judge((60, 150), (580, 1000))
    assert row.needed_n is not None
    assert row.total < row.needed_n
    assert row.verdict is Verdict.FAIL
    assert judge((9, 45), (450, 1000)).verdict is Verdict.TOO_LITTLE_DATA  # nine people, interval up to 0.8005


@pytest.mark.parametrize(
    ("group", "reference"),
    [
        pytest.param((0, 5000), (2500, 5000), id="nobody of the group"),
        pytest.param((0, 3000), (10000, 10000), id="nobody of the group, everybody of the reference"),
        pytest.param((0, 200), (400, 2000), id="nobody, in a group under the needed number"),
    ],
)
def test_shutting_a_group_out_is_not_excused_as_too_little_data(
    group: tuple[int, int], reference: tuple[int, int]
) -> None:
    assert judge(group, reference).verdict is Verdict.FAIL


def test_reverse_is_noted_and_does_not_block() -> None:
    row = judge((700, 1000), (500, 1000))
    assert row.reverse
    assert not row.verdict.blocks
    assert not judge((600, 1000), (500, 1000)).reverse


@pytest.mark.parametrize(
    ("rate", "measured"), [(0.01, 22758), (0.05, 4393), (0.10, 2075), (0.20, 952), (0.50, 267), (0.80, 97)]
)
def test_needed_number_is_the_measured_power_table(rate: float, measured: int) -> None:
    population = 1_000_000
    group = GroupCounts("group", 0.15 * population, 0)
    reference = GroupCounts("reference", 0.85 * population, 0.85 * population * rate)
    needed = needed_n(group, reference)
    assert needed is not None
    assert 0.97 * measured <= needed <= measured


@pytest.mark.parametrize(("rate", "people"), [(0.05, 4393), (0.20, 952), (0.50, 267), (0.80, 97)])
def test_a_planted_ratio_of_070_is_found_at_the_needed_number(rate: float, people: int) -> None:
    rng, runs = np.random.default_rng(8), 200
    rates, sizes = {"female": 0.7 * rate, "male": rate}, {"female": people, "male": round(people * 0.85 / 0.15)}
    found = sum(compare_all({"gender": simulated(rng, rates, sizes)})[0].verdict is Verdict.FAIL for _ in range(runs))
    assert found >= 0.8 * runs


def test_a_fair_system_is_accused_in_at_most_one_family_of_twenty() -> None:
    rng, runs = np.random.default_rng(7), 40
    accused, bare_rule = 0, 0
    for _ in range(runs):
        family = {}
        for offer in range(20):
            rate = float(rng.choice([0.05, 0.2, 0.5]))
            sizes = {"largest": 5000} | {f"group {g}": int(rng.integers(40, 1500)) for g in range(6)}
            family[f"offer {offer}"] = simulated(rng, dict.fromkeys(sizes, rate), sizes)
        results = compare_all(family)
        assert len(results) == 120
        accused += worst(row.verdict for row in results) is Verdict.FAIL
        bare_rule += any(row.practical for row in results)
    assert accused <= 0.05 * runs
    assert bare_rule > 0.9 * runs  # the bare four-fifths rule accuses nearly every fair month


def test_q_values_are_of_the_whole_call() -> None:
    fair = {f"offer {i}": {"a": GroupCounts("a", 1000, 500), "b": GroupCounts("b", 1000, 500)} for i in range(9)}
    gap = {"gender": {"female": GroupCounts("female", 1000, 450), "male": GroupCounts("male", 1000, 500)}}
    [alone], together = compare_all(gap), compare_all(gap | fair)
    assert together[0].family == 10
    assert alone.q is not None
    assert together[0].q == pytest.approx(10 * alone.q)
    assert (alone.statistical, together[0].statistical) == (True, False)


def test_every_number_is_rederivable_from_the_stored_counts() -> None:
    row = judge((110, 190), (590, 810))
    stored = json.loads(json.dumps(row.to_json(), allow_nan=False))
    again = judge((stored["favourable"], stored["total"]), (stored["reference_favourable"], stored["reference_total"]))
    assert again == row
    assert stored["ratio_interval"] == list(row.ratio_interval or ())
    assert stored["verdict"] == "fail"


cells = st.one_of(st.integers(0, 15), st.integers(0, 20_000))


@given(cells, cells, cells, cells)
@example(72, 5, 80, 9)  # the group does better than a reference just under nine in ten
def test_json_holds_no_nan_and_never_reassures_on_little_data(a: int, b: int, c: int, d: int) -> None:
    row = judge((a, a + b), (c, c + d))
    json.dumps(row.to_json(), allow_nan=False)
    if min(a, c) < 10 or (row.needed_n is not None and row.total < row.needed_n):
        assert row.verdict not in (Verdict.PASS, Verdict.WATCH)
    if min(b, d) < 10 and row.verdict is Verdict.PASS:  # nearly everybody, and enough of them to say so
        assert min(a + b, c + d) >= (row.needed_n or 0)
        assert (a / (a + b)) / (c / (c + d)) >= 0.9
    if row.verdict is Verdict.FAIL:
        assert row.practical
        assert row.statistical
        assert row.material


def test_the_caller_may_choose_the_reference() -> None:
    groups = {"female": GroupCounts("female", 1000, 480), "male": GroupCounts("male", 1000, 500)}
    [row] = compare_all({"gender": groups}, {"gender": "female"})
    assert (row.group, row.reference, row.reference_chosen_by) == ("male", "female", "caller")
    with pytest.raises(UnknownReference):
        compare_all({"gender": groups}, {"gender": "nobody"})


def test_worst_shows_failure_first_and_nothing_as_undefined() -> None:
    assert worst([Verdict.PASS, Verdict.TOO_LITTLE_DATA, Verdict.FAIL, Verdict.WATCH]) is Verdict.FAIL
    assert worst([Verdict.TOO_LITTLE_DATA, Verdict.WATCH]) is Verdict.WATCH
    assert worst([Verdict.PASS, Verdict.TOO_LITTLE_DATA]) is Verdict.TOO_LITTLE_DATA
    assert worst([Verdict.PASS]) is Verdict.PASS
    assert worst([]) is Verdict.UNDEFINED
    assert [verdict for verdict in Verdict if verdict.blocks] == [Verdict.FAIL]
