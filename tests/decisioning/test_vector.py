"""Vectors: what comes back is what went in, to the last bit; bytes of another declaration are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisioning.features import layout, vector
from decisioning.features.layout import SCHEMA, SINCE
from offers.conditions.vectorise import CategoryColumn, NumberColumn, SetColumn
from offers.register import ATTRIBUTES, GROUPS, RESOLUTION, SESSION_GROUP, Attribute, Group

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
TYPES = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}
_text = st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="|"), min_size=1, max_size=30)

Row = dict[str, Any]


def values(declared: Attribute) -> st.SearchStrategy[Any]:
    """Any value that the register allows, None for a missing one."""
    known: st.SearchStrategy[Any]
    if declared.type == "boolean":
        known = st.booleans()
    elif declared.type == "category":
        known = st.sampled_from(declared.choices) if declared.choices else _text
    elif declared.type == "set":
        known = st.lists(_text, max_size=4, unique=True).map(sorted)
    else:
        assert declared.bounds
        scale = round(1 / RESOLUTION[declared.unit])
        low, high = (round(bound * scale) for bound in declared.bounds)
        known = st.integers(low, high).map(lambda steps: steps / scale if declared.type == "number" else steps)
    return st.none() | known


_said = st.sampled_from(SCHEMA.attributes).flatmap(lambda declared: st.tuples(st.just(declared.name), values(declared)))
_since = st.sampled_from([group.name for group in SCHEMA.groups]).flatmap(
    lambda name: st.tuples(st.just(SINCE + name), st.none() | st.integers(1, 2**32 - 1).map(float))
)
# A customer as history gives one: any of the attributes, and since when any of the groups is true.
rows = st.lists(_said | _since, max_size=20).map(lambda pairs: row(**dict(pairs)))


def table(found: list[Row]) -> pa.Table:
    def column(name: str) -> pa.Array:
        column = ["|".join(row[name]) if isinstance(row[name], list) else row[name] for row in found]
        kind = pa.float64() if name.startswith(SINCE) else TYPES.get(ATTRIBUTES[name].type, pa.string())
        return pa.array(column, kind)

    return pa.table({name: column(name) for name in found[0]})


def row(**values: Any) -> Row:
    """A customer of whom nothing else is known, but of whom every group is."""
    nothing = {declared.name: None for declared in SCHEMA.attributes}
    return nothing | {SINCE + group.name: 1e9 for group in SCHEMA.groups} | values


def one(**values: Any) -> bytes:
    (content,) = vector.encode(table([row(**values)]), NOW)
    return content


def attributes(found: vector.Vector) -> Row:
    return {name: value for _, values in found.groups.values() for name, value in values.items()}


@settings(deadline=None)
@given(found=st.lists(rows, min_size=1, max_size=4))
def test_every_value_comes_back_as_it_was_for_one_and_for_many(found: list[Row]) -> None:
    contents = vector.encode(table(found), NOW)
    for expected, content in zip(found, contents, strict=True):
        decoded = vector.decode(content)
        assert decoded.as_of == NOW
        for group in SCHEMA.groups:
            since = expected[SINCE + group.name]
            known = {
                declared.name: expected[declared.name]
                for declared in SCHEMA.attributes
                if declared.group == group.name and expected[declared.name] is not None
            }
            assert decoded.groups.get(group.name) == (None if since is None else (since, known))
    many = vector.decode_many(contents, [declared.name for declared in SCHEMA.attributes])
    assert many.as_of.tolist() == [vector.stamp(NOW)] * len(found)
    for declared in SCHEMA.attributes:
        assert column(many.columns[declared.name]) == [_plain(expected[declared.name]) for expected in found]
    for group in SCHEMA.groups:
        expected_since = [expected[SINCE + group.name] or np.nan for expected in found]
        np.testing.assert_array_equal(many.since[group.name], expected_since)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, bool | int) else value


def column(held: Any) -> list[Any]:
    """A column as values; numbers and booleans as floats."""
    if isinstance(held, NumberColumn):
        return [None if np.isnan(value) else value for value in held.values.tolist()]
    if isinstance(held, CategoryColumn):
        return [None if code < 0 else held.vocabulary[code] for code in held.codes.tolist()]
    assert isinstance(held, SetColumn)
    return [
        None if gone else sorted(member for member, mask in held.members.items() if mask[at])
        for at, gone in enumerate(held.missing.tolist())
    ]


@pytest.mark.parametrize("name", [declared.name for declared in SCHEMA.attributes if declared.bounds])
def test_what_lies_out_of_its_bounds_is_brought_to_them_and_touches_nothing_else(name: str) -> None:
    declared = ATTRIBUTES[name]
    assert declared.bounds
    integer = declared.type == "integer"
    for beyond, bound in ((declared.bounds[0] - 1e6, 0), (declared.bounds[1] + 1e6, 1)):
        found = attributes(vector.decode(one(**{name: int(beyond) if integer else beyond})))
        assert found == {name: declared.bounds[bound]}


def test_a_number_is_brought_to_its_resolution_and_an_unknown_category_is_not_known() -> None:
    found = attributes(vector.decode(one(balance=10.004999, debt_to_income=0.12345678, state="Atlantis")))
    assert found == {"balance": 10.0, "debt_to_income": 0.1235}


def test_a_separator_within_a_text_moves_no_other_text() -> None:
    found = attributes(vector.decode(one(country="A\x1fB", cards_held="x|y", experiments="")))
    assert found == {"country": "A B", "cards_held": ["x", "y"], "experiments": []}


def _changed(attribute: str, **changes: Any) -> layout.Schema:
    changed = {**ATTRIBUTES, attribute: replace(ATTRIBUTES[attribute], **changes)}
    return layout.declared(GROUPS.values(), changed.values())


def _with_group(name: str, **changes: Any) -> layout.Schema:
    changed: Mapping[str, Group] = {**GROUPS, name: replace(GROUPS[name], **changes)}
    return layout.declared(changed.values(), ATTRIBUTES.values())


@pytest.mark.parametrize(
    "other",
    [
        _with_group("lifecycle", version=2),
        _changed("balance", bounds=(0, 1e9)),
        _changed("balance", unit="ratio"),
        _changed("state", choices=tuple(reversed(ATTRIBUTES["state"].choices))),
        _changed("tenure_months", type="number"),
        layout.declared(GROUPS.values(), [a for a in ATTRIBUTES.values() if a.name != "balance"]),
    ],
    ids=["a group's version", "bounds", "resolution", "choices", "type", "one less"],
)
def test_bytes_of_another_declaration_are_refused(other: layout.Schema) -> None:
    content = one(balance=5.0)
    assert vector.readable(content)
    assert not vector.readable(content, other)
    with pytest.raises(vector.OtherSchema):
        vector.decode(content, None, other)
    with pytest.raises(vector.OtherSchema):
        vector.decode_many([content], ["balance"], other)


def test_a_meaning_or_a_freshness_limit_changes_no_byte() -> None:
    assert _changed("balance", meaning="money").fingerprint == SCHEMA.fingerprint
    assert _with_group("lifecycle", freshness_seconds=1).fingerprint == SCHEMA.fingerprint


def test_what_is_cut_off_is_refused() -> None:
    content = one(balance=5.0, country="US")
    whole = len(content)
    fixed = whole - len(b"US") - len(SCHEMA.texts) + 1
    for length in range(fixed):
        with pytest.raises((vector.Unreadable, vector.OtherSchema)):
            vector.decode(content[:length])
        with pytest.raises((vector.Unreadable, vector.OtherSchema)):
            vector.decode_many([content, content[:length]], ["balance"])
    with pytest.raises(vector.Unreadable):
        vector.decode(content[:fixed])


def test_of_a_group_that_may_not_be_read_it_is_known_only_that_it_is_there() -> None:
    content = one(text_sentiment=0.5, balance=5.0)
    groups = vector.decode(content, ("account_state",)).groups
    assert groups["text_interest"] == (1e9, {})
    assert groups["account_state"] == (1e9, {"balance": 5.0})


def test_no_value_shares_a_bit_with_another_and_few_are_wasted() -> None:
    taken: dict[int, int] = {}
    for slot in SCHEMA.slots.values():
        bits = slot.mask << slot.shift
        assert bits < 2**64
        assert not taken.get(slot.word, 0) & bits
        taken[slot.word] = taken.get(slot.word, 0) | bits
    assert sum(64 - bits.bit_count() for bits in taken.values()) < 64


def test_a_schema_is_the_same_in_every_process() -> None:
    group = GROUPS["lifecycle"]
    schema = layout.declared([group], [ATTRIBUTES["lifecycle_stage"]])
    assert f"{schema.fingerprint:08x}" == "52c02fe9"


def test_the_register_declares_what_a_vector_needs() -> None:
    """Bounds of every number; no default of a category, nor of a set one with members, which no column could hold."""
    for declared in ATTRIBUTES.values():
        if declared.type in ("number", "integer"):
            assert declared.bounds, declared.name
        if declared.type in ("category", "set"):
            assert not declared.default, declared.name
    assert SESSION_GROUP not in {group.name for group in SCHEMA.groups}
