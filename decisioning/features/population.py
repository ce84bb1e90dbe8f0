"""The attributes of the whole population as a decision made now would read them, in chunks; no session and no rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from django.db import connection
from numpy.typing import NDArray

from decisioning.features import session
from decisioning.known import held
from decisioning.models import Customer
from offers.register import ATTRIBUTES, SESSION_GROUP

CHUNK = 20_000  # customers; with every attribute of the register some 80 MB

_LATEST = """
SELECT DISTINCT ON (customer_id, "group") customer_id, "group", extract(epoch FROM occurred_at)::float8, values::text
FROM decisioning_featurerow
WHERE customer_id = ANY(%s) AND "group" = ANY(%s)
ORDER BY customer_id, "group", occurred_at DESC, known_at DESC
"""
_LEVELS = """
SELECT customer_id, array_agg(purpose || ':' || channel) FROM decisioning_consent
WHERE customer_id = ANY(%s) AND purpose = 'personalisation' AND granted GROUP BY customer_id
"""

Groups = dict[str, tuple[float, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Customers (n,) by rising id, and what is known of each by register name; a missing value is absent."""

    customers: NDArray[np.int64]
    attributes: list[dict[str, Any]]


def size() -> int:
    """Customers that are not erased, contactable or not: consent and suppression are stages of their own."""
    return Customer.objects.filter(erased_at__isnull=True).count()


def chunks(names: Collection[str], now: datetime, *, share: float = 1.0) -> Iterator[Chunk]:
    """The population, or a fixed share of it, reduced to the attributes `names`, under the rules of a decision: what
    consent withholds and what is past its age is left out. Session attributes belong to a moment and are absent.
    """
    groups = sorted({ATTRIBUTES[name].group for name in names} - {SESSION_GROUP})
    last = 0
    while len(ids := _ids(last)):
        last = int(ids[-1])
        chosen = ids[in_sample(ids, share)]
        if len(chosen):
            yield _read(chosen, frozenset(names), groups, now.timestamp())


def in_sample(customers: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Which customers (n,) belong to the sample: always the same ones, and the smaller share within the larger."""
    # Fibonacci hashing: neighbouring ids, which a loader may have given to alike customers, scatter evenly.
    hashed = (customers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    chosen: NDArray[np.bool_] = hashed < share * 2**32
    return chosen


def _ids(after: int) -> NDArray[np.int64]:
    rows = Customer.objects.filter(erased_at__isnull=True, pk__gt=after).order_by("pk").values_list("pk", flat=True)
    return np.fromiter(rows[:CHUNK], dtype=np.int64)


def _read(customers: NDArray[np.int64], names: frozenset[str], groups: list[str], moment: float) -> Chunk:
    ids = customers.tolist()
    stored: dict[int, Groups] = defaultdict(dict)
    consents: dict[int, list[str]] = {}
    if groups:
        with connection.cursor() as cursor:
            cursor.execute(_LATEST, [ids, groups])
            for customer, group, since, values in cursor.fetchall():
                stored[customer][group] = (since, orjson.loads(values))
            cursor.execute(_LEVELS, [ids])
            consents.update(cursor.fetchall())
    if "account_state" in groups:
        _overlay(stored, ids)
    attributes = []
    for customer in ids:
        usable = held(stored.get(customer, {}), consents.get(customer, ()), moment).attributes
        attributes.append({name: usable[name] for name in names & usable.keys()})
    return Chunk(customers, attributes)


def _overlay(stored: dict[int, Groups], ids: list[int]) -> None:
    """Lay what recent signals say of the accounts over the stored values, as a decision's read does."""
    for customer, moment in session.recompute(ids).items():
        if "account_state" in moment:
            since, values = moment["account_state"]
            stored[customer]["account_state"] = session.laid_over(stored[customer].get("account_state"), since, values)
