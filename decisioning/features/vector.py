"""One customer's precomputed feature groups as some two hundred bytes and back, for one or for many; no database.

    8 bytes     the moment that the values were computed for: microseconds since 1970, big-endian
    4 bytes     the schema's fingerprint: bytes of another declaration are refused and never misread
    8 a word    the words of `layout`, little-endian
    the rest    a text for each open category and set, in UTF-8, separated by U+001F; members of a set by "|"

A value comes back exactly as it is at its resolution: the number of its steps and their scale are whole numbers, and
the quotient of two whole numbers is the float that is nearest to the decimal.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from decisioning.features.layout import SCHEMA, SINCE, GroupPlan, Schema, Slot
from offers.conditions.vectorise import CategoryColumn, Column, NumberColumn, SetColumn

_HEAD = struct.Struct(">QI")
_SEPARATOR, _MEMBERS = "\x1f", "|"
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)

Groups = dict[str, tuple[float, dict[str, Any]]]


class Unreadable(ValueError):
    """The bytes are no vector."""


class OtherSchema(ValueError):
    """The bytes were written under another declaration of the feature groups."""


@dataclass(frozen=True, slots=True)
class Vector:
    """What is known of one customer, computed for the moment `as_of`: group to (since, values)."""

    as_of: datetime
    groups: Groups


@dataclass(frozen=True, slots=True)
class Many:
    """The same of n customers: `as_of` (n,) in microseconds since 1970; `since` (n,) of each group in epoch seconds,
    NaN where the group is not known; a column (n,) of each attribute asked for."""

    as_of: NDArray[np.int64]
    since: Mapping[str, NDArray[np.float64]]
    columns: Mapping[str, Column]


def stamp(moment: datetime) -> int:
    """A moment as the head holds it: microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def readable(content: bytes, schema: Schema = SCHEMA) -> bool:
    """Whether these bytes can be a vector of this schema."""
    return len(content) >= fixed_size(schema) and _HEAD.unpack_from(content)[1] == schema.fingerprint


def fixed_size(schema: Schema = SCHEMA) -> int:
    """Bytes before the texts."""
    return _HEAD.size + schema.words.size


# --- One ----------------------------------------------------------------------------------------------------------


def decode(content: bytes, readable: Collection[str] | None = None, schema: Schema = SCHEMA) -> Vector:
    """One vector. Of a group that is not `readable` (None: all are) its values are not read, only that it is there.

    Raises OtherSchema, or Unreadable where bytes are missing.
    """
    if len(content) < _HEAD.size:
        raise Unreadable(f"{len(content)} bytes are no vector")
    moment, fingerprint = _HEAD.unpack_from(content)
    if fingerprint != schema.fingerprint:
        raise OtherSchema(f"written under schema {fingerprint:08x}, this one is {schema.fingerprint:08x}")
    if len(content) < fixed_size(schema):
        raise Unreadable(f"{len(content)} bytes, a vector has at least {fixed_size(schema)}")
    words = schema.words.unpack_from(content, _HEAD.size)
    texts = content[fixed_size(schema) :].decode().split(_SEPARATOR)
    if len(texts) != max(1, len(schema.texts)):
        raise Unreadable(f"{len(texts)} texts, a vector has {len(schema.texts)}")
    groups: Groups = {}
    for plan in schema.plans:
        since = words[plan.since[0]] >> plan.since[1] & 0xFFFFFFFF
        if since:
            allowed = readable is None or plan.name in readable
            groups[plan.name] = float(since), _values(plan, words, texts) if allowed else {}
    return Vector(_EPOCH + moment * _MICROSECOND, groups)


