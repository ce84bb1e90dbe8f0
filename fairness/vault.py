"""Protected attributes at rest: the only reader and writer of the vault, always over its own login; no analysis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import psycopg
from django.db import connections, transaction
from numpy.typing import NDArray

ALIAS: Final = "vault"
_LONGEST: Final = 60

_INCOMING = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming (place bigint, customer_id bigint, attribute text, value text)
ON COMMIT DROP
"""
# The later of two entries for one attribute is the one that stays.
_STORE = """
INSERT INTO vault.protected_attribute (customer_id, attribute, value, source, known_at)
SELECT DISTINCT ON (customer_id, attribute) customer_id, attribute, value, %s, %s FROM incoming
ORDER BY customer_id, attribute, place DESC
ON CONFLICT (customer_id, attribute)
DO UPDATE SET value = excluded.value, source = excluded.source, known_at = excluded.known_at
"""
_GROUPED = """
SELECT attribute, value, string_agg(int8send(customer_id), ''::bytea) FROM vault.protected_attribute
WHERE customer_id = ANY(%s::bigint[]) GROUP BY attribute, value ORDER BY attribute, value
"""
_READ = """
SELECT customer_id, attribute, value FROM vault.protected_attribute WHERE customer_id = ANY(%s) ORDER BY attribute
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One protected attribute of one customer; `customer` is the surrogate key."""

    customer: int
    attribute: str
    value: str


def write(entries: Iterable[Entry], *, source: str, now: datetime) -> int:
    """Store entries by COPY, over older values of the same customer and attribute; returns how many there were.

    Raises ValueError on an empty or overlong value, and stores nothing then.
    """
    count = 0
    with transaction.atomic(using=ALIAS), connections[ALIAS].cursor() as cursor:
        cursor.execute(_INCOMING)
        with cursor.copy("COPY incoming FROM STDIN") as copy:
            for count, entry in enumerate(entries, start=1):
                if not 0 < len(entry.value) <= _LONGEST:
                    raise ValueError(f"{entry.attribute} has a value of {len(entry.value)} characters")
                copy.write_row((count, entry.customer, entry.attribute, entry.value))
        cursor.execute(_STORE, [source, now])
        cursor.execute("TRUNCATE incoming")
    return count


def read(customers: Sequence[int]) -> Iterator[Entry]:
    """What is stored of these customers, ordered by attribute; ask in chunks."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_READ, [list(customers)])
        for row in cursor.fetchall():
            yield Entry(*row)


def grouped(customers: Sequence[int]) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
    """The same as attribute, value and the customers (m,) who have it, by attribute and value: what is told of a whole
    population has few values."""
    connection = connections[ALIAS]
    connection.ensure_connection()
    asked = f"{{{','.join(map(str, customers))}}}"  # psycopg takes as long over a list as Postgres over its answer
    with psycopg.Cursor(connection.connection) as cursor:  # in binary; Django's own cursors read text
        for name, value, joined in cursor.execute(_GROUPED, [asked], binary=True):
            yield name, value, np.frombuffer(joined, dtype=">i8").astype(np.int64)


def erase(customers: Sequence[int]) -> int:
    """Delete everything of these customers; returns how many entries there were."""
    with transaction.atomic(using=ALIAS), connections[ALIAS].cursor() as cursor:
        cursor.execute("DELETE FROM vault.estimate WHERE customer_id = ANY(%s)", [list(customers)])
        cursor.execute("DELETE FROM vault.protected_attribute WHERE customer_id = ANY(%s)", [list(customers)])
        return int(cursor.rowcount)


@dataclass(frozen=True, slots=True)
class Method:
    """How groups were estimated: by what, in which version, from tables of which census."""

    name: str
    version: str
    vintage: str


def write_estimates(
    attribute: str, groups: Sequence[str], customers: Sequence[int], probabilities: NDArray[np.float64], *,
    method: Method, now: datetime,
) -> int:  # fmt: skip
    """Store the probabilities (N, groups) of these customers over older ones, each as it is and never as a group; a row
    with a NaN is not stored. Returns how many customers are estimated."""
    known = ~np.isnan(probabilities).any(axis=1)
    with transaction.atomic(using=ALIAS), connections[ALIAS].cursor() as cursor:
        cursor.execute(
            "DELETE FROM vault.estimate WHERE attribute = %s AND customer_id = ANY(%s)", [attribute, list(customers)]
        )
        with cursor.copy("COPY vault.estimate FROM STDIN") as copy:
            for place in np.flatnonzero(known).tolist():
                for group, probability in zip(groups, probabilities[place].tolist(), strict=True):
                    copy.write_row((customers[place], attribute, group, probability, method.name, method.version,
                                    method.vintage, now))  # fmt: skip
    return int(known.sum())


def methods(attribute: str) -> list[Method]:
    """By which of them this attribute is estimated of anybody."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT method, version, vintage FROM vault.estimate WHERE attribute = %s ORDER BY 1, 2, 3",
            [attribute],
        )
        return [Method(*row) for row in cursor.fetchall()]


def estimates(attribute: str, customers: Sequence[int]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The groups and the probabilities (N, groups) of these customers, NaN for whoever has none."""
    places = {customer: place for place, customer in enumerate(customers)}
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(
            'SELECT customer_id, "group", probability FROM vault.estimate'
            " WHERE attribute = %s AND customer_id = ANY(%s)",
            [attribute, list(customers)],
        )
        rows = cursor.fetchall()
    groups = tuple(sorted({group for _, group, _ in rows}))
    found = np.full((len(customers), len(groups)), np.nan)
    for customer, group, probability in rows:
        found[places[customer], groups.index(group)] = probability
    return groups, found
