"""A candidate that could not run, or would run differently from what was approved, is refused with the place named."""

from __future__ import annotations

from typing import Any

import pytest

from offers import snapshot
from offers.catalog import InvalidContent
from tests import catalogue


def faults(content: catalogue.Content) -> list[str]:
    with pytest.raises(InvalidContent) as raised:
        snapshot.read(1, content)
    return [fault.path for fault in raised.value.faults]


@pytest.mark.parametrize("kind", ["contact_policy", "ranking"])
def test_a_second_policy_is_refused(kind: str) -> None:
    content = catalogue.content()
    content[kind]["a"] = dict(content[kind]["default"])
    assert faults(content) == [f"/{kind}/default"]


@pytest.mark.parametrize(
    "term",
    [
        {"attribute": "device_type"},
        {"attribute": "device_type", "equals": None, "scale": 2.0},
        {"attribute": "utilisation", "equals": "high"},
        {"attribute": "cards_viewed"},
        {"attribute": "cards_viewed", "equals": "travel"},
        {"attribute": "gender", "equals": "f"},
    ],
)
def test_a_context_term_that_no_decision_could_read_is_refused(term: dict[str, Any]) -> None:
    content = catalogue.content()
    content["ranking"]["default"]["context"] = [term]
    assert faults(content) == ["/ranking/default/context/0/attribute"]


def test_weights_that_do_not_add_up_are_refused() -> None:
    content = catalogue.content()
    content["ranking"]["default"]["bandit_weight"] = 0.5
    assert faults(content) == ["/ranking/default/bandit_weight"]
