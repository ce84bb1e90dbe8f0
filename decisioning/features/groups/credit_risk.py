"""What bureaus and the bank's own books say of credit, and the points that Candor computes from it."""

from __future__ import annotations

from decisioning.features import aggregates
from decisioning.features.groups.implementation import Implementation
from decisioning.features.measures import Measure

inquiries = Measure("inquiries_30d", "signals", "count", days=30, where=aggregates.of_type("competitor_inquiry"))

IMPLEMENTATION = Implementation(
    "credit_risk",
    given=("credit_score", "debt_to_income", "on_time_payment_rate_12m"),
    aggregated={"competitor_inquiry_30d": aggregates.happened(inquiries)},
    derived=("credit_score_band", "credit_rating", "risk_points", "risk_profile"),
)
