"""Steering among the equally eligible (R-BAN-5): a planted one is found, an even hand is not accused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from fairness.causes.logged import TERMS, Choices
from fairness.causes.steering import Steering, steering
from fairness.dataset import Grouping
from fairness.thresholds import Verdict

BANDS = ("580_669", "670_739", "740_799")
BEST, LESSER = {"rate": 0.15, "fee": 0.0, "limit": 9_000.0, "bonus": 200.0}, {
    "rate": 0.24, "fee": 0.0, "limit": 3_000.0, "bonus": np.nan,
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    choices: Choices
    bands: list[str]
    groups: dict[str, Grouping]


def shown(seed: int, *, downgraded: float, people: int = 4_000, mix: float = 0.5) -> Shown:
    """People of two regions with two travel cards open to them. The better band sees the better card more often, in
    both regions; of the Islands, `downgraded` of those who would see it see the lesser one. `mix` is the Islands' share
    of low bands."""
    random = np.random.default_rng(seed)
    islands = random.random(people) < 0.3
    low = random.random(people) < np.where(islands, mix, 0.4)
    band = np.where(low, 0, random.integers(1, 3, people))
    best = random.random(people) < np.array([0.3, 0.6, 0.7])[band]
    best &= ~(islands & (random.random(people) < downgraded))
    terms = np.where(best[:, np.newaxis], [BEST[name] for name in TERMS], [LESSER[name] for name in TERMS])
    choices = Choices(
        np.arange(people), np.full(people, "travel"), np.full(people, "travel-gold travel-plus"), best, terms
    )
    codes: NDArray[np.int16] = np.where(islands, 0, 1).astype(np.int16)
    return Shown(choices, [BANDS[at] for at in band.tolist()], {"region": Grouping(codes, ("Islands", "Metro"))})


def of_travel(made: Shown) -> Steering:
    found = {one.family: one for one in steering(made.choices, made.bands, made.groups)}
    assert found.keys() == {"", "travel"}
    return found["travel"]


@pytest.mark.parametrize("seed", range(10))
def test_a_fifth_who_are_downgraded_is_found(seed: int) -> None:
    # T-AUD-08
    one = of_travel(shown(seed, downgraded=0.2))
    assert one.level() in (Verdict.WATCH, Verdict.FAIL)
    assert one.common.risk_ratio == pytest.approx(0.8, abs=0.1)
    assert one.gap < -0.05


def test_an_even_hand_is_not_accused_though_the_groups_stand_in_other_bands() -> None:
    # T-AUD-08: nine in ten of the Islands are in the low band, which sees the best card half as often.
    accused = [of_travel(shown(seed, downgraded=0.0, mix=0.9)).level() for seed in range(40)]
    assert accused.count(Verdict.PASS) >= 39
    one = of_travel(shown(1, downgraded=0.0, mix=0.9))
    assert (one.group.rate or 0) / (one.reference.rate or 1) < 0.8  # what a table without bands would say


def test_terms_are_turned_so_that_below_zero_is_worse_for_the_group() -> None:
    # T-MET-14: a higher rate is worse, a higher limit is better.
    one = of_travel(shown(2, downgraded=0.5))
    told = {term.name: term for term in one.terms}
    assert told["rate"].mean > told["rate"].reference_mean
    assert (told["rate"].standardised or 0) < -0.2
    assert (told["limit"].standardised or 0) < -0.2
    assert told["fee"].standardised is None
    assert told["bonus"].standardised is None  # nobody who saw the lesser card has one to compare


def test_whoever_had_other_cards_to_choose_from_is_not_compared() -> None:
    """All of the Islands could have two cards, all of Metro three: nobody is equally eligible."""
    made = shown(3, downgraded=0.4)
    islands = made.groups["region"].codes == 0
    other = Choices(
        made.choices.decision, made.choices.family, np.where(islands, "a b", "a b c"), made.choices.best,
        made.choices.terms,
    )  # fmt: skip
    (one, *_) = steering(other, made.bands, made.groups)
    assert one.common.strata == 0
    assert one.level() == Verdict.UNDEFINED


def test_a_gap_among_a_hundred_people_is_neither_a_finding_nor_good_news() -> None:
    assert of_travel(shown(6, downgraded=0.2, people=150)).level() == Verdict.TOO_LITTLE_DATA


def test_of_a_group_of_a_few_nothing_is_said() -> None:
    # T-AUD-12
    made = shown(4, downgraded=0.4, people=40)
    assert steering(made.choices, made.bands, made.groups) == []


def test_nothing_was_shown() -> None:
    nothing = np.empty(0, dtype=np.str_)
    choices = Choices(np.empty(0, dtype=np.intp), nothing, nothing, np.empty(0, dtype=bool), np.empty((0, len(TERMS))))
    groups = {"region": Grouping(np.empty(0, dtype=np.int16), ())}
    assert steering(choices, [], groups) == []
