"""Takes in posts of customers who agreed to it: scores each text and keeps the scores; the text itself is never kept.

Without consent to personalisation at the level of the group `text_interest` nothing is scored or stored. When that
consent ends, the database deletes what was stored in the same transaction, whoever ends it (a trigger, migration 0007).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from django.db import connection

from decisioning.models import Consent
from decisioning.text import embedding, sentiment
from offers.register import GROUPS

LEVEL = GROUPS["text_interest"].level
LONGEST = 10_000  # characters; a longer text is scored by its beginning

# The lock on the consent makes a withdrawal at the same moment wait, so that it deletes what is inserted here.
# The order keeps two batches from waiting for each other.
_INSERT = """
INSERT INTO decisioning_post
  (customer_id, source, post_key, occurred_at, known_at, sentiment, interests, encoder)
SELECT post.customer, post.source, post.key, post.at, %s, post.sentiment, post.interests::jsonb, %s
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::float8[], %s::text[])
  AS post (customer, source, key, at, sentiment, interests)
JOIN decisioning_consent consent ON consent.customer_id = post.customer
  AND consent.purpose = 'personalisation' AND consent.channel = %s AND consent.granted
ORDER BY consent.customer_id FOR SHARE OF consent
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class NewPost:
    """A post as a source sends it; `post_key` is the source's own key of it, with which it comes once."""

    customer_id: int
    source: str
    post_key: str
    occurred_at: datetime
    text: str


def keep(rows: Sequence[NewPost], now: datetime) -> int:
    """Score and store, as known at `now`, the posts of customers who consent; returns how many were new.

    A post that is there already changes nothing, whatever its text says this time.
    """
    consented = _consented({row.customer_id for row in rows})
    kept = [row for row in rows if row.customer_id in consented]
    if not kept:
        return 0
    texts = [row.text[:LONGEST] for row in kept]
    encoder, interests = embedding.interests(texts)
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                now, encoder, [row.customer_id for row in kept], [row.source for row in kept],
                [row.post_key for row in kept], [row.occurred_at for row in kept],
                [sentiment.compound(text) for text in texts],
                [orjson.dumps(each).decode() for each in interests], LEVEL,
            ],
        )  # fmt: skip
        return int(cursor.rowcount)


def _consented(customers: Collection[int]) -> set[int]:
    granted = Consent.objects.filter(customer_id__in=customers, purpose="personalisation", channel=LEVEL, granted=True)
    return set(granted.values_list("customer_id", flat=True))
