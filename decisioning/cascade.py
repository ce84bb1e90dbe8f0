"""The order of the stages, declared once; decide, replay, explanation and the fairness waterfall all read it here."""

from collections.abc import Callable

from decisioning import boosts, caps, consent, creative, eligibility, stops
from decisioning.bandit import stage as bandit
from decisioning.case import Case
from decisioning.propensity import stage as propensity

Stage = Callable[[Case], None]

CASCADE: tuple[tuple[str, Stage], ...] = (
    ("stops", stops.apply),
    ("consent", consent.apply),
    ("eligibility", eligibility.apply),
    ("caps", caps.apply),
    ("propensity", propensity.apply),
    ("boosts", boosts.apply),
    ("bandit", bandit.apply),
    ("creative", creative.apply),
)
STAGES = tuple(name for name, _ in CASCADE)
