"""What consented posts tell, from their scores; the text is never kept."""

from __future__ import annotations

from decisioning.features import aggregates
from decisioning.features.groups.implementation import Implementation
from decisioning.features.measures import Measure
from offers.register import CARD_KINDS

posts_90d = Measure("posts_90d", "posts", "count", days=90)

IMPLEMENTATION = Implementation(
    "text_interest",
    aggregated={
        "text_posts_90d": aggregates.summed(posts_90d),
        "text_sentiment": aggregates.mean("posts", "sentiment", days=90, units=10_000),
        **{
            f"text_interest_{kind}": aggregates.mean("posts", f"interest_{kind}", days=90, units=10_000)
            for kind in CARD_KINDS
        },
    },
)
