"""The attributes of the whole population as a decision made now would read them, in chunks; no session and no rule."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray
from psycopg import sql

from decisioning.features import fold, materialise, stored, vector
from decisioning.features.layout import SCHEMA
from decisioning.features.levels import NEEDED
from decisioning.features.vector import stamp
from decisioning.known import DEFAULTS, Serving, serving
from decisioning.models import Customer
from offers.conditions.vectorise import CategoryColumn, Column, NumberColumn, SetColumn
from offers.register import ATTRIBUTES, GROUPS, LEVELS, Attribute, Group, attributes

CHUNK = 20_000  # customers; with every attribute of the register some 15 MB

# Values of a chunk joined end to end in one row: a row for each customer would cost more than all that is done with it.
_VECTORS = """
SELECT count(*) FILTER (WHERE v.content IS NULL OR octet_length(v.content) < %(size)s
    OR substring(v.content FROM 9 FOR 4) <> %(schema)s),
  string_agg(substring(v.content FROM 1 FOR %(size)s), ''::bytea ORDER BY c.id),
  string_agg(substring(v.content FROM %(size)s + 1), ''::bytea ORDER BY c.id),
  string_agg(int4send(octet_length(v.content) - %(size)s), ''::bytea ORDER BY c.id),
  string_agg(int8send(c.id), ''::bytea ORDER BY c.id)
FROM decisioning_customer c LEFT JOIN decisioning_featurevector v ON v.customer_id = c.id
WHERE c.id {among} AND c.erased_at IS NULL
"""
_LEVELS = """
SELECT string_agg(int8send(customer_id), ''::bytea),
  string_agg(int8send(array_position(%(levels)s::text[], channel::text) - 1), ''::bytea)
