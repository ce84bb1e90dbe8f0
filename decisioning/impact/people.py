"""What decisions without a session would read of many customers at once: attributes, consents, contacts, stored scores;
nothing is decided."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from django.db import connection
from numpy.typing import NDArray

from decisioning import caps
from decisioning.features import population, scores
from decisioning.propensity import precision
from offers.conditions.vectorise import CategoryColumn, Column, Columns, NumberColumn, SetColumn

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_SUPPRESSED = """
SELECT string_agg(int8send(id), ''::bytea) FROM decisioning_customer WHERE id {among} AND suppressed
"""
_CONSENTING = """
SELECT string_agg(int8send(customer_id), ''::bytea) FROM decisioning_consent
WHERE customer_id {among} AND purpose = 'marketing' AND channel = %(channel)s AND granted
"""
_CONTACTS = """
SELECT customer_id, contacts::text FROM decisioning_capledger WHERE customer_id = ANY(%s) AND contacts ?| %s
"""
_KEPT = """
SELECT customer_id, array_agg(offer) FROM decisioning_suppression
WHERE customer_id = ANY(%s) AND ended_at IS NULL GROUP BY 1
"""
# By length too, so that what is too short to be scores is apart from what is whole.
_SCORES = """
SELECT layout_id, octet_length(content), string_agg(int8send(customer_id), ''::bytea),
  string_agg(content, ''::bytea)
FROM decisioning_precomputedscore WHERE customer_id {among} GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """Nightly propensities (m, k) of the customers at `places` (m,), by the model's name and the keys scored (k)."""

    model: str
    keys: tuple[str, ...]
    places: NDArray[np.intp]
    values: Floats


@dataclass(frozen=True, slots=True)
class People:
    """Customers (n,) by rising id. `consenting` (n,) to marketing, by channel; `contacts` of this week by place, of
    those who had any; `kept` are the offers, "" for every one, that overrides keep from her, by place, of those of whom
    there are any; `moment` is when all of it was true."""

    customers: NDArray[np.int64]
    columns: Columns
    suppressed: Mask
    consenting: Mapping[str, Mask]
    contacts: Mapping[int, caps.Contacts]
    kept: Mapping[int, frozenset[str]]
    stored: tuple[Stored, ...]
    moment: datetime

    def __len__(self) -> int:
        return len(self.customers)

    def some(self, places: NDArray[np.intp] | slice) -> Columns:
        """The columns of the customers at these places."""
        return {name: _taken(column, places) for name, column in self.columns.items()}

    def among(self, places: NDArray[np.intp]) -> People:
        """The customers at these places, which rise."""
        if len(places) == len(self):
            return self
        moved = np.full(len(self), -1, dtype=np.intp)
        moved[places] = np.arange(len(places))
        return People(
            self.customers[places],
            self.some(places),
            self.suppressed[places],
            {channel: mask[places] for channel, mask in self.consenting.items()},
            {int(moved[at]): contacts for at, contacts in self.contacts.items() if moved[at] >= 0},
            {int(moved[at]): offers for at, offers in self.kept.items() if moved[at] >= 0},
            tuple(_moved(stored, moved) for stored in self.stored),
            self.moment,
        )


def _taken(column: Column, places: NDArray[np.intp] | slice) -> Column:
    if isinstance(column, NumberColumn):
        return NumberColumn(column.values[places])
    if isinstance(column, CategoryColumn):
        return CategoryColumn(column.codes[places], column.vocabulary)
    return SetColumn({member: mask[places] for member, mask in column.members.items()}, column.missing[places])


def _moved(stored: Stored, moved: NDArray[np.intp]) -> Stored:
    kept = moved[stored.places] >= 0
    return Stored(stored.model, stored.keys, moved[stored.places[kept]], stored.values[kept])


def read(names: Collection[str], channels: Collection[str], now: datetime, *, share: float = 1.0) -> Iterator[People]:
    """The population, or a fixed share of it, in chunks."""
    for ids in population.id_chunks(share=share):
        yield of(ids, names, channels, now)


def of(ids: NDArray[np.int64], names: Collection[str], channels: Collection[str], now: datetime) -> People:
    """These customers, who stand by rising id and are not erased."""
    return People(
        ids,
        population.of(ids, names, now).columns,
        _among(ids, *population.read_joined(_SUPPRESSED, ids)),
        {channel: _among(ids, *population.read_joined(_CONSENTING, ids, channel=channel)) for channel in channels},
        _contacts(ids, now),
        _kept(ids),
        tuple(_stored(ids)),
        now,
    )


def _among(ids: NDArray[np.int64], found: bytes | None) -> Mask:
    chosen = np.zeros(len(ids), dtype=bool)
    chosen[population.places_of(ids, found)[0]] = True
    return chosen


def _contacts(ids: NDArray[np.int64], now: datetime) -> dict[int, caps.Contacts]:
    return {at: orjson.loads(contacts) for at, contacts in _rows(_CONTACTS, ids, caps.last_days(now))}


def _kept(ids: NDArray[np.int64]) -> dict[int, frozenset[str]]:
    return {at: frozenset(offers) for at, offers in _rows(_KEPT, ids)}


def _rows(statement: str, ids: NDArray[np.int64], *parameters: Any) -> Iterator[tuple[int, Any]]:
    """What a statement tells of these customers, by place."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [ids.tolist(), *parameters])
        rows = cursor.fetchall()
    places = np.searchsorted(ids, np.array([customer for customer, _ in rows], dtype=np.int64)).tolist()
    yield from ((at, found) for at, (_, found) in zip(places, rows, strict=True))


def _stored(ids: NDArray[np.int64]) -> Iterator[Stored]:
    """By layout; scores that nobody knows what they are of, or that are no scores, are none."""
    for number, length, customers, contents in population.read_all_joined(_SCORES, ids):
        layout = _layout(number)
        if layout is None or length != scores.HEAD_BYTES + precision.BYTES * len(layout.keys):
            continue
        rows = np.frombuffer(contents, dtype=np.uint8).reshape(-1, length)[:, scores.HEAD_BYTES :]
        places, among = population.places_of(ids, customers)
        yield Stored(layout.model, layout.keys, places, precision.unpack_many(rows[among]))


def _layout(number: int) -> scores.Layout | None:
    try:
        return scores.layout(number)
    except scores.UnknownLayout:
        return None
