"""What a release would do to the population, before it is live: who is eligible, what they would be shown, what it is
expected to bring. The engine's own stages, for many at once; it approves nothing."""

from decisioning.impact.agreement import Agreement, Disagreement, agreement
from decisioning.impact.expected import Estimate
from decisioning.impact.funnel import Funnel, Looser, Step, funnel
from decisioning.impact.kept import Kept, drawn, kept
from decisioning.impact.moments import Moment, in_season
from decisioning.impact.people import People, read
from decisioning.impact.reach import (
    BANDS,
    Floats,
    Labels,
    Mask,
    Reach,
    band_of,
    competing_offers,
    eligible,
    plan_of,
    reach,
    session_rules,
)
from decisioning.impact.scene import Scene, scene_for
from decisioning.impact.simulation import Decided, Simulation, seed_of, simulate, simulate_people
from decisioning.impact.stages import REASONS
from decisioning.impact.unserved import SAMPLE as UNSERVED_SAMPLE
from decisioning.impact.unserved import Group, Unserved, unserved

__all__ = [
    "BANDS",
    "REASONS",
    "UNSERVED_SAMPLE",
    "Agreement",
    "Decided",
    "Disagreement",
    "Estimate",
    "Floats",
    "Funnel",
    "Group",
    "Kept",
    "Labels",
    "Looser",
    "Mask",
    "Moment",
    "People",
    "Reach",
    "Scene",
    "Simulation",
    "Step",
    "Unserved",
    "agreement",
    "band_of",
    "competing_offers",
    "drawn",
    "eligible",
    "funnel",
    "in_season",
    "kept",
    "plan_of",
    "reach",
    "read",
    "scene_for",
    "seed_of",
    "session_rules",
    "simulate",
    "simulate_people",
    "unserved",
]
