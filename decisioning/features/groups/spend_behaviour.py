"""What a customer spends and earns, from transactions."""

from __future__ import annotations

import numpy as np

from decisioning.features import aggregates
from decisioning.features.groups.implementation import Implementation
from decisioning.features.measures import Aggregate, Measure

KINDS = ("travel", "groceries", "dining", "fuel", "online")

spend_90d = Measure("spend_90d", "transactions", "sum", "amount_units", days=90, where=aggregates.spend)
spend_30d = Measure("spend_30d", "transactions", "sum", "amount_units", days=30, where=aggregates.spend)
transactions_30d = Measure("transactions_30d", "transactions", "count", days=30)
income_90d = Measure("income_90d", "transactions", "sum", "amount_units", days=90, where=aggregates.income)

IMPLEMENTATION = Implementation(
    "spend_behaviour",
    aggregated={
        "utilisation_90d": aggregates.mean("signals", "utilisation", days=90, units=10_000),
        "spend_90d": aggregates.summed(spend_90d, 100),
        "spend_30d": aggregates.summed(spend_30d, 100),
        **{
            f"spend_share_{kind}": aggregates.share(
                Measure(f"spend_{kind}_90d", "transactions", "sum", "amount_units", 90, 0, aggregates.spend_on(kind)),
                spend_90d,
            )
            for kind in KINDS
        },
        "transactions_30d": aggregates.summed(transactions_30d),
        "income_estimate_monthly": Aggregate((income_90d,), lambda _, units: np.where(units < 0, -units / 300, np.nan)),
    },
    derived=("income_band", "revolving"),
)
