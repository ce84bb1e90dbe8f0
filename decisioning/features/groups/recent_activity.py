"""What happened to a customer in the last hours and days, from signals."""

from __future__ import annotations

from decisioning.features import aggregates
from decisioning.features.groups.implementation import Implementation
from decisioning.features.measures import Measure, Members
from offers.register import attributes


def _count(name: str, type_: str, days: int) -> Measure:
    return Measure(name, "signals", "count", days=days, where=aggregates.of_type(type_))


IMPLEMENTATION = Implementation(
    "recent_activity",
    momentary=tuple(each.name for each in attributes(group="recent_activity")),
    aggregated={
        "transactions_24h": aggregates.summed(_count("transactions_24h", "transaction", 1)),
        "spend_24h": aggregates.summed(
            Measure("spend_24h", "signals", "sum", "amount_units", days=1, where=aggregates.spend_signalled), 100
        ),
        "declined_transaction_30d": aggregates.happened(_count("declined_30d", "transaction_declined", 30)),
        "service_calls_7d": aggregates.summed(_count("service_calls_7d", "service_call", 7)),
        "complaint_30d": aggregates.happened(_count("complaints_30d", "complaint", 30)),
        "experiments": Members("experiment_assigned", "experiment", "variant"),
        "alerts_acknowledged_7d": aggregates.summed(_count("alerts_acknowledged_7d", "alert_acknowledged", 7)),
    },
)
