"""A fair bank is accused in at most five of a hundred months, whatever its size; T-MET-07."""

from __future__ import annotations

import numpy as np

from fairness import thresholds
from fairness.counts import Comparison, GroupCounts
from fairness.thresholds import Verdict

GROUPS, OFFERS, CHANNELS, RUNS = 12, 20, 4, 200


def test_960_fair_cells_hold_a_red_verdict_in_at_most_5_of_100_months() -> None:
    random = np.random.default_rng(17)
    rates = random.choice([0.05, 0.2, 0.5], OFFERS * CHANNELS)
    sizes = random.integers(1_000, 6_000, GROUPS)
    accused, bare = 0, 0
    for _ in range(RUNS):
        taken = random.binomial(sizes[None, :], rates[:, None])
        others = random.binomial(20_000, rates)
        month = [
            Comparison(
                "group", GroupCounts(str(group), int(sizes[group]), int(taken[cell, group])),
                GroupCounts("reference", 20_000, int(others[cell])), "caller",
            )
            for cell in range(OFFERS * CHANNELS)
            for group in range(GROUPS)
        ]  # fmt: skip
        judged = thresholds.judge(month)
        assert len(judged) == 960
        accused += any(row.verdict is Verdict.FAIL for row in judged)
        bare += any(row.practical for row in judged)
    assert accused <= 0.05 * RUNS
    assert bare > 0.5 * RUNS  # the bare four-fifths rule accuses most fair months, even of such numbers
