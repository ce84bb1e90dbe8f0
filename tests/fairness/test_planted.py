"""The waterfall finds the stage of the synthetic bank's planted rule without being told; which rule it is is shown in
test_failures, and which input the planted proxy is in test_drivers."""

from __future__ import annotations

import numpy as np

from fairness.causes.waterfall import waterfall
from fairness.cube.stages import STAGES, levels
from tests.fairness import synthetic


def test_the_waterfall_of_a_travel_card_falls_most_at_the_rules() -> None:
    records = synthetic.visits(2_500)
    regions = synthetic.region_of(np.array([one.customer for one in records]))
    (place,) = {one.plan.position["travel-gold"] for one in records}
    furthest = np.array([levels(one.plan, one.decision, 1)[place] for one in records])
    reached = {
        name: [int((furthest[regions.holds(name)] >= level).sum()) for level in range(1, len(STAGES) + 1)]
        for name in ("South-East", "Metro")
    }
    found = waterfall("South-East", reached["South-East"], "Metro", reached["Metro"])
    assert found.largest is not None
    assert found.largest.stage == "eligible"
    others = [step.log_ratio for step in found.steps if step.stage != "eligible" and step.log_ratio is not None]
    assert (found.largest.log_ratio or 0) < 2 * min(others)
