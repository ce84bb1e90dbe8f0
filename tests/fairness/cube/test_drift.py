"""T-AUD-13: an alert only where two months running are red and the average has left its limit."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from fairness.counts import GroupCounts
from fairness.cube.drift import Point, chart


def _months(ratios: list[float], red: list[int] | None = None, people: int = 4000) -> list[Point]:
    return [
        Point(
            date(2025 + place // 12, place % 12 + 1, 1),
            GroupCounts("a", people, round(people * 0.4 * ratio)),
            GroupCounts("b", people, round(people * 0.4)),
            0.01 if place in (red if red is not None else [at for at, one in enumerate(ratios) if one < 0.9]) else 0.6,
        )
        for place, ratio in enumerate(ratios)
    ]


@pytest.mark.parametrize(
    ("last", "alert"), [([0.7, 0.7], True), ([1.0, 0.7], False), ([0.7, 1.0], False), ([1.0, 1.0], False)]
)
def test_one_red_month_is_no_drift_and_two_running_are(last: list[float], alert: bool) -> None:
    found = chart(_months([*[1.0] * 11, *last]))
    assert found is not None
    assert found.alert is alert


def test_a_gap_that_was_always_there_is_no_drift() -> None:
    found = chart(_months([0.7] * 13))
    assert found is not None
    assert all(one.red for one in found.points)
    assert not found.alert


def test_a_month_without_a_ratio_breaks_the_run() -> None:
    points = _months([*[1.0] * 9, 0.7, 0.7, 0.7])
    found = chart([*points[:-2], points[-1]])
    assert found is not None
    assert found.points[-1].out
    assert not found.alert


def test_fewer_months_than_the_alert_looks_at_are_no_chart() -> None:
    assert chart(_months([0.5, 0.5])) is None


def test_months_of_pure_chance_leave_the_limits_hardly_ever() -> None:
    random, alerts = np.random.default_rng(5), 0
    for _ in range(300):
        points = [
            Point(one.month, GroupCounts("a", 2000, int(random.binomial(2000, 0.3))),
                  GroupCounts("b", 8000, int(random.binomial(8000, 0.3))), 0.01)
            for one in _months([1.0] * 13)
        ]  # fmt: skip
        found = chart(points)
        alerts += found is not None and found.alert
    assert alerts <= 6
