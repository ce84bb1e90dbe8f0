"""Every attribute of the register is implemented once, and nothing else is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from decisioning.features import aggregates, fold, history
from decisioning.features.derived import RAW_INPUTS, derived
from decisioning.features.groups import IMPLEMENTATIONS
from decisioning.features.groups.implementation import Implementation
from decisioning.features.measures import Aggregate
from offers.register import ATTRIBUTES, GROUPS, SESSION_GROUP, attributes


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_implements_exactly_the_names_that_the_register_declares(group: str) -> None:
    assert IMPLEMENTATIONS[group].group == group
    assert set(IMPLEMENTATIONS[group].names()) == {each.name for each in attributes(group=group)}


def test_there_is_no_group_that_the_register_does_not_declare() -> None:
    assert IMPLEMENTATIONS.keys() == GROUPS.keys()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=lambda each: each.group)
def test_an_attribute_is_told_or_aggregated_or_derived_and_nothing_twice(implementation: Implementation) -> None:
    ways = Counter([*implementation.given, *implementation.aggregated, *implementation.derived])
    assert set(ways.values()) <= {1}
    only_momentary = set(implementation.momentary) - ways.keys()
    assert not only_momentary or implementation.group == SESSION_GROUP


def test_what_is_declared_derived_has_a_function_and_the_reverse() -> None:
    assert {name for each in IMPLEMENTATIONS.values() for name in each.derived} == derived().keys()


def test_every_input_of_a_derived_attribute_is_there_when_it_is_computed() -> None:
    assert {*aggregates.RAW, "moment"} == RAW_INPUTS.keys()
    ready = {*RAW_INPUTS, *(ATTRIBUTES.keys() - derived().keys())}
    for name, how in derived().items():
        assert set(how.inputs) <= ready, name
        ready.add(name)


def test_what_signals_change_at_once_is_declared_so() -> None:
    payload: dict[str, Any] = {
        "page": "cards", "card": "a", "seconds": 1, "entry_point": "push", "device_type": "app",
        "session_risk_score": 0.1, "amount": 900, "mcc": "1", "channel": "c", "balance": 1, "utilisation": 0.1,
        "experiment": "e", "variant": "v",
    }  # fmt: skip
    happened: list[dict[str, Any]] = [{"event": event} for event in ("new_mortgage", "first_child", "salary_change")]
    events = [("life_event", each) for each in happened]
    events += [(each, payload) for each in fold.TYPES if each != "life_event"]
    at = 1_790_000_000 * fold.SECOND
    folded = fold.over(None, [fold.row(at, *event) for event in events], at)
    declared = {name: set(each.momentary) for name, each in IMPLEMENTATIONS.items() if each.momentary}
    assert {name: set(values) for name, (_, values) in folded.items()} == declared


def test_two_measures_of_one_name_are_one_measure() -> None:
    hows = [*(how for each in IMPLEMENTATIONS.values() for how in each.aggregated.values()), *aggregates.RAW.values()]
    measures = {measure for how in hows if isinstance(how, Aggregate) for measure in how.over}
    assert {name: count for name, count in Counter(each.name for each in measures).items() if count > 1} == {}
    named = {measure.where.__name__: measure.where for measure in measures if measure.where}
    assert all(measure.where is named[measure.where.__name__] for measure in measures if measure.where)


def test_the_table_has_a_column_for_every_attribute_that_belongs_to_a_customer() -> None:
    of_customers = [name for name, declared in ATTRIBUTES.items() if declared.group != SESSION_GROUP]
    since = [history.since_column(group) for group in GROUPS if group != SESSION_GROUP]
    assert history.COLUMNS.names == ["entry", *of_customers, *since]