FROM decisioning_consent
WHERE customer_id {among} AND purpose = 'personalisation' AND granted AND channel = ANY(%(levels)s)
"""
_DENSE = 1.3  # a chunk of ids that holds most of its range is read by the range, which costs half
Mask = NDArray[np.bool_]
_Changed = Mapping[int, Mapping[str, Any]]  # of one group: the values that signals change, by place of the customer


@dataclass(frozen=True, slots=True)
class Chunk:
    """Customers (n,) by rising id, and a column (n,) of each attribute asked for."""

    customers: NDArray[np.int64]
    columns: Mapping[str, Column]

    @property
    def attributes(self) -> list[dict[str, Any]]:
        """The same as a decision has it: one mapping a customer, from which a missing value is absent."""
        rows: list[dict[str, Any]] = [{} for _ in self.customers]
        for name, column in self.columns.items():
            for at, value in _values(ATTRIBUTES[name], column, range(len(rows))):
                rows[at][name] = value
        return rows


def size() -> int:
    """Customers that are not erased, contactable or not: consent and suppression are stages of their own."""
    return Customer.objects.filter(erased_at__isnull=True).count()


def chunks(names: Collection[str], now: datetime, *, share: float = 1.0) -> Iterator[Chunk]:
    """The population, or a fixed share of it, reduced to the attributes `names`, under the rules of a decision: what
    consent withholds and what is past its age is left out. Nobody has a session.
    """
    for ids in id_chunks(share=share):
        yield of(ids, names, now)


def id_chunks(*, share: float = 1.0) -> Iterator[NDArray[np.int64]]:
    """The customers of `chunks`, by rising id; never an empty chunk."""
    last = 0
    while len(ids := _ids(last)):
        last = int(ids[-1])
        chosen = ids[in_sample(ids, share)]
        if len(chosen):
            yield chosen


def of(ids: NDArray[np.int64], names: Collection[str], now: datetime) -> Chunk:
    """These customers, who stand by rising id and are not erased."""
    return Chunk(ids, _columns(ids, frozenset(names), now))


def in_sample(customers: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Which customers (n,) belong to the sample: always the same ones, and the smaller share within the larger."""
    # Fibonacci hashing: neighbouring ids, which a loader may have given to alike customers, scatter evenly.
    hashed = (customers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    chosen: NDArray[np.bool_] = hashed < share * 2**32
    return chosen


def _ids(after: int) -> NDArray[np.int64]:
    rows = Customer.objects.filter(erased_at__isnull=True, pk__gt=after).order_by("pk").values_list("pk", flat=True)
    return np.fromiter(rows[:CHUNK], dtype=np.int64)


def _columns(ids: NDArray[np.int64], names: frozenset[str], now: datetime) -> dict[str, Column]:
    """What may be used of the attributes, for each of these customers."""
    groups = {name: [one for one in ATTRIBUTES.values() if one.group == name and one.name in names] for name in GROUPS}
    levels = _levels(ids)
    # What signals change depends on the other values of their group.
    momentary = [name for name in fold.CHANGES if groups[name]]
    made = _vectors(ids, names | {one.name for name in momentary for one in attributes(group=name)}, now)
    signalled = _signalled(ids, now) if momentary else {}
    columns: dict[str, Column] = {}
    for name, declared in groups.items():
        if declared:
            changed = _changed(name, made, signalled, now) if name in fold.CHANGES else {}
            since = _since(name, made, changed, now)
            usable, default = _served(GROUPS[name], since, levels, now.timestamp())
            for one in declared:
                column = _with_signals(one, made.columns.get(one.name) or _nothing(one, len(ids)), changed)
                may = levels >= NEEDED[one.name]
                columns[one.name] = _reduced(one, column, usable & may, default & may)
    return columns


def _vectors(ids: NDArray[np.int64], names: frozenset[str], now: datetime) -> vector.Many:
    """The attributes `names` as the vectors have them; a vector that is missing is computed first."""
    unusable, *parts = _read_vectors(ids)
    if unusable:
        materialise.missing(ids.tolist(), now)
        unusable, *parts = _read_vectors(ids)
    fixed, tails, lengths = (part or b"" for part in parts)
    return vector.decode_parts(fixed, _cut(tails, np.frombuffer(lengths, dtype=">i4")), names)


def _read_vectors(ids: NDArray[np.int64]) -> tuple[Any, ...]:
    size, schema = vector.fixed_size(), SCHEMA.fingerprint.to_bytes(4, "big")
    *found, customers = read_joined(_VECTORS, ids, size=size, schema=schema)
    if np.frombuffer(customers or b"", dtype=">i8").tolist() != ids.tolist():
        # Somebody within the range came or was erased since the ids were read.
        *found, _ = read_joined(_VECTORS, ids, by_range=False, size=size, schema=schema)
    return tuple(found)


def _cut(joined: bytes, lengths: NDArray[np.int32]) -> list[bytes]:
    ends = np.cumsum(lengths).tolist()
    return [joined[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _levels(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The level of personalisation (n,) that each customer granted; `basic`, which needs no consent, is 0."""
    customers, granted = read_joined(_LEVELS, ids, levels=list(LEVELS))
    levels = np.zeros(len(ids), dtype=np.int64)
    places, among = places_of(ids, customers)
    np.maximum.at(levels, places, np.frombuffer(granted or b"", dtype=">i8").astype(np.int64)[among])
    return levels


def places_of(ids: NDArray[np.int64], joined: bytes | None) -> tuple[NDArray[np.intp], Mask]:
    """Where joined customers stand in `ids` (n,), of those (m,) who do: a range may hold others."""
    customers = np.frombuffer(joined or b"", dtype=">i8").astype(np.int64)
    places = np.minimum(np.searchsorted(ids, customers), max(0, len(ids) - 1))
    among = ids[places] == customers if len(ids) else np.zeros(0, dtype=bool)
    return places[among], among


def read_joined(
    statement: str, ids: NDArray[np.int64], *, by_range: bool = True, **parameters: object
) -> tuple[Any, ...]:
    """The one row of a statement that joins many values to one, of these customers; `{among}` is who they are."""
    (row,) = read_all_joined(statement, ids, by_range=by_range, **parameters)
    return row


def read_all_joined(
    statement: str, ids: NDArray[np.int64], *, by_range: bool = True, **parameters: object
) -> list[tuple[Any, ...]]:
    """The rows of such a statement, in binary: bytes as text are twice as long. By range it may be told of others."""
    dense = by_range and len(ids) > 0 and int(ids[-1] - ids[0]) < _DENSE * len(ids)
    among = "BETWEEN %(first)s AND %(last)s" if dense else "= ANY(%(ids)s)"
    chosen = {"first": int(ids[0]), "last": int(ids[-1])} if dense else {"ids": ids.tolist()}
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as cursor:  # Django's own cursors bind in the client, as text
        composed = sql.SQL(statement).format(among=sql.SQL(among))
        return cursor.execute(composed, {**parameters, **chosen}, binary=True).fetchall()


def _signalled(ids: NDArray[np.int64], now: datetime) -> dict[int, list[fold.Row]]:
    """What happened of late, by place of the customer, of those whose signals say something."""
    told = stored.signalled(ids.tolist(), now)
    places = np.searchsorted(ids, list(told)).tolist()
    happened = {at: fold.until(rows, stamp(now)) for at, rows in zip(places, told.values(), strict=True)}
    return {at: rows for at, rows in happened.items() if rows}


def _changed(group: str, made: vector.Many, signalled: Mapping[int, list[fold.Row]], now: datetime) -> _Changed:
    """What the next decision of each of these customers would find changed in this group."""
    told: dict[int, dict[str, Any]] = {at: {} for at in signalled}
    for declared in attributes(group=group):
        for at, value in _values(declared, made.columns[declared.name], told.keys()):
            told[at][declared.name] = value
    change, moments, moment = fold.CHANGES[group], made.as_of.tolist(), stamp(now)
    return {at: change(happened, told[at], moments[at], moment) for at, happened in signalled.items()}


def _since(group: str, made: vector.Many, changed: _Changed, now: datetime) -> NDArray[np.float64]:
    """Since when the group is true (n,), in epoch seconds; NaN where it is not known."""
    since = made.since.get(group, np.full(len(made.as_of), np.nan)).copy()
    places = np.fromiter((at for at, values in changed.items() if values), dtype=np.intp)
    if group in fold.COMPUTED:
        since[np.abs(since - made.as_of / fold.SECOND) < 1] = now.timestamp()
        since[places] = now.timestamp()
    else:
        since[places] = np.where(np.isnan(since[places]), now.timestamp(), since[places])
    return since


def _served(
    group: Group, since: NDArray[np.float64], levels: NDArray[np.int64], moment: float
) -> tuple[Mask, Mask]:  # fmt: skip
    """Whose values (n,) of the group may be used, and who gets its defaults: `known.serving`, for many at once."""
    readable = levels >= LEVELS.index(group.level)
    unknown = np.isnan(since)
    fresh = np.maximum(0.0, moment - since) <= group.freshness_seconds
    answers: list[tuple[Mask, Serving]] = [
        (unknown, serving(group, None)), (fresh, serving(group, 0.0)), (~unknown & ~fresh, serving(group, np.inf)),
    ]  # fmt: skip
    nobody = np.zeros(len(since), dtype=bool)
    usable, default = (
        np.logical_or.reduce([nobody, *(who for who, answer in answers if answer == wanted)])
        for wanted in ("values", "default")
    )
    return readable & usable, readable & default


def _reduced(declared: Attribute, column: Column, usable: Mask, default: Mask) -> Column:
    """The column with nothing but what may be used, and with the default where that is served."""
    value = DEFAULTS[declared.group].get(declared.name)
    if isinstance(column, NumberColumn):
        other = np.where(default, np.nan if value is None else float(value), np.nan)
        return NumberColumn(np.where(usable, column.values, other))
    if isinstance(column, CategoryColumn):
        assert value is None  # a category has no default (a test)
        return CategoryColumn(np.where(usable, column.codes, -1), column.vocabulary)
    assert not value  # nor has a set one with members
    missing = np.where(usable, column.missing, (value is None) | ~default)
    return SetColumn({member: mask & usable for member, mask in column.members.items()}, missing)


def _nothing(declared: Attribute, size: int) -> Column:
    """The column of an attribute that no vector holds."""
    if declared.type == "set":
        return SetColumn({}, np.ones(size, dtype=bool))
    if declared.type == "category":
        return CategoryColumn(np.full(size, -1, dtype=np.int32), ())
    return NumberColumn(np.full(size, np.nan))


def _with_signals(declared: Attribute, column: Column, changed: _Changed) -> Column:
    """The column with the values that signals have changed."""
    told = {at: values[declared.name] for at, values in changed.items() if declared.name in values}
    if not told:
        return column
    places = np.fromiter(told, dtype=np.intp, count=len(told))
    if isinstance(column, NumberColumn):
        values = column.values.copy()
        values[places] = [float(value) for value in told.values()]
        return NumberColumn(values)
    assert isinstance(column, SetColumn)  # no signal tells a category of a customer
    missing = column.missing.copy()
    missing[places] = False
    members = {member: mask.copy() for member, mask in column.members.items()}
    for member in frozenset[str]().union(*told.values(), members):
        mask = members.setdefault(member, np.zeros(len(missing), dtype=bool))
        mask[places] = [member in value for value in told.values()]
    return SetColumn(members, missing)


def _values(declared: Attribute, column: Column, places: Collection[int]) -> Iterator[tuple[int, Any]]:
    """Place and value of those among `places` of whom the attribute is known, as a decision has it."""
    among = np.fromiter(places, dtype=np.intp, count=len(places))
    if isinstance(column, NumberColumn):
        found = column.values[among]
        known = ~np.isnan(found)
        kind = {"integer": int, "boolean": bool}.get(declared.type, float)
        yield from zip(among[known].tolist(), map(kind, found[known].tolist()), strict=True)
    elif isinstance(column, CategoryColumn):
        known = column.codes[among] >= 0
        names = [column.vocabulary[code] for code in column.codes[among][known].tolist()]
        yield from zip(among[known].tolist(), names, strict=True)
    else:
        sets: dict[int, list[str]] = {at: [] for at in among[~column.missing[among]].tolist()}
        for member in sorted(column.members):
            for at in among[column.members[member][among] & ~column.missing[among]].tolist():
                sets[at].append(member)
        yield from sets.items()
