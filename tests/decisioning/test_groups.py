"""Every attribute of the register is implemented once, and nothing else is."""

from __future__ import annotations

from collections import Counter

import pytest

from decisioning.features import aggregates, history
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
