"""Mandates: the projection, the coupled draw, and what both do to a decision, its probabilities and its bytes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from decisioning import records
from decisioning.bandit import mandates, off_policy
from decisioning.bandit.action_probability import first_probabilities
from decisioning.bandit.posterior import Posterior, RewardRow
from decisioning.decide import decide
from decisioning.plan import Plan, compile_release, complete
from decisioning.types import Decision, Known
from tests import catalogue
from tests.decisioning.test_decide import KNOWN, NOW, REQUEST

Floats = NDArray[np.float64]
SEEDS = 1_500
ARM, OTHER = "offer-0/c0", "offer-1/c0"


@st.composite
def asked(draw: st.DrawFn, arms: int | None = None) -> tuple[Floats, Floats, Floats]:
    """Chances by merit, minimums and maximums of some arms."""
    weights = np.array(draw(st.lists(st.floats(0.0, 1.0), min_size=arms or 1, max_size=arms or 8)))
    assume(weights.sum() > 0)
    bounds = np.sort(
        draw(st.lists(st.tuples(*[st.floats(0.0, 1.0)] * 2), min_size=len(weights), max_size=len(weights)))
    )
    return weights / weights.sum(), bounds[:, 0], bounds[:, 1]


@given(asked())
def test_shares_sum_to_one_and_keep_every_bound_that_can_be_kept(case: tuple[Floats, Floats, Floats]) -> None:
    merit, low, high = case
    share = mandates.project(merit, low, high)
    assume(high.sum() > 0)
    assert share.sum() == pytest.approx(1.0, abs=1e-12)
    assert (share >= 0).all()
    if low.sum() <= 1.0 <= high.sum():
        assert (share >= low - 1e-12).all()
        assert (share <= high + 1e-12).all()


@given(asked())
def test_shares_are_the_merits_where_no_bound_binds(case: tuple[Floats, Floats, Floats]) -> None:
    merit, low, high = case
    assert mandates.project(merit, np.minimum(low, merit), np.maximum(high, merit)).tolist() == merit.tolist()


@given(asked())
def test_free_arms_keep_their_proportions(case: tuple[Floats, Floats, Floats]) -> None:
    merit, low, high = case
    assume(low.sum() < 1.0 < high.sum())
    share = mandates.project(merit, low, high)
    free = (share > low + 1e-9) & (share < high - 1e-9) & (merit > 1e-6)
    factors = share[free] / merit[free]
    assert np.allclose(factors, factors[:1], rtol=1e-6)
    if free.any():  # who is stopped by a minimum would have less, who is stopped by a maximum more
        at_low, at_high = (share <= low + 1e-9) & (high > low + 1e-6), (share >= high - 1e-9) & (high > low + 1e-6)
        assert (low[at_low] >= factors[0] * merit[at_low] - 1e-6).all()
        assert (high[at_high] <= factors[0] * merit[at_high] + 1e-6).all()


@pytest.mark.parametrize(
    ("merit", "low", "high", "wanted"),
    [
        ([0.5, 0.5], [0.8, 0.6], [1, 1], [0.8 / 1.4, 0.6 / 1.4]),
        ([0.5, 0.5], [0, 0], [0.2, 0.3], [0.4, 0.6]),
        ([1.0], [0], [0.5], [1.0]),
        ([1.0, 0.0, 0.0], [0, 0, 0], [0.5, 1, 1], [0.5, 0.25, 0.25]),
        ([0.7, 0.2, 0.1], [0, 0.4, 0], [0.3, 1, 1], [0.3, 0.4 + 0.2 / 3, 0.1 + 0.4 / 3]),
    ],
)
def test_bounds_that_nothing_keeps_give_way_in_proportion(
    merit: list[float], low: list[float], high: list[float], wanted: list[float]
) -> None:
    assert mandates.project(merit, low, high) == pytest.approx(wanted, abs=1e-9)


@given(st.lists(asked(arms=3), min_size=1, max_size=5))
def test_many_customers_get_what_each_gets_alone(cases: list[tuple[Floats, Floats, Floats]]) -> None:
    merit, low, high = (np.array(column) for column in zip(*cases, strict=True))
    alone = [mandates.project(*case) for case in cases]
    assert np.allclose(mandates.project_many(merit, low, high), alone, atol=1e-12)


def test_who_does_not_compete_gets_no_share() -> None:
    there = np.array([[True, False, True]])
    share = mandates.project_many([[0.9, 0.0, 0.1]], [0, 0.5, 0.3], [0.6, 1, 1], there)
    assert share[0] == pytest.approx([0.6, 0.0, 0.4])


@given(asked())
def test_the_redraw_gives_each_arm_exactly_its_share(case: tuple[Floats, Floats, Floats]) -> None:
    merit, low, high = case
    assume(high.sum() > 0)
    share = mandates.project(merit, low, high)
    grid = (np.arange(60) + 0.5) / 60  # every pair of draws, evenly
    keep, other = (axis.ravel() for axis in np.meshgrid(grid, grid))
    given_winner = np.zeros((len(merit), len(merit)))
    for winner in range(len(merit)):
        p, q = (np.broadcast_to(array, (len(keep), len(merit))) for array in (merit, share))
        first = mandates.redraw(p, q, np.full(len(keep), winner), keep, other)
        given_winner[winner] = np.bincount(first, minlength=len(merit)) / len(keep)
    assert merit @ given_winner == pytest.approx(share, abs=2.5 / 60)


# --- In a decision -------------------------------------------------------------------------------------------------


def mandated(**arms: dict[str, Any]) -> Plan:
    """The small catalogue with mandates, by "offer_creative"."""
    content = catalogue.content()
    for name, mandate in arms.items():
        offer, creative = name.split("_")
        content["arm"][f"offer-{offer[1:]}/{creative}"]["mandate"] = mandate
    return compile_release(catalogue.release(content), None)


def learned(plan: Plan) -> Posterior:
    """Beliefs that differ by arm, so that merit is not the same for all."""
    posterior = complete(None, plan)
    arms = [plan.arms[arm] for arm in np.flatnonzero(plan.competes)]
    context = plan.context(KNOWN.attributes)
    rows = [
        RewardRow(6 * turn + place + 1, arm, context, trial=True, reward=0.04 * place)
        for turn in range(6)
        for place, arm in enumerate(arms)
    ]
    return posterior.fold(rows)


def run(plan: Plan, key: int, known: Known = KNOWN, posterior: Posterior | None = None, **request: Any) -> Decision:
    return decide(replace(REQUEST, **request), known, plan, posterior or learned(plan), key)


def keys() -> list[int]:
    return [int(key) for key in np.random.default_rng(5).integers(0, 2**63, SEEDS)]


def shares(decision: Decision) -> dict[str, float]:
    return {row.arm: row.share for row in decision.scored if row.share is not None}


@pytest.mark.parametrize("bounds", [{"min_share": 0.5}, {"max_share": 0.05}, {"min_share": 0.2, "max_share": 0.2}])
def test_rank_one_falls_as_the_shares_say(bounds: dict[str, Any]) -> None:
    plan = mandated(o0_c0=bounds)
    posterior = learned(plan)
    decisions = [run(plan, key, posterior=posterior) for key in keys()]
    wanted = shares(decisions[0])
    counts = Counter(decision.choices[0].arm for decision in decisions)
    assert bounds.get("min_share", 0) - 1e-12 <= wanted[ARM] <= bounds.get("max_share", 1) + 1e-12
    found = chisquare([counts[arm] for arm in wanted], [SEEDS * share for share in wanted.values()])
    assert found.pvalue > 0.001


def test_lower_ranks_fall_as_their_logged_probabilities_say() -> None:
    plan = mandated(o0_c0={"min_share": 0.6})
    posterior = learned(plan)
    logged: dict[tuple[str, str], float] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for key in keys():
        first, second, *_ = run(plan, key, posterior=posterior).choices
        counts[first.arm, second.arm] += 1
        logged[first.arm, second.arm] = first.action_probability * second.action_probability
    assert sum(logged.values()) == pytest.approx(1.0, abs=1e-6)  # every pair that can be was met
    assert chisquare([counts[pair] for pair in logged], [SEEDS * chance for chance in logged.values()]).pvalue > 0.001


def test_the_logged_probability_of_rank_one_is_the_share() -> None:
    plan = mandated(o0_c0={"min_share": 0.4}, o1_c0={"max_share": 0.1})
    for key in range(50):
        decision = run(plan, key)
        assert decision.choices[0].action_probability == shares(decision)[decision.choices[0].arm]
        assert all(0 < choice.action_probability <= 1 for choice in decision.choices)
        assert len({choice.offer for choice in decision.choices}) == 3


def test_the_merit_that_is_recorded_is_the_chance_without_the_mandate() -> None:
    with_it, without = mandated(o0_c0={"min_share": 0.4}), mandated()
    posterior = learned(without)
    decision = run(with_it, 7, posterior=posterior)
    drawn = [row.draw for row in run(without, 7, posterior=posterior).scored]
    assert [row.draw for row in decision.scored] == drawn
    assert sum(row.merit or 0.0 for row in decision.scored) == pytest.approx(1.0)
    counts = Counter(run(without, key, posterior=posterior).choices[0].arm for key in keys())
    assert chisquare(
        [counts[row.arm] for row in decision.scored], [SEEDS * (row.merit or 0.0) for row in decision.scored]
    ).pvalue > 0.001  # fmt: skip


def test_no_more_decisions_change_than_the_shares_ask_for() -> None:
    with_it, without = mandated(o0_c0={"min_share": 0.5}), mandated()
    posterior = learned(without)
    pairs = [
        (run(with_it, key, posterior=posterior), run(without, key, posterior=posterior).choices[0].arm)
        for key in keys()
    ]
    moved = sum(max(0.0, (row.share or 0.0) - (row.merit or 0.0)) for row in pairs[0][0].scored)
    changed = sum(decision.choices[0].arm != winner for decision, winner in pairs) / len(pairs)
    assert changed == pytest.approx(moved, abs=4 * (moved * (1 - moved) / len(pairs)) ** 0.5)


def test_another_policy_is_estimated_without_bias_from_mandated_decisions() -> None:
    plan = mandated(o0_c0={"min_share": 0.5}, o1_c0={"max_share": 0.05})
    posterior = learned(plan)
    worth = {arm: 0.1 * place for place, arm in enumerate(plan.arms)}
    decisions = [run(plan, key, posterior=posterior) for key in keys()]
    merit = {row.arm: row.merit or 0.0 for row in decisions[0].scored}
    first = [decision.choices[0] for decision in decisions]
    estimate = off_policy.ips(
        [worth[choice.arm] for choice in first],
        [choice.action_probability for choice in first],
        [merit[choice.arm] for choice in first],
    )
    truth = sum(chance * worth[arm] for arm, chance in merit.items())
    assert estimate.value == pytest.approx(truth, abs=4 * estimate.standard_error)
    assert estimate.standard_error < 0.2 * truth


def test_a_record_of_a_mandated_decision_comes_back_whole() -> None:
    decision = run(mandated(o0_c0={"min_share": 0.4, "learning_budget": 5}), 3, replace(KNOWN, spent={ARM: 2}))
    content = records.result_to_bytes(decision)
    assert records.result_from_bytes(content) == decision
    assert records.result_to_bytes(records.result_from_bytes(content)) == content


def test_the_same_inputs_give_the_same_bytes_under_a_mandate() -> None:
    known = replace(KNOWN, spent={ARM: 4})
    mandate = {"min_share": 0.4, "learning_budget": 5, "never_explore": ["payment_hardship"]}
    request, read = records.inputs_from_bytes(records.inputs_to_bytes(REQUEST, known))
    assert read == known
    for key in range(20):
        first = decide(REQUEST, known, mandated(o0_c0=mandate), learned(mandated()), key)
        again = decide(request, read, mandated(o0_c0=mandate), learned(mandated()), key)
        assert records.result_to_bytes(first) == records.result_to_bytes(again)


# What the engine wrote before there were mandates; the record of a decision without one must not change by a byte.
BEFORE = "a78ee95732cd910f7498cc9e4e1b969f2cc926122dc406668873cff78fd2da56"


def test_a_decision_without_a_mandate_is_byte_for_byte_what_it_was() -> None:
    plan = mandated()
    content = b"".join(records.result_to_bytes(run(plan, key)) for key in range(50))
    content += records.inputs_to_bytes(REQUEST, KNOWN)
    assert records.digest(b"", content).hex() == BEFORE


@pytest.mark.parametrize("ends_at", [NOW, NOW - timedelta(days=1)])
def test_a_mandate_that_is_over_has_no_effect(ends_at: Any) -> None:
    over = mandated(o0_c0={"min_share": 1.0, "ends_at": ends_at.isoformat()})
    for key in range(20):
        assert records.result_to_bytes(run(over, key)) == records.result_to_bytes(run(mandated(), key))


def test_a_mandate_holds_until_its_end() -> None:
    plan = mandated(o0_c0={"min_share": 1.0, "ends_at": (NOW + timedelta(seconds=1)).isoformat()})
    assert {run(plan, key).choices[0].arm for key in range(20)} == {ARM}


# --- Whom it spares, and what it may spend ---------------------------------------------------------------------------

HARDSHIP = {"min_share": 0.9, "never_explore": ["payment_hardship"]}


def of(known: Known, **attributes: Any) -> Known:
    return replace(known, attributes={**known.attributes, **attributes})


@pytest.mark.parametrize("attributes", [{"payment_hardship": True}, {}])
def test_whoever_holds_the_attribute_or_may_hold_it_meets_the_arm_by_its_expected_score(
    attributes: dict[str, Any],
) -> None:
    decision = run(mandated(o0_c0=HARDSHIP), 11, of(KNOWN, **attributes))
    row = next(row for row in decision.scored if row.arm == ARM)
    assert row.draw == row.mean
    assert row.share is None  # nothing is asked of her


def test_whoever_does_not_hold_it_is_drawn_for() -> None:
    decision = run(mandated(o0_c0=HARDSHIP), 11, of(KNOWN, payment_hardship=False))
    row = next(row for row in decision.scored if row.arm == ARM)
    assert row.draw != row.mean
    assert shares(decision)[ARM] == pytest.approx(0.9)


def test_an_arm_held_to_its_expected_score_is_logged_with_its_exact_probability() -> None:
    plan = mandated(o0_c0={"never_explore": ["payment_hardship"]})
    posterior = learned(plan)
    counts: Counter[str] = Counter()
    logged: dict[str, float] = {}
    for key in keys():
        first = run(plan, key, posterior=posterior).choices[0]
        counts[first.arm] += 1
        logged[first.arm] = first.action_probability
    met = sum(logged.values())
    assert 0.999 < met <= 1.0 + 1e-6  # of the arms that can be first, all but the rarest were
    assert (
        chisquare([counts[arm] for arm in logged], [SEEDS * chance / met for chance in logged.values()]).pvalue > 0.001
    )


@pytest.mark.parametrize(("spent", "held"), [({ARM: 4}, False), ({ARM: 5}, True), ({ARM: 9}, True), ({}, True)])
def test_a_budget_that_is_spent_or_not_known_ends_the_days_learning(spent: dict[str, int], held: bool) -> None:
    decision = run(mandated(o0_c0={"min_share": 0.9, "learning_budget": 5}), 11, replace(KNOWN, spent=spent))
    row = next(row for row in decision.scored if row.arm == ARM)
    assert (row.draw == row.mean) == held
    assert bool(shares(decision)) != held


def test_a_choice_spends_exactly_when_the_arm_was_drawn_for_and_another_promises_more() -> None:
    plan = mandated(o0_c0={"learning_budget": 5}, o1_c0={"learning_budget": 5})
    posterior = learned(plan)
    spending: set[tuple[bool, bool]] = set()
    for key in keys()[:300]:
        decision = run(plan, key, replace(KNOWN, spent={ARM: 0, OTHER: 5}), posterior=posterior)
        first = decision.choices[0].arm
        location = {row.arm: 0.6 * row.propensity * row.boost + 0.4 * row.mean for row in decision.scored}
        wanted = first == ARM and location[first] < max(location.values())
        assert decision.spends == (first if wanted else None)
        spending.add((first == ARM, wanted))
    assert (True, True) in spending


def test_a_paused_arm_does_not_compete_and_keeps_what_it_has_learned() -> None:
    content = catalogue.content()
    posterior = learned(mandated())
    before = posterior.predict(mandated().context({}), posterior.indices([ARM]))
    content["arm"][ARM]["paused"] = True
    paused = compile_release(catalogue.release(content), None)
    decision = run(paused, 1, posterior=complete(posterior, paused))
    assert ARM not in {row.arm for row in decision.scored}
    kept = complete(posterior, paused)
    after = kept.predict(paused.context({}), kept.indices([ARM]))
    assert [array.tolist() for array in after] == [array.tolist() for array in before]


def test_an_offer_whose_only_arm_is_retired_is_left_out() -> None:
    content = catalogue.content(creatives=1)
    del content["arm"][ARM]
    plan = compile_release(catalogue.release(content), None)
    assert {choice.offer for choice in run(plan, 1, posterior=complete(None, plan)).choices} == {"offer-1", "offer-2"}


def test_a_stopped_arm_has_no_share_whatever_its_mandate() -> None:
    plan = mandated(o0_c0={"min_share": 0.9})
    decision = run(plan, 1, replace(KNOWN, stops=frozenset({("arm", ARM)})))
    assert ARM not in {row.arm for row in decision.scored}
    assert not shares(decision)


def test_merit_is_what_the_quadrature_says() -> None:
    plan = mandated(o0_c0={"min_share": 0.4})
    decision = run(plan, 5)
    location = [0.6 * row.propensity * row.boost + 0.4 * row.mean for row in decision.scored]
    merit = first_probabilities(location, [0.4 * row.width for row in decision.scored])
    assert [row.merit for row in decision.scored] == pytest.approx(merit.tolist(), abs=1e-9)
