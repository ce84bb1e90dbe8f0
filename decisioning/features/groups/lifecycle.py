"""How long a customer is with the bank and where the relationship stands."""

from __future__ import annotations

from decisioning.features import aggregates
from decisioning.features.groups.implementation import Implementation
from decisioning.features.measures import Aggregate, Measure

opened = Measure("first_opened", "accounts", "min", "occurred_at")

IMPLEMENTATION = Implementation(
    "lifecycle",
    given=("branch_visits_90d", "commute_zone"),
    aggregated={"tenure_months": Aggregate((opened,), aggregates.months_since)},
    derived=("lifecycle_stage", "churn_risk", "unusual_activity"),
)