def _values(plan: GroupPlan, words: tuple[int, ...], texts: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, word, shift, mask, low, scale in plan.numbers:
        code = words[word] >> shift & mask
        if code:
            values[name] = (code + low) / scale
    for name, word, shift, mask, low in plan.integers:
        code = words[word] >> shift & mask
        if code:
            values[name] = code + low
    for name, word, shift, mask, table in plan.tables:
        code = words[word] >> shift & mask
        if code:
            values[name] = table[code]
    for name, word, shift, place, is_set in plan.texts:
        if words[word] >> shift & 1:
            values[name] = _members(texts[place]) if is_set else texts[place]
    return values


def _members(text: str) -> list[str]:
    return text.split(_MEMBERS) if text else []


# --- Many ---------------------------------------------------------------------------------------------------------


def encode(table: pa.Table, as_of: datetime, schema: Schema = SCHEMA) -> list[bytes]:
    """One vector for each row of a table as `history.as_of` gives it. A column that the table lacks is known of nobody.

    A number is brought to its resolution and within its bounds; a category that is not declared is not known.
    """
    words = np.zeros((table.num_rows, schema.words.size // 8), dtype="<u8")
    for slot in schema.slots.values():
        if slot.name in table.column_names:
            codes = _codes(slot, table.column(slot.name).combine_chunks())
            words[:, slot.word] |= codes.astype("<u8") << np.uint64(slot.shift)
    size = fixed_size(schema)
    fixed = np.empty((table.num_rows, size), dtype=np.uint8)
    fixed[:, : _HEAD.size] = np.frombuffer(_HEAD.pack(stamp(as_of), schema.fingerprint), dtype=np.uint8)
    fixed[:, _HEAD.size :] = words.view(np.uint8)
    rows = fixed.tobytes()
    return [rows[at * size : (at + 1) * size] + text for at, text in enumerate(_texts(table, schema))]


def _codes(slot: Slot, column: pa.Array) -> NDArray[Any]:
    """The code of each value (n,); 0 where it is not known."""
    if slot.kind == "text":
        return np.asarray(column.is_valid())
    if slot.kind == "table":
        kind = pa.bool_() if slot.table[1] is False else pa.string()
        places = pc.index_in(column.cast(kind), value_set=pa.array(slot.table[1:], type=kind))
        return np.asarray(pc.fill_null(places, -1)) + 1
    values = np.asarray(column.cast(pa.float64()), dtype=np.float64)
    # A code that is out of its bounds would spill into the value beside it, or be taken for a missing one.
    codes = np.clip(np.rint(values * slot.scale) - slot.low, 1, slot.highest)
    return np.where(np.isnan(values), 0, codes)


def _texts(table: pa.Table, schema: Schema) -> list[bytes]:
    """The end of each row (n,)."""
    names = [attribute.name for attribute in schema.texts]
    if not names:
        return [b""] * table.num_rows
    columns = [
        pc.replace_substring(table.column(name).combine_chunks().cast(pa.string()), _SEPARATOR, " ")
        if name in table.column_names
        else pa.nulls(table.num_rows, pa.string())
        for name in names
    ]
    joined = pc.binary_join_element_wise(*columns, _SEPARATOR, null_handling="replace", null_replacement="")
    ends: list[bytes] = joined.cast(pa.binary()).to_pylist()
    return ends


def decode_many(contents: Sequence[bytes], names: Collection[str], schema: Schema = SCHEMA) -> Many:
    """The attributes `names` of n vectors. Raises OtherSchema or Unreadable where one of them is neither."""
    size = fixed_size(schema)
    for content in contents:
        if not readable(content, schema):
            decode(content, (), schema)  # raises what is wrong with it
    fixed, ends = b"".join([content[:size] for content in contents]), [content[size:] for content in contents]
    return decode_parts(fixed, ends, names, schema)


def decode_parts(fixed: bytes, ends: Sequence[bytes], names: Collection[str], schema: Schema = SCHEMA) -> Many:
    """The same of vectors that are `readable`, cut where their texts begin: the first parts joined, and the n ends."""
    rows = np.frombuffer(fixed, dtype=np.uint8).reshape(len(ends), fixed_size(schema))
    words = np.ascontiguousarray(rows[:, _HEAD.size :]).view("<u8")
    moments = np.ascontiguousarray(rows[:, :8]).view(">u8")[:, 0].astype(np.int64)
    since = {
        group.name: _numbers(schema.slots[SINCE + group.name], words).values for group in schema.groups
    }  # fmt: skip
    wanted = [attribute for attribute in schema.attributes if attribute.name in names]
    texts = _split(ends, schema) if any(attribute in schema.texts for attribute in wanted) else {}
    columns = {
        attribute.name: _column(
            schema.slots[attribute.name], words, texts.get(attribute.name, _NO_TEXTS), attribute.type
        )
        for attribute in wanted
    }
    return Many(moments, since, columns)


@dataclass(frozen=True, slots=True)
class _Texts:
    """One attribute's texts of n vectors: many customers share a text, so each distinct end is looked at once."""

    distinct: tuple[str, ...]
    which: NDArray[np.intp]  # (n,)


_NO_TEXTS = _Texts((), np.empty(0, dtype=np.intp))


def _split(ends: Sequence[bytes], schema: Schema) -> dict[str, _Texts]:
    """The texts of every vector by attribute."""
    place: dict[bytes, int] = {}
    which = np.fromiter((place.setdefault(end, len(place)) for end in ends), dtype=np.intp, count=len(ends))
    rows = [end.decode().split(_SEPARATOR) for end in place]
    columns = zip(*rows, strict=True) if rows else [()] * len(schema.texts)
    return {
        attribute.name: _Texts(tuple(column), which) for attribute, column in zip(schema.texts, columns, strict=True)
    }


def _column(slot: Slot, words: NDArray[np.uint64], texts: _Texts, kind: str) -> Column:
    if kind in ("number", "integer"):
        return _numbers(slot, words)
    codes = _read(slot, words)
    if kind == "boolean":
        return NumberColumn(np.where(codes == 0, np.nan, codes - 1.0))
    if slot.kind == "table":
        return CategoryColumn(codes.astype(np.int32) - 1, slot.table[1:])
    return _sets(texts, codes == 0) if kind == "set" else _categories(texts, codes == 0)


def _read(slot: Slot, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    found: NDArray[np.uint64] = words[:, slot.word] >> np.uint64(slot.shift) & np.uint64(slot.mask)
    return found


def _numbers(slot: Slot, words: NDArray[np.uint64]) -> NumberColumn:
    codes = _read(slot, words)
    return NumberColumn(np.where(codes == 0, np.nan, (codes.astype(np.float64) + slot.low) / slot.scale))


def _categories(texts: _Texts, missing: NDArray[np.bool_]) -> CategoryColumn:
    vocabulary = sorted(set(texts.distinct))
    place = {text: code for code, text in enumerate(vocabulary)}
    codes = np.array([place[text] for text in texts.distinct], dtype=np.int32)
    return CategoryColumn(np.where(missing, -1, codes[texts.which]), tuple(vocabulary))


def _sets(texts: _Texts, missing: NDArray[np.bool_]) -> SetColumn:
    """One mask a member."""
    held = [frozenset(_members(text)) for text in texts.distinct]
    members = sorted(frozenset[str]().union(*held))
    return SetColumn({member: np.array([member in some for some in held])[texts.which] for member in members}, missing)
