"""What the studio says of a rule agrees with counting by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisioning import rule_reach
from decisioning.rule_reach import Finding
from decisioning.sample import Sample, joined
from offers import snapshot
from offers.conditions.grammar import parse
from offers.conditions.vectorise import columns_from_rows, evaluate_many
from offers.types import Rule
from tests import catalogue

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {"credit_score": 600, "debt_to_income": 0.2, "state": "NJ", "cards_held": frozenset({"a"})},
    {"credit_score": 700, "debt_to_income": 0.6, "state": "NY", "cards_held": frozenset()},
    {"credit_score": 720, "debt_to_income": 0.3, "state": "TX", "cards_held": frozenset({"b"})},
    {"credit_score": None, "debt_to_income": 0.3, "state": None, "cards_held": None},
]
SCORE = {"attribute": "credit_score", "op": ">=", "value": 680}
DEBT = {"attribute": "debt_to_income", "op": "<=", "value": 0.5}


def sample(rows: list[dict[str, Any]] | None = None, population: int | None = None) -> Sample:
    found = ROWS if rows is None else rows
    columns = columns_from_rows(found, ["credit_score", "debt_to_income", "state", "cards_held"]) if found else {}
    return Sample(np.arange(len(found)), columns, len(found) if population is None else population, NOW)


def rule(key: str, when: dict[str, Any], scope: Any = "all", target: str = "") -> Rule:
    return Rule(key, key, scope, target, parse(when), "CODE", "basis")


def release(rules: dict[str, dict[str, Any]]) -> Any:
    return snapshot.read(1, catalogue.content(offers=2, rules=rules))


def test_clauses_are_counted_together_and_alone() -> None:
    found = rule_reach.reach(parse({"all": [SCORE, DEBT]}), sample())
    assert (found.eligible, found.refused, found.missing) == (1, 2, 1)
    assert [(one.path, one.refuses, one.alone) for one in found.clauses] == [("/all/0", 2, 2), ("/all/1", 1, 1)]


def test_under_none_a_clause_keeps_out_those_for_whom_it_holds() -> None:
    found = rule_reach.reach(parse({"none": [{"attribute": "cards_held", "op": "contains", "value": "a"}]}), sample())
    assert (found.eligible, found.refused, found.missing) == (2, 1, 1)
    assert [(one.refuses, one.alone) for one in found.clauses] == [(2, 2)]


def test_nobody_is_counted_where_there_is_nobody() -> None:
    assert rule_reach.reach(parse({"all": [SCORE]}), sample([])).eligible == 0
    assert rule_reach.findings(rule("r", SCORE), release({}), sample([])) == []


@given(st.lists(st.sampled_from([1, 0, -1]), min_size=1, max_size=30))
def test_whoever_a_clause_keeps_out_alone_would_be_eligible_without_it(answers: list[int]) -> None:
    rows = [{"credit_score": {1: 700, 0: 600, -1: None}[answer], "debt_to_income": 0.1} for answer in answers]
    found = rule_reach.reach(parse({"all": [SCORE, DEBT]}), sample(rows))
    assert found.eligible + found.clauses[0].alone == len(rows)


@pytest.mark.parametrize(
    ("when", "others", "findings"),
    [
        ({**SCORE, "value": 300, "op": "!="}, {}, []),
        ({"attribute": "debt_to_income", "op": "<=", "value": 4}, {}, [Finding("never_fires")]),
        ({"attribute": "debt_to_income", "op": ">=", "value": 4}, {}, [Finding("refuses_everybody")]),
        ({**SCORE, "value": 650}, {"floor": SCORE}, [Finding("covered_by", other="floor")]),
        ({**SCORE, "value": 710}, {"floor": SCORE}, [Finding("covers", other="floor")]),
        (
            {**SCORE, "op": "<", "value": 650},
            {"floor": SCORE},
            [Finding("leaves_nobody", offer=offer) for offer in ("all-cards", "offer-0", "offer-1")],
        ),
    ],
)
def test_conflicts_and_overlaps_are_found(
    when: dict[str, Any], others: dict[str, Any], findings: list[Finding]
) -> None:
    live = release({key: catalogue.rule(other) for key, other in others.items()})
    assert rule_reach.findings(rule("mine", when), live, sample()) == findings


def test_rules_on_different_offers_do_not_overlap() -> None:
    live = release({"floor": catalogue.rule(SCORE, scope="offer", target="offer-0")})
    assert rule_reach.findings(rule("mine", {**SCORE, "value": 710}, "offer", "offer-1"), live, sample()) == []
    assert rule_reach.findings(rule("mine", {**SCORE, "value": 710}, "offer", "offer-0"), live, sample()) == [
        Finding("covers", other="floor")
    ]


def test_a_sample_speaks_for_the_population_with_its_margin() -> None:
    part = sample(population=4000)
    assert (part.scaled(1), part.is_everybody) == (1000, False)
    assert part.margin(2) == round(1.96 * 0.25 * 4000)
    assert (sample().scaled(3), sample().margin(3)) == (3, 0)


def test_chunks_of_columns_join_to_one() -> None:
    names = ["credit_score", "state", "cards_held"]
    first, second = columns_from_rows(ROWS[:2], names), columns_from_rows(ROWS[2:], names)
    whole = columns_from_rows(ROWS, names)
    for name in names:
        for when in ({"attribute": name, "op": "is_known"}, {"attribute": name, "op": "is_missing"}):
            both = evaluate_many(parse(when), {name: joined([first[name], second[name]])})
            assert (both == evaluate_many(parse(when), {name: whole[name]})).all()
    held = {"attribute": "cards_held", "op": "contains", "value": "b"}
    together = {"cards_held": joined([first["cards_held"], second["cards_held"]])}
    assert evaluate_many(parse(held), together).tolist() == [0, 0, 1, -1]
