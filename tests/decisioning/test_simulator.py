"""Policies side by side on a world with a known truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from decisioning import simulator
from decisioning.simulator import POLICIES, Result, Run, Visit, simulate, summarise
from offers import snapshot
from offers.types import Release

ARMS = ("cash/plain", "cash/warm", "miles/plain", "miles/warm")
# Who travels takes miles, and whoever comes by search takes the warm wording; the session alone tells the second.
CHANCE = {(True, "miles"): 0.5, (True, "cash"): 0.1, (False, "miles"): 0.05, (False, "cash"): 0.4}
WARM_ON_SEARCH, PLAIN_ELSE = 0.3, 0.1


def catalogue() -> Release:
    text = {"format": "banner", "headline": "h", "body": "b", "call_to_action": "c", "disclosure": "d"}
    content: snapshot.Content = {kind: {} for kind in snapshot.EMPTY}
    content["product"] = {"cards": {"title": "Cards"}}
    content["placement"] = {"home": {"title": "Home", "fallback": None}}
    content["contact_policy"] = {
        "default": {"title": "caps", "decisions_per_day": 1, "decisions_per_week": 1, "same_offer_per_week": 1}
    }
    content["ranking"] = {
        "default": {
            "title": "blend", "propensity_weight": 0.6, "bandit_weight": 0.4, "reward_weights": {"click": 1.0},
            "context": [
                {"attribute": "entry_point", "equals": "search"},
                {"attribute": "spend_share_travel", "centre": 0.3, "scale": 0.3},
            ],
        }
    }  # fmt: skip
    for offer in ("cash", "miles"):
        content["offer"][offer] = {
            "title": offer, "product": "cards", "family": offer, "facts": {}, "value": 1, "benefit_rank": 1,
            "base_rate": 0.2, "channels": ["web"], "placements": ["home"], "legal_basis": "invitation",
        }  # fmt: skip
    for arm in ARMS:
        offer = arm.split("/")[0]
        content["creative"][arm] = {"title": arm, "offer": offer, "texts": {"web": text}}
        content["arm"][arm] = {
            "title": arm, "offer": offer, "creative": arm, "prior_mean": 0.2, "prior_strength": 5.0,
        }  # fmt: skip
    content["rule"]["adults"] = {
        "title": "adults", "scope": "all", "target": "", "reason_code": "UNDER_21", "basis": "law",
        "when": {"attribute": "is_21_or_over", "op": "is", "value": True},
    }  # fmt: skip
    return snapshot.read(1, content)


class TwoKinds:
    """Half of the customers travel; one in ten is under 21 and may be shown nothing."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def visits(self, day: int) -> Sequence[Visit]:
        rng = np.random.default_rng([self._seed, day])
        return [self._visit(day * 1000 + number, rng) for number in range(150)]

    def _visit(self, number: int, rng: np.random.Generator) -> Visit:
        known: dict[str, Any] = {
            "spend_share_travel": float(rng.choice([0.05, 0.6])), "is_21_or_over": bool(rng.random() < 0.9),
        }  # fmt: skip
        context = {"entry_point": str(rng.choice(["search", "organic"]))}
        return Visit(number, number, "web", "home", known, context, frozenset({"marketing:web"}))

    def expected(self, visit: Visit, arms: Sequence[str]) -> NDArray[np.float64]:
        return np.array([self._chance(visit, arm) for arm in arms])

    def result(self, visit: Visit, arm: str) -> Result:
        draw = np.random.default_rng([self._seed, visit.number, 9]).random()
        accepted = bool(draw < self._chance(visit, arm))
        return Result(accepted, float(accepted))

    def _chance(self, visit: Visit, arm: str) -> float:
        offer, wording = arm.split("/")
        search = visit.context["entry_point"] == "search"
        suits = (wording == "warm") == search
        fit = WARM_ON_SEARCH if search and suits else PLAIN_ELSE if suits else 0.0
        return CHANCE[visit.attributes["spend_share_travel"] > 0.3, offer] + fit


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate(catalogue(), TwoKinds(1), days=6, seed=1, progress=lambda _: None)


def test_the_oracle_is_never_beaten_in_expectation(run: Run) -> None:
    for name in POLICIES:
        assert (run.expected[name] <= run.expected["oracle"] + 1e-9).all()


def test_the_cascade_learns_who_wants_what_and_what_the_session_says(run: Run) -> None:
    per_visit = {name: run.expected[name][-2:].sum() for name in POLICIES}
    assert per_visit["cascade"] > 1.35 * per_visit["random"]
    assert per_visit["cascade"] > per_visit["batch"]  # which does not see the session
    assert per_visit["batch"] > 1.2 * per_visit["random"]  # and yet learns the customers


def test_who_may_be_shown_nothing_counts_for_no_policy(run: Run) -> None:
    world = TwoKinds(1)
    adults = sum(visit.attributes["is_21_or_over"] for day in range(6) for visit in world.visits(day))
    assert run.visits == adults < 6 * 150


def test_the_same_arguments_give_the_same_numbers(run: Run) -> None:
    again = simulate(catalogue(), TwoKinds(1), days=6, seed=1, progress=lambda _: None)
    for name in POLICIES:
        assert (again.expected[name] == run.expected[name]).all()
        assert (again.realised[name] == run.realised[name]).all()


def test_realised_rewards_scatter_around_the_expected(run: Run) -> None:
    """Every policy's clicks lie within four standard errors of what the truth says of its choices."""
    for name in POLICIES:
        assert abs(run.realised[name].sum() - run.expected[name].sum()) < 4 * np.sqrt(run.visits * 0.25)


def test_the_summary_is_the_mean_over_seeds_with_its_standard_error() -> None:
    def one(seed: int, reward: float) -> Run:
        days = {name: np.array([reward, reward]) for name in POLICIES}
        return Run(seed, 10, {**days, "oracle": np.array([4.0, 4.0])}, days)

    rows = {(row.policy, row.day): row for row in summarise([one(1, 1.0), one(2, 3.0)], [1, 2])}
    assert rows["cascade", 2].mean == pytest.approx(4.0)
    assert rows["cascade", 2].standard_error == pytest.approx(2.0)  # of 2 and 6
    assert rows["cascade", 1].of_oracle == pytest.approx(0.5)
    assert simulator.summarise([one(1, 1.0)], [1])[0].standard_error == 0.0
