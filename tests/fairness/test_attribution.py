"""Which rule and which clause a gap in eligibility comes from (R-RUL-2, T-AUD-02)."""

from __future__ import annotations

from itertools import permutations
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fairness.causes import attribution
from fairness.causes.attribution import Attribution, NobodyToCompare, attribute

People = NDArray[np.int64]
LETTERS = "abcdefgh"


def every_pattern(size: int) -> NDArray[np.bool_]:
    return np.array([[code >> at & 1 for at in range(size)] for code in range(1 << size)], dtype=bool)


def attributed(owners: list[str], group: list[int], reference: list[int]) -> Attribution:
    names = [f"clause {at}" for at in range(len(owners))]
    return attribute(
        owners, names, every_pattern(len(owners)),
        ("group", np.array(group, dtype=np.int64)), ("reference", np.array(reference, dtype=np.int64)),
    )  # fmt: skip


@st.composite
def populations(draw: st.DrawFn, most: int = 5) -> tuple[list[str], list[int], list[int]]:
    """Rules by part, and people of both groups by pattern; somebody of each fails nothing."""
    owners = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=most))
    counts = st.lists(st.integers(0, 50), min_size=1 << len(owners), max_size=1 << len(owners))
    group, reference = draw(counts), draw(counts)
    return owners, [group[0] + 1, *group[1:]], [reference[0] + 1, *reference[1:]]


def ln_ratio(failed: NDArray[np.bool_], chosen: list[int], group: list[int], reference: list[int]) -> float:
    passed = ~failed[:, chosen].any(axis=1)
    rates = [np.array(people)[passed].sum() / sum(people) for people in (group, reference)]
    return log(rates[0]) - log(rates[1])


def brute_force(owners: list[str], group: list[int], reference: list[int]) -> NDArray[np.float64]:
    """The mean effect of each part over every order in which the parts of a rule stand together."""
    failed, size = every_pattern(len(owners)), len(owners)
    effects, orders = np.zeros(size), 0
    for order in permutations(range(size)):
        runs = [owners[part] for at, part in enumerate(order) if at == 0 or owners[order[at - 1]] != owners[part]]
        if len(runs) > len(set(owners)):
            continue
        orders += 1
        for at, part in enumerate(order):
            before, after = list(order[:at]), list(order[: at + 1])
            effects[part] += ln_ratio(failed, after, group, reference) - ln_ratio(failed, before, group, reference)
    return effects / orders


@given(populations())
@settings(max_examples=60)
def test_rules_and_clauses_have_their_mean_effect_over_every_order(
    made: tuple[list[str], list[int], list[int]],
) -> None:
    owners, expected = made[0], brute_force(*made)
    found = attributed(*made)
    assert found.exact
    for rule in found.rules:
        mine = [at for at, owner in enumerate(owners) if owner == rule.name]
        assert rule.shapley == pytest.approx(expected[mine].sum(), abs=1e-9)
        for clause in found.clauses.get(rule.name, ()):
            assert clause.shapley == pytest.approx(expected[int(clause.name.split()[1])], abs=1e-9)


@given(populations(most=7))
def test_shares_add_up_to_ln_air_and_clauses_to_their_rule(made: tuple[list[str], list[int], list[int]]) -> None:
    # T-AUD-02
    found = attributed(*made)
    ratio = (found.group.rate or 0) / (found.reference.rate or 1)
    assert found.ln_ratio == pytest.approx(log(ratio), abs=1e-12)
    assert sum(rule.shapley for rule in found.rules) == pytest.approx(found.ln_ratio, abs=1e-9)
    for rule in found.rules:
        if rule.name in found.clauses:
            assert sum(one.shapley for one in found.clauses[rule.name]) == pytest.approx(rule.shapley, abs=1e-9)


