"""How long the words of a message may be on each channel, and how many messages an SMS takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offers import channels
from offers.catalog import Item, faults_of
from offers.types import CHANNELS
from tests.catalogue import text


def paths(texts: dict[str, Any]) -> list[str]:
    return [
        fault.path
        for fault in faults_of(Item("creative", "card/main", {"title": "m", "offer": "card", "texts": texts}))
    ]


def test_every_channel_has_limits() -> None:
    assert set(channels.LIMITS) == set(CHANNELS)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("field", channels.FIELDS)
def test_a_field_is_as_long_as_its_channel_allows_and_no_longer(channel: str, field: str) -> None:
    most = channels.LIMITS[channel].of(field)
    short = dict.fromkeys(channels.FIELDS, "a")
    assert paths({channel: {"format": "f", **short, field: "a" * most}}) == []
    assert paths({channel: {"format": "f", **short, field: "a" * (most + 1)}}) == [
        f"/creative/card/main/texts/{channel}/{field}"
    ]


@pytest.mark.parametrize("disclosure", ["", " ", "\n\t"])
def test_a_missing_disclosure_is_refused(disclosure: str) -> None:
    assert paths({"web": {**text("Hello"), "disclosure": disclosure}}) == ["/creative/card/main/texts/web/disclosure"]


def test_an_sms_of_four_messages_is_refused_as_a_whole() -> None:
    most = channels.LIMITS["sms"]
    words = {"format": "sms", "headline": "a" * most.headline, "body": "a" * most.body,
             "call_to_action": "a" * most.call_to_action, "disclosure": "a" * most.disclosure}  # fmt: skip
    assert paths({"sms": words}) == ["/creative/card/main/texts/sms"]


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        ("", 0), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 81, 2),
        ("“" + "a" * 69, 1), ("“" + "a" * 70, 2), ("😀" * 35, 1), ("😀" * 36, 2),
    ],
)  # fmt: skip
def test_segments_are_counted_as_an_operator_bills_them(words: str, messages: int) -> None:
    assert channels.segments(words) == messages


@given(st.text(), st.text())
def test_more_words_never_take_fewer_messages(one: str, other: str) -> None:
    assert channels.segments(one) <= channels.segments(one + other)
