"""Turns a customer and an offer into one row of numbers for the model; reads attribute names, never a database.

A column's place, kind and vocabulary are fixed when the model is trained and travel with it as JSON, so that the same
values give the same row in the decision, the nightly scoring, the impact simulation and the replay. Missing is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from offers.conditions.vectorise import Column as Values
from offers.conditions.vectorise import NumberColumn, SetColumn
from offers.register import ATTRIBUTES, CARD_KINDS, GROUPS, SESSION_GROUP
from offers.types import Creative, Offer

Kind = Literal["number", "flag", "category", "set_size"]
Source = Literal["customer", "offer", "arm", "pair"]
FloatArray = npt.NDArray[np.float64]

SOURCES: tuple[Source, ...] = ("customer", "offer", "arm", "pair")
PAIR_COLUMNS = {
    "viewed_this_offer": "Looked at this card in the session",
    "affinity_of_family": "Affinity to this family of cards",
}
_PAIR_GROUPS = {"viewed_this_offer": SESSION_GROUP, "affinity_of_family": "product_affinity"}


class ColumnOrder(ValueError):
    """The columns of an encoder do not stand in the order of SOURCES."""


@dataclass(frozen=True, slots=True)
class Column:
    """One input of the model. `vocabulary` (categories only) gives the code of each value: its position."""

    name: str
    source: Source
    kind: Kind
    label: str
    vocabulary: tuple[str, ...] = ()

    def number(self, value: Any) -> float:
        """The value as a float; NaN where it is missing or, for a category, was never seen in training."""
        if value is None:
            return np.nan
        if self.kind == "category":
            return float(self.vocabulary.index(value)) if value in self.vocabulary else np.nan
        return float(len(value)) if self.kind == "set_size" else float(value)


@dataclass(frozen=True, slots=True)
class OfferRow:
    """What the model may know of one thing to be scored: an offer, or an arm of it where `key` is the arm's key."""

    key: str
    offer: str
    family: str
    offer_facts: Mapping[str, Any]
    arm_facts: Mapping[str, Any] = field(default_factory=dict)


def offer_row(offer: Offer) -> OfferRow:
    """The row of an offer as a whole, for a model that does not tell its creatives apart."""
    facts = {**offer.facts, "value": offer.value, "benefit_rank": offer.benefit_rank, "family": offer.family}
    return OfferRow(offer.key, offer.key, offer.family, facts)


def arm_row(arm: str, offer: Offer, creative: Creative) -> OfferRow:
    """The row of one arm, for a model that was trained per arm."""
    whole = offer_row(offer)
    return OfferRow(arm, offer.key, offer.family, whole.offer_facts, {**creative.facts, "creative": creative.key})


@dataclass(frozen=True, slots=True)
class Static:
    """What one release adds to every decision: the fixed columns, computed once. `matrix` is (k, columns)."""

    keys: tuple[str, ...]
    offers: tuple[str, ...]
    affinities: tuple[str, ...]  # the attribute with the customer's affinity to each row's family
    matrix: FloatArray