def population(random: np.random.Generator, people: int, refusal: list[float], group: list[float]) -> Attribution:
    """Rules that refuse this share of the reference, and so many times that of the group, each by itself."""
    size = len(refusal)
    counted = []
    for factor in (group, [1.0] * size):
        shares = np.array(refusal) * factor
        failed = random.random((people, size)) < shares
        counted.append(failed)
    patterns, which = np.unique(np.concatenate(counted), axis=0, return_inverse=True)
    counts = [np.bincount(which[part], minlength=len(patterns)) for part in (slice(0, people), slice(people, None))]
    owners = [f"rule {at}" for at in range(size)]
    return attribute(owners, owners, patterns, ("group", counts[0]), ("reference", counts[1]))


@pytest.mark.parametrize("bad", range(6))
def test_the_rule_that_works_against_a_group_ranks_first(bad: int) -> None:
    # T-AUD-02
    random = np.random.default_rng(bad)
    worse = [1.0] * 6
    worse[bad] = 2.0
    found = population(random, 20_000, [0.05, 0.3, 0.1, 0.2, 0.15, 0.25], worse)
    assert found.rules[0].name == f"rule {bad}"
    others = [abs(rule.shapley) for rule in found.rules[1:]]
    assert max(others) < -found.rules[0].shapley / 2


def test_alone_and_without_are_the_ratios_that_they_say() -> None:
    # Pass both 40, fail only a 30, only b 20, both 10, of 100; the reference 60, 10, 20, 10.
    found = attributed(["a", "b"], [40, 30, 20, 10], [60, 10, 20, 10])
    a = next(rule for rule in found.rules if rule.name == "a")
    assert (a.failing, a.reference_failing) == (40, 20)
    assert a.alone == pytest.approx(0.6 / 0.8)
    assert a.without == pytest.approx(0.7 / 0.7)


def test_a_rule_that_nobody_fails_has_no_share() -> None:
    found = attributed(["a", "b"], [40, 0, 60, 0], [60, 0, 40, 0])
    shares = {rule.name: rule.shapley for rule in found.rules}
    assert shares["a"] == 0
    assert shares["b"] == pytest.approx(log(40 / 60))


def test_a_rule_that_shuts_a_whole_group_out_is_named_all_the_same() -> None:
    found = attributed(["a", "b"], [0, 90, 0, 10], [80, 0, 20, 0])
    assert found.smoothed
    assert found.rules[0].name == "a"
    assert sum(rule.shapley for rule in found.rules) == pytest.approx(found.ln_ratio, abs=1e-9)
    assert found.group.rate == 0


def test_without_anybody_in_a_group_there_is_nothing_to_say() -> None:
    # T-MET-05
    with pytest.raises(NobodyToCompare):
        attributed(["a"], [0, 0], [5, 5])


def test_an_offer_without_rules_has_no_gap() -> None:
    found = attributed([], [7], [9])
    assert (found.ln_ratio, found.rules, found.clauses) == (0.0, (), {})


def test_drawn_orders_add_up_too_and_their_intervals_hold_the_exact_share(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal, worse = [0.05 + 0.02 * at for at in range(12)], [1.0 + 0.1 * (at % 4) for at in range(12)]
    exact = population(np.random.default_rng(1), 20_000, refusal, worse)
    monkeypatch.setattr(attribution, "MOST_EXACT", 8)
    drawn = population(np.random.default_rng(1), 20_000, refusal, worse)
    assert exact.exact
    assert not drawn.exact
    assert sum(rule.shapley for rule in drawn.rules) == pytest.approx(drawn.ln_ratio, abs=1e-9)
    true = {rule.name: rule.shapley for rule in exact.rules}
    held = [rule.interval is not None and rule.interval.low <= true[rule.name] <= rule.interval.high
            for rule in drawn.rules]  # fmt: skip
    assert sum(held) >= 10


def test_forty_rules_are_attributed_from_drawn_orders() -> None:
    worse = [1.0] * 40
    worse[17] = 3.0
    found = population(np.random.default_rng(2), 5_000, [0.03] * 40, worse)
    assert not found.exact
    assert found.rules[0].name == "rule 17"
    assert sum(rule.shapley for rule in found.rules) == pytest.approx(found.ln_ratio, abs=1e-9)
