"""M17: a planted subgroup is found by name, a fair month names nobody, and nobody is told of a few people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fairness.dataset import Grouping
from fairness.scores import subgroups
from fairness.scores.month import Month
from tests.fairness.scores.months import month

REGIONS = ("Coast", "Heartland", "Islands", "Metro")


def _planted(rate: float, *, size: int = 4_000, share: float = 0.25) -> tuple[Month, dict[str, Grouping]]:
    """Everybody is given an offer at 0.6 but women of the Islands, who are at `rate`."""
    held, gender = month(size)
    random = np.random.default_rng(8)
    region = random.choice(4, size, p=[(1 - share) / 3, (1 - share) / 3, share, (1 - share) / 3]).astype(np.int16)
    planted = (gender.codes == 0) & (region == 2)
    given = random.random((size, 1)) < np.where(planted, rate, 0.6)[:, None]
    return replace(held, chosen=np.repeat(given, 2, axis=1)), {"gender": gender, "region": Grouping(region, REGIONS)}


def test_a_planted_subgroup_is_found_by_name_and_a_fair_month_names_nobody() -> None:
    found = subgroups.find(*_planted(0.35), 20)
    assert {one.offer for one in found} == {"", "travel-plus", "cash-basic"}
    for one in found:
        assert one.group == "gender: female, region: Islands"
        assert one.content["people"] == one.people
        assert one.content["observed"] < one.content["expected"]
        assert one.content["score"] > 10
        assert "verdict" not in one.content
    assert subgroups.find(*_planted(0.6), 20) == []


def test_a_subgroup_of_fewer_people_than_may_be_shown_is_kept_back() -> None:
    held, groupings = _planted(0.0, share=0.02)
    planted = int(((groupings["gender"].codes == 0) & (groupings["region"].codes == 2)).sum())
    assert [one.people for one in subgroups.find(held, groupings, planted)] == [planted] * 3
    assert subgroups.find(held, groupings, planted + 1) == []


def test_a_month_in_which_everybody_was_given_it_is_not_scanned() -> None:
    held, groupings = _planted(0.6)
    assert subgroups.find(replace(held, chosen=np.ones_like(held.chosen)), groupings, 20) == []