class Encoder:
    """The ordered columns: the customer's first, then offer, arm and pair columns, so that each source is one slice."""

    def __init__(self, columns: Sequence[Column]) -> None:
        order = [SOURCES.index(column.source) for column in columns]
        if order != sorted(order):
            raise ColumnOrder("columns must stand in the order customer, offer, arm, pair")
        self.columns = tuple(columns)
        customer = [column for column in columns if column.source == "customer"]
        self.customer_width = len(customer)
        # Plain lists and dicts, because they are read for every decision: 30 columns take a few microseconds.
        self._plain = [(at, column.name) for at, column in enumerate(customer) if column.kind in ("number", "flag")]
        self._sizes = [(at, column.name) for at, column in enumerate(customer) if column.kind == "set_size"]
        self._codes = [
            (at, column.name, {value: float(code) for code, value in enumerate(column.vocabulary)})
            for at, column in enumerate(customer)
            if column.kind == "category"
        ]
        self._pairs = {column.name: at for at, column in enumerate(columns) if column.source == "pair"}

    def customer_row(self, attributes: Mapping[str, Any]) -> FloatArray:
        """The customer's columns, shape (customer_width,). A value of the wrong type raises TypeError or ValueError."""
        row = [np.nan] * self.customer_width
        get = attributes.get
        for at, name in self._plain:
            value = get(name)
            if value is not None:
                row[at] = float(value)
        for at, name in self._sizes:
            value = get(name)
            if value is not None:
                row[at] = float(len(value))
        for at, name, codes in self._codes:
            value = get(name)
            if value is not None:
                row[at] = codes.get(value, np.nan)
        return np.array(row, dtype=np.float64)

    def static_matrix(self, rows: Sequence[OfferRow]) -> Static:
        """The fixed columns of the offers or arms of a release; customer and pair columns stay NaN."""
        matrix = np.full((len(rows), len(self.columns)), np.nan)
        for at, column in enumerate(self.columns):
            if column.source in ("offer", "arm"):
                facts = [row.offer_facts if column.source == "offer" else row.arm_facts for row in rows]
                matrix[:, at] = [column.number(known.get(column.name)) for known in facts]
        return Static(
            tuple(row.key for row in rows),
            tuple(row.offer for row in rows),
            tuple(f"affinity_{row.family.replace('-', '_')}" for row in rows),  # families are keys, without underscores
            matrix,
        )

    def matrix(self, attributes: Mapping[str, Any], static: Static, index: npt.NDArray[np.intp]) -> FloatArray:
        """The model's input for one customer and the rows `index` of a release, shape (len(index), columns)."""
        matrix = static.matrix[index]
        matrix[:, : self.customer_width] = self.customer_row(attributes)
        self._set_pairs(matrix, attributes, static, index.tolist())
        return matrix

    def _set_pairs(
        self, matrix: FloatArray, attributes: Mapping[str, Any], static: Static, index: Iterable[int]
    ) -> None:
        """Write the columns that depend on customer and offer together, in place."""
        viewed = attributes.get("cards_viewed")
        at = self._pairs.get("viewed_this_offer")
        if at is not None and viewed is not None:
            matrix[:, at] = [float(static.offers[row] in viewed) for row in index]
        at = self._pairs.get("affinity_of_family")
        if at is not None:
            found = (attributes.get(static.affinities[row]) for row in index)
            matrix[:, at] = [np.nan if value is None else float(value) for value in found]

    def matrix_many(self, columns: Mapping[str, Values], static: Static, row: int, size: int) -> FloatArray:
        """`matrix` of one row of a release for many customers at once, shape (size, columns): the same numbers."""
        matrix = np.repeat(static.matrix[row : row + 1], size, axis=0)
        for at, column in enumerate(self.columns[: self.customer_width]):
            matrix[:, at] = _numbers(column, columns.get(column.name), size)
        at = self._pairs.get("viewed_this_offer", -1)
        viewed = columns.get("cards_viewed")
        if at >= 0 and isinstance(viewed, SetColumn):
            found = viewed.members.get(static.offers[row], np.zeros(size, dtype=bool))
            matrix[:, at] = np.where(viewed.missing, np.nan, found)
        at = self._pairs.get("affinity_of_family", -1)
        affinity = columns.get(static.affinities[row])
        if at >= 0 and isinstance(affinity, NumberColumn):
            matrix[:, at] = affinity.values
        return matrix

    def training_matrix(self, attributes: Sequence[Mapping[str, Any]], rows: Sequence[OfferRow]) -> FloatArray:
        """One line for each pair of a customer and an offer row, shape (len(rows), columns)."""
        # Keyed by identity, since facts may differ between releases under one key; thousands of pairs share a row.
        distinct = {id(row): row for row in rows}
        place = {identity: at for at, identity in enumerate(distinct)}
        static = self.static_matrix(list(distinct.values()))
        index = np.array([place[id(row)] for row in rows], dtype=np.intp)
        matrix = static.matrix[index]
        for at, known in enumerate(attributes):
            matrix[at, : self.customer_width] = self.customer_row(known)
            if self._pairs:
                self._set_pairs(matrix[at : at + 1], known, static, (int(index[at]),))
        return matrix

    @property
    def attributes(self) -> frozenset[str]:
        """The register's attributes that its columns may read."""
        pairs = {"cards_viewed", *(f"affinity_{kind}" for kind in CARD_KINDS)} if self._pairs else set()
        return frozenset(pairs | {column.name for column in self.columns if column.source == "customer"})

    @property
    def groups(self) -> tuple[str, ...]:
        """The feature groups that its columns read, in the register's order."""
        read = {ATTRIBUTES[column.name].group for column in self.columns if column.source == "customer"}
        read |= {_PAIR_GROUPS[column.name] for column in self.columns if column.source == "pair"}
        return tuple(group for group in GROUPS if group in read)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def categorical(self) -> list[int]:
        """The positions of the columns that LightGBM must read as categories."""
        return [at for at, column in enumerate(self.columns) if column.kind == "category"]

    def to_json(self) -> list[dict[str, Any]]:
        """The columns as plain JSON values; `from_json` gives an equal encoder back."""
        return [{**asdict(column), "vocabulary": list(column.vocabulary)} for column in self.columns]

    @classmethod
    def from_json(cls, content: Sequence[Mapping[str, Any]]) -> Encoder:
        return cls([Column(**{**column, "vocabulary": tuple(column["vocabulary"])}) for column in content])


def _numbers(column: Column, values: Values | None, size: int) -> FloatArray:
    """The column's input of many customers (size,), as `Column.number` gives it for one."""
    if values is None:
        return np.full(size, np.nan)
    if isinstance(values, NumberColumn):
        return values.values
    if isinstance(values, SetColumn):
        counts = sum((mask.astype(np.float64) for mask in values.members.values()), np.zeros(size))
        return np.where(values.missing, np.nan, counts)
    codes = [column.number(value) for value in values.vocabulary]
    found: FloatArray = np.array([*codes, np.nan])[values.codes]
    return found
