"""The waterfall adds up, and says where it cannot."""

from __future__ import annotations

from itertools import accumulate
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairness import figures
from fairness.causes.waterfall import waterfall
from fairness.cube.stages import AUDITED, STAGES

Reached = st.lists(st.floats(0.3, 1.0), min_size=len(AUDITED), max_size=len(AUDITED))


def _reached(people: int, shares: list[float]) -> list[int]:
    return [people, *accumulate(shares, lambda left, share: int(left * share), initial=people)][1:]


@given(Reached, Reached, st.integers(10_000, 10**6), st.integers(10_000, 10**6))
def test_stage_ratios_multiply_to_the_whole(
    ours: list[float], theirs: list[float], people: int, others: int
) -> None:  # fmt: skip
    """T-AUD-01."""
    mine, reference = _reached(people, ours), _reached(others, theirs)
    found = waterfall("a", mine, "b", reference)
    if found.until is None or found.total is None:
        return
    last = STAGES.index(found.until)
    total = log((mine[last] / mine[0]) / (reference[last] / reference[0]))
    assert sum(step.log_ratio for step in found.steps if step.log_ratio is not None) == pytest.approx(total, abs=1e-9)
    assert found.total == pytest.approx(total, abs=1e-9)
    assert found.steps[last - 1].cumulative == pytest.approx(
        (mine[last] / mine[0]) / (reference[last] / reference[0]), rel=1e-9
    )


def test_a_planted_stage_is_named_and_stages_without_people_are_said() -> None:
    mine = [1000, 900, 300, 290, 290, 100, 3, 0, 0, 0, 0]
    reference = [1000, 900, 800, 780, 780, 300, 10, 5, 5, 5, 1]
    found = waterfall("a", mine, "b", reference)
    assert found.largest is not None
    assert found.largest.stage == "eligible"
    assert found.undefined == ("viewed", "clicked", "applied", "activated")
    assert found.until == "delivered"
    assert [step.cumulative for step in found.steps[-4:]] == [None] * 4


def test_a_group_that_is_shut_out_loses_most_there_and_has_no_total() -> None:
    found = waterfall("a", [1000, 990, *[0] * 9], "b", [1000, 1000, 900, *[800] * 8])
    assert found.largest is not None
    assert (found.largest.stage, found.shut_out, found.until) == ("eligible", found.largest, "eligible")
    assert found.total is None
    assert found.undefined == AUDITED[2:]
    assert "in all" not in figures.waterfall(found)["layout"]["xaxis"]["categoryarray"]


def test_nobody_of_a_handful_is_not_taken_for_being_shut_out() -> None:
    mine, reference = [1000, 1000, 500, *[500] * 7, 0], [1000, 1000, 900, *[900] * 7, 1]
    found = waterfall("a", mine, "b", reference)
    assert found.largest is not None
    assert (found.largest.stage, found.shut_out, found.until) == ("eligible", None, "applied")


def test_nobody_at_all_is_undefined_and_not_parity() -> None:
    found = waterfall("a", [0] * len(STAGES), "b", [10] * len(STAGES))
    assert (found.until, found.largest, len(found.undefined)) == (None, None, len(AUDITED))
