"""The synthetic bank's export of the day: it tells again what its books say, so that what sources tell stays fresh."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from console.bank.events import SOURCE
from decisioning.features import materialise
from offers.register import GROUPS

# The newest that this bank has told of each customer, told again where it is due.
_AGAIN = """
INSERT INTO decisioning_featurerow (customer_id, "group", source, version, occurred_at, known_at, values)
SELECT customer_id, "group", source, version, %(now)s, %(now)s, values FROM (
  SELECT DISTINCT ON (customer_id) * FROM decisioning_featurerow WHERE source = %(source)s AND "group" = %(group)s
  ORDER BY customer_id, known_at DESC
) newest WHERE known_at < %(due)s
"""


def send(now: datetime) -> int:
    """Tell each group again once half of its limit is over; returns how many rows were told, and materialises the
    population if there were any."""
    told = 0
    for name, group in GROUPS.items():
        due = now - timedelta(seconds=group.freshness_seconds / 2)
        with connection.cursor() as cursor:
            cursor.execute(_AGAIN, {"now": now, "source": SOURCE, "group": name, "due": due})
            told += cursor.rowcount
    if told:
        materialise.population(now)
    return told
