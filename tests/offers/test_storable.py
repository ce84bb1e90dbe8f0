"""What cannot be held is refused with its path, whichever way it comes: a file, a form or a caller of the domain."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers import canonical, files, snapshot, storable
from offers.catalog import InvalidContent, Item, faults_of
from tests import catalogue
from tests.factories import clause

SCORE = clause("credit_score", ">=", 700)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(st.characters(codec=None)), parts),
)


def nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = SCORE
    for _ in range(depth):
        tree = {"all": [tree]}
    return tree


@given(_JSON)
def test_what_has_no_fault_has_a_hash_and_comes_back_as_itself(value: Any) -> None:
    if not list(storable.faults(value, "")):
        assert json.loads(canonical.dumps(value)) == value
        assert b"\\u0000" not in canonical.dumps(value)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"title": "a\0b"}, "/title"),
        ({"title": "a\ud800b"}, "/title"),
        ({"title": 10**5000}, "/title"),
        ({"when": {**SCORE, "value": math.nan}}, "/when/value"),
        ({"when": {**SCORE, "value": -math.inf}}, "/when/value"),
        ({"when": {"all": [SCORE, {**SCORE, "value": 2**63}]}}, "/when/all/1/value"),
        ({"tests": [{"name": "x", "customer": {"a\0": 1}, "expect": "refused"}]}, "/tests/0/customer/a\\x00"),
        ({"tests": [{"name": "x", "customer": {"\ud800": 1}, "expect": "refused"}]}, "/tests/0/customer/\\ud800"),
        ({"when": nested(5_000)}, "/when" + "/all/0" * 20),
    ],
)
def test_what_cannot_be_held_is_named_with_its_path(changes: dict[str, Any], path: str) -> None:
    found = faults_of(Item("rule", "floor", {**catalogue.rule(SCORE), **changes}))
    assert [(fault.path, fault.code) for fault in found] == [(f"/rule/floor{path}", "not_storable")]
    found[0].message.encode()


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("next_review", "someday"), ("next_review", "2026-02-31"), ("starts_at", "2026-02-31T00:00:00Z"),
        ("ends_at", "2026-13-45T99:99:00Z"), ("ends_at", "9999-12-31T23:59:59-23:00"),
    ],
)  # fmt: skip
def test_a_date_that_no_calendar_has_is_refused(field: str, text: str) -> None:
    found = faults_of(Item("rule", "floor", {**catalogue.rule(SCORE), field: text}))
    assert [(fault.path, fault.code) for fault in found] == [(f"/rule/floor/{field}", "format")]
    assert text in found[0].message


def test_dates_of_the_calendar_are_taken() -> None:
    dates = {"next_review": "2028-02-29", "starts_at": "2028-02-29T23:59Z", "ends_at": "2028-03-01T02:00:00+01:00"}
    assert faults_of(Item("rule", "floor", {**catalogue.rule(SCORE), **dates})) == []


def test_a_moment_deep_in_a_mandate_is_checked_too() -> None:
    arm = {"title": "a", "offer": "a", "creative": "a/a", "prior_mean": 0.1, "prior_strength": 1}
    mandate = {"ends_at": "2026-02-31T00:00:00Z"}
    assert [fault.path for fault in faults_of(Item("arm", "a/a", {**arm, "mandate": mandate}))] == [
        "/arm/a/a/mandate/ends_at"
    ]


@pytest.mark.parametrize("key", ["floor\n", "a\0b", "\ud800"])
def test_a_key_is_one_word(key: str) -> None:
    found = faults_of(Item("product", key, {"title": "Cards"}))
    assert [fault.code for fault in found] == ["invalid_key"]
    found[0].path.encode()


@pytest.mark.parametrize(
    ("content", "path", "code"),
    [
        (b'{"title": NaN}', "/title", "not_storable"),
        (b'{"title": 1e999}', "/title", "not_storable"),
        (b'{"title": "a\\u0000b"}', "/title", "not_storable"),
        (b'{"title": "a\\ud800b"}', "/title", "not_storable"),
        (b'{"title": ' + b"9" * 5_000 + b"}", "", "no_json"),
        (b'{"title": ' + b"[" * 900 + b"]" * 900 + b"}", "/title" + "/0" * 40, "not_storable"),
        (b"[" * 200_000 + b"]" * 200_000, "", "no_json"),
    ],
    ids=["nan", "too-large", "nul", "surrogate", "digits", "deep", "deeper"],
)
def test_a_file_that_holds_what_cannot_be_held_is_named(content: bytes, path: str, code: str) -> None:
    with pytest.raises(InvalidContent) as refused:
        files.imported({"product/card.json": content}, snapshot.EMPTY)
    assert [(fault.path, fault.code) for fault in refused.value.faults] == [(f"/product/card.json{path}", code)]
    str(refused.value).encode()


def test_the_name_of_a_file_that_nobody_can_read_is_shown_all_the_same() -> None:
    with pytest.raises(InvalidContent) as refused:
        files.imported({"product/\udcff": b"{}"}, snapshot.EMPTY)
    assert refused.value.faults[0].path == "/product/\\udcff"
