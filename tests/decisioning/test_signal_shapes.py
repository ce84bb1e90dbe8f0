"""The shape of a signal is the one that the OpenAPI schema promises, and every wrong field is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisioning.api.serializers import SignalEvent
from decisioning.signal_shapes import LONGEST_TEXT, PAYLOADS, Event, InvalidEvent, event_of, fault

TIMES = ["2026-11-22T10:00:00Z", "2026-11-22T10:00:00.5+05:30", "2026-11-22 10:00+01", "20261122T100000Z",
         "2026-11-22T10:00:00", "2026-02-30T10:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
         "now", "", "1763812345"]  # fmt: skip
_names = st.text("abc", min_size=1, max_size=3)  # whose place in a message is easily told
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_names, inner, max_size=2),
    max_leaves=4,
)
_keys = st.sampled_from(["C-1", " padded ", "", "   ", "x" * 64, "x" * 65, "a\0b", "é"])
_fields: dict[str, st.SearchStrategy[Any]] = {
    "event_id": _keys | _json,
    "customer_id": _keys | _json,
    "type": st.sampled_from(sorted(PAYLOADS)) | _json,
    "occurred_at": st.sampled_from(TIMES) | _json,
    "payload": st.dictionaries(st.text(max_size=3), _json, max_size=2) | _json,
}
_good = {"event_id": "e", "customer_id": "C-1", "type": "login", "occurred_at": TIMES[0], "payload": {}}
# One field replaced, some fields replaced and left out, or something else altogether.
_events = st.one_of(
    st.sampled_from(sorted(_fields)).flatmap(lambda name: _fields[name].map(lambda value: {**_good, name: value})),
    st.fixed_dictionaries({}, optional={**_fields, "colour": _json}),
    _json,
)


@given(raw=_events)
def test_an_event_has_the_shape_that_the_schema_says_or_its_wrong_fields_are_named(raw: Any) -> None:
    promised = SignalEvent(data=raw)
    if promised.is_valid():
        assert event_of(raw) == Event(**promised.validated_data)
        return
    with pytest.raises(InvalidEvent) as refused:
        event_of(raw)
    named = {part.partition(":")[0] for part in str(refused.value).split("; ")}
    assert named == ({"body"} if "non_field_errors" in promised.errors else set(promised.errors))


_GOOD: dict[str, dict[str, Any]] = {
    "experiment_assigned": {"experiment": "hero-image", "variant": "b"},
    "social_post": {"post_id": "p-1", "text": "Flying to Lisbon.\nWindow seat! 🛫"},
}


@pytest.mark.parametrize("kind", _GOOD)
def test_every_field_of_a_payload_is_checked_by_name(kind: str) -> None:
    good = event_of({"event_id": "e", "customer_id": "C", "type": kind, "occurred_at": TIMES[0], "payload": {}})
    assert fault(Event(good.event_id, "C", kind, good.occurred_at, _GOOD[kind])) is None
    for name in _GOOD[kind]:
        wrong = fault(Event("e", "C", kind, good.occurred_at, {**_GOOD[kind], name: 5}))
        assert wrong == f"payload.{name} has a value that {kind} cannot have"


@pytest.mark.parametrize(("length", "refused"), [(LONGEST_TEXT, False), (LONGEST_TEXT + 1, True), (0, True)])
def test_a_post_has_four_thousand_characters_at_most(length: int, refused: bool) -> None:
    post = event_of({"event_id": "e", "customer_id": "C", "type": "social_post", "occurred_at": TIMES[0],
                     "payload": {"post_id": "p", "text": "é" * length}})  # fmt: skip
    assert (fault(post) is not None) is refused
