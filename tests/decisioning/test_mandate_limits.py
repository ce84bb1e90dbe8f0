"""Mandates at their limits: shares that leave nothing to choose, customers who are spared, and arms that are paused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from decisioning import delivery
from decisioning.bandit import mandates
from decisioning.decide import decide
from decisioning.plan import Plan, compile_release, complete
from decisioning.types import Choice, Decision, Known
from tests import catalogue
from tests.decisioning.test_decide import KNOWN, NOW, REQUEST

Floats = NDArray[np.float64]
ARMS = ("offer-0/c0", "offer-1/c0")
SPARED = replace(KNOWN, attributes={**KNOWN.attributes, "payment_hardship": True})


@st.composite
def merits(draw: st.DrawFn, arms: int) -> Floats:
    """Chances by merit, from even ones to one that takes all."""
    weights = np.array(draw(st.lists(st.floats(0.001, 1.0), min_size=arms, max_size=arms)))
    weights **= draw(st.integers(1, 40))
    return np.asarray(weights / weights.sum())


@st.composite
def exact(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    """Merits, and bounds of which the maximums, or the minimums, sum to 1 as nearly as floats do."""
    parts = draw(st.lists(st.integers(1, 20), min_size=2, max_size=6))
    whole = np.array(parts) / sum(parts)
    share = np.array(draw(st.lists(st.floats(0.0, 1.0), min_size=len(parts), max_size=len(parts))))
    low, high = (whole * share, whole) if draw(st.booleans()) else (whole, whole + (1 - whole) * share)
    return draw(merits(len(parts))), low, high


@given(exact())
@example((np.array([0.2, 0.8]), np.zeros(2), np.array([0.3, 0.7])))
@example((np.array([0.1, 0.9]), np.zeros(2), np.array([0.5, 0.5])))
@example((np.array([0.97, 0.01, 0.01, 0.01]), np.zeros(4), np.full(4, 0.25)))
@example((np.array([0.02, 0.98]), np.array([0.1, 0.0]), np.array([0.1, 0.9])))
def test_bounds_that_sum_to_exactly_one_are_the_shares(case: tuple[Floats, Floats, Floats]) -> None:
    merit, low, high = case
    bound = high if abs(high.sum() - 1) < 1e-9 else low
    assert mandates.project(merit, low, high) == pytest.approx(
        merit if (low <= merit).all() and (merit <= high).all() else bound, abs=2e-9
    )


@given(merits(5), st.integers(0, 2**32), st.sampled_from([-1e-7, -1e-12, 0, 1e-13, 2e-9, 1e-7, 1e-5, 1e-3]))
def test_shares_sum_to_one_and_keep_their_bounds_however_little_is_left_to_choose(
    merit: Floats, seed: int, more: float
) -> None:
    random = np.random.default_rng(seed)
    high = random.random(5) + 0.01
    high = np.minimum(high / high.sum() * (1 + more), 1.0)
    low = high * random.choice([0.0, 0.5, 1.0], 5)
    share = mandates.project(merit, low, high)
    assert share.sum() == pytest.approx(1.0, abs=1e-9)
    if low.sum() <= 1.0 <= high.sum():
        assert (share >= low - 2e-9).all()
        assert (share <= high + 2e-9).all()


def test_what_is_no_distribution_is_not_drawn_from() -> None:
    with pytest.raises(mandates.NoDistribution):
        mandates.project_many([[np.nan, 0.9]], [0, 0], [0.6, 0.7])


def plan_with(**arms: dict[str, Any]) -> Plan:
    """Two offers with an arm each, changed by "first" and "second"."""
    content = catalogue.content(2, 1)
    for name, changes in arms.items():
        arm = ARMS[("first", "second").index(name)]
        content["arm"][arm] = {**content["arm"][arm], **changes}
    return compile_release(catalogue.release(content), None)


def made(plan: Plan, keys: Sequence[int], known: Known = KNOWN) -> list[Decision]:
    posterior = complete(None, plan)
    return [decide(REQUEST, known, plan, posterior, key) for key in keys]


@pytest.mark.parametrize("maximums", [(0.5, 0.5), (0.3, 0.7), (0.1, 0.9)])
@pytest.mark.parametrize("prior", [0.02, 0.3, 0.9])
def test_the_logged_chance_is_the_one_drawn_with_where_the_maximums_sum_to_one(
    maximums: tuple[float, float], prior: float
) -> None:
    first, second = ({"mandate": {"max_share": one}} for one in maximums)
    decisions = made(plan_with(first={**first, "prior_mean": prior}, second=second), range(40))
    for decision in decisions:
        chance = dict(zip(ARMS, maximums, strict=True))[decision.choices[0].arm]
        assert decision.choices[0].action_probability == pytest.approx(chance, abs=1e-6)
    assert {decision.choices[0].arm for decision in decisions} == set(ARMS)


# --- Who is spared -------------------------------------------------------------------------------------------------

NEVER = {"never_explore": ["payment_hardship"]}


@pytest.mark.parametrize("better", [{"max_share": 0.5}, {"max_share": 0.5, **NEVER}])
def test_no_maximum_pushes_the_worse_arm_on_whoever_is_spared_from_it(better: dict[str, Any]) -> None:
    plan = plan_with(
        first={"prior_mean": 0.01, "mandate": NEVER},
        second={"prior_mean": 0.6, "prior_strength": 5_000.0, "mandate": better},
    )
    assert {decision.choices[0].arm for decision in made(plan, range(60), SPARED)} == {ARMS[1]}
    free = replace(KNOWN, attributes={**KNOWN.attributes, "payment_hardship": False})
    assert {decision.choices[0].arm for decision in made(plan, range(60), free)} == set(ARMS)


def test_a_spent_learning_budget_keeps_the_maximum() -> None:
    plan = plan_with(second={"prior_mean": 0.6, "mandate": {"max_share": 0.5, "learning_budget": 3}})
    shown = {decision.choices[0].arm for decision in made(plan, range(60), replace(KNOWN, spent={ARMS[1]: 3}))}
    assert shown == set(ARMS)


# --- What is paused ------------------------------------------------------------------------------------------------


def test_a_choice_whose_arm_was_paused_since_is_not_shown_again() -> None:
    plan = plan_with()
    (decision,) = made(plan, [7])
    chosen = decision.choices[0].arm
    paused = plan_with(**{("first", "second")[ARMS.index(chosen)]: {"paused": True}})
    before = [one.choice.arm for one in delivery.present(decision.choices, REQUEST, KNOWN, plan).shown]
    after = [one.choice.arm for one in delivery.present(decision.choices, REQUEST, KNOWN, paused).shown]
    assert before[0] == chosen
    assert chosen not in after
    assert made(plan, [7]) == [decision]  # what was decided stays as it was


def test_with_every_arm_paused_nothing_is_shown_again() -> None:
    choices = tuple(Choice(place, arm, arm.split("/")[0], 0.5) for place, arm in enumerate(ARMS, start=1))
    paused = plan_with(first={"paused": True}, second={"paused": True})
    assert delivery.present(choices, REQUEST, KNOWN, paused) == delivery.Presented((), "NO_ELIGIBLE_OFFER")


@pytest.mark.parametrize("paused", [False, True])
def test_a_fallback_that_is_paused_is_not_served(paused: bool) -> None:
    content = catalogue.content(1, 1)
    content["offer"]["offer-0"]["ends_at"] = NOW.isoformat()
    content["arm"]["all-cards/c0"]["paused"] = paused
    plan = compile_release(catalogue.release(content), None)
    (decision,) = [
        decide(replace(REQUEST, placement="home_banner"), KNOWN, plan, complete(None, plan), key) for key in [1]
    ]
    assert [choice.arm for choice in decision.choices] == ([] if paused else ["all-cards/c0"])
