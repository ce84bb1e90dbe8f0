"""The attributes of the whole population as a decision made now would read them, in chunks; no session and no rule."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from decisioning.features import fold, materialise, stored, vector
from decisioning.features.ledger import level
from decisioning.features.vector import stamp
from decisioning.known import DEFAULTS, Serving, serving
from decisioning.models import Customer
from offers.conditions.vectorise import CategoryColumn, Column, NumberColumn, SetColumn
from offers.register import ATTRIBUTES, GROUPS, LEVELS, Attribute, Group

CHUNK = 20_000  # customers; with every attribute of the register some 15 MB

_VECTORS = """
SELECT v.content, ARRAY(SELECT 'personalisation:' || s.channel FROM decisioning_consent s
  WHERE s.customer_id = v.customer_id AND s.purpose = 'personalisation' AND s.granted ORDER BY s.channel)
FROM decisioning_featurevector v WHERE v.customer_id = ANY(%s) ORDER BY v.customer_id
"""
_MOMENTARY = ("account_state", "recent_activity")  # what signals change of the groups of a customer

Mask = NDArray[np.bool_]
_Signalled = dict[int, fold.Groups]  # by place: the changed groups of the few who sent signals lately


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
            for at, value in _values(ATTRIBUTES[name], column):
                rows[at][name] = value
        return rows


def size() -> int:
    """Customers that are not erased, contactable or not: consent and suppression are stages of their own."""
    return Customer.objects.filter(erased_at__isnull=True).count()


def chunks(names: Collection[str], now: datetime, *, share: float = 1.0) -> Iterator[Chunk]:
    """The population, or a fixed share of it, reduced to the attributes `names`, under the rules of a decision: what
    consent withholds and what is past its age is left out. Nobody has a session.
    """
    last = 0
    while len(ids := _ids(last)):
        last = int(ids[-1])
        chosen = ids[in_sample(ids, share)]
        if len(chosen):
            yield Chunk(chosen, _columns(chosen.tolist(), frozenset(names), now))


def in_sample(customers: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Which customers (n,) belong to the sample: always the same ones, and the smaller share within the larger."""
    # Fibonacci hashing: neighbouring ids, which a loader may have given to alike customers, scatter evenly.
    hashed = (customers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    chosen: NDArray[np.bool_] = hashed < share * 2**32
    return chosen


def _ids(after: int) -> NDArray[np.int64]:
    rows = Customer.objects.filter(erased_at__isnull=True, pk__gt=after).order_by("pk").values_list("pk", flat=True)
    return np.fromiter(rows[:CHUNK], dtype=np.int64)


def _columns(ids: list[int], names: frozenset[str], now: datetime) -> dict[str, Column]:
    """What may be used of the attributes, for each of these customers."""
    contents, levels = _vectors(ids, now)
    made = vector.decode_many(contents, names)
    signalled = _signalled(ids, contents, now) if {ATTRIBUTES[name].group for name in names} & {*_MOMENTARY} else {}
    columns: dict[str, Column] = {}
    for group in GROUPS.values():
        own = [declared for declared in ATTRIBUTES.values() if declared.name in names and declared.group == group.name]
        if own:
            since = made.since.get(group.name, np.full(len(ids), np.nan))
            usable, default = _served(group, _overlaid(since, group.name, signalled), levels, now.timestamp())
            for declared in own:
                column = made.columns.get(declared.name) or _nothing(declared, len(ids))
                column = _with_signals(declared, column, signalled)
                columns[declared.name] = _reduced(declared, column, usable, default)
    return columns


def _vectors(ids: list[int], now: datetime) -> tuple[list[bytes], NDArray[np.int64]]:
    """Vector and level of personalisation (n,) of each customer; a vector that is missing is computed first."""
    materialise.missing(ids, now)
    with connection.cursor() as cursor:
        cursor.execute(_VECTORS, [ids])
        rows = cursor.fetchall()
    granted = {tuple(consents): level(consents) for _, consents in rows}
    levels = np.fromiter((granted[tuple(consents)] for _, consents in rows), dtype=np.int64, count=len(rows))
    return [bytes(content) for content, _ in rows], levels


def _signalled(ids: Sequence[int], contents: Sequence[bytes], now: datetime) -> _Signalled:
    """The momentary groups of those whose signals say something, as their next decision would fold them."""
    place = {customer: at for at, customer in enumerate(ids)}
    changed = {}
    for moment in stored.moments(ids, now):
        rows = stored.rows(moment.content)
        if rows:
            at = place[moment.customer]
            groups = fold.over(vector.decode(contents[at]), rows, stamp(now))
            changed[at] = {name: groups[name] for name in _MOMENTARY if name in groups}
    return changed


def _overlaid(since: NDArray[np.float64], group: str, signalled: _Signalled) -> NDArray[np.float64]:
    since = since.copy()
    for at, groups in signalled.items():
        if group in groups:
            since[at] = groups[group][0]
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


def _with_signals(declared: Attribute, column: Column, signalled: _Signalled) -> Column:
    """The column with the values that signals have changed of a few customers."""
    told = {at: groups[declared.group][1].get(declared.name) for at, groups in signalled.items()
            if declared.group in groups}  # fmt: skip
    if not told or isinstance(column, CategoryColumn):  # no signal tells a category of a customer
        return column
    places = np.fromiter(told, dtype=np.intp, count=len(told))
    if isinstance(column, NumberColumn):
        values = column.values.copy()
        values[places] = [np.nan if value is None else float(value) for value in told.values()]
        return NumberColumn(values)
    missing = column.missing.copy()
    missing[places] = [value is None for value in told.values()]
    members = {member: mask.copy() for member, mask in column.members.items()}
    for member in frozenset[str]().union(*(value or () for value in told.values()), members):
        mask = members.setdefault(member, np.zeros(len(missing), dtype=bool))
        mask[places] = [member in (value or ()) for value in told.values()]
    return SetColumn(members, missing)


def _values(declared: Attribute, column: Column) -> Iterator[tuple[int, Any]]:
    """Place and value of everybody of whom the attribute is known."""
    if isinstance(column, NumberColumn):
        kind = {"integer": int, "boolean": bool}.get(declared.type, float)
        for at in np.flatnonzero(~np.isnan(column.values)).tolist():
            yield at, kind(column.values[at])
    elif isinstance(column, CategoryColumn):
        for at in np.flatnonzero(column.codes >= 0).tolist():
            yield at, column.vocabulary[column.codes[at]]
    else:
        sets: dict[int, list[str]] = {at: [] for at in np.flatnonzero(~column.missing).tolist()}
        for member in sorted(column.members):
            for at in np.flatnonzero(column.members[member]).tolist():
                sets[at].append(member)
        yield from sets.items()
